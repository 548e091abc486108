import { equal } from '../base/equal.ts';
import type { GateReport } from '../domain/cluster.ts';
import { gateReport } from '../plan/standby-gate.ts';
import type { View } from '../view/view.ts';
import type { AgentEvent } from './event.ts';

/** A change of the slots that consumers of this primary wait for. */
export function gateEventsBetween(before: View | null, next: View): AgentEvent[] {
  if (before === null) return [];
  const [was, is] = [gateReport(before), gateReport(next)];
  const [from, to] = [slotsOf(was), slotsOf(is)];
  return equal(from, to) ? [] : [{ kind: 'gate_changed', from, to, leftOut: is?.leftOut ?? new Map() }];
}

/** Null = there is no gate, or nothing that would enforce one. */
function slotsOf(report: GateReport | null): readonly string[] | null {
  return report === null || report.enforcedBy === null ? null : report.slots;
}
