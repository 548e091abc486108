import { leaderName } from '../domain/cluster.ts';
import type { Acceptance } from '../domain/failsafe.ts';
import type { Lsn } from '../domain/lsn.ts';
import type { View } from './view.ts';

/** What this member is bound to by its own word now; null = nothing. */
export function acceptanceOf(view: View): Acceptance | null {
  const { acceptance } = view.memory.lead.failsafe;
  return acceptance !== null && view.nowMs < acceptance.untilMs ? acceptance : null;
}

/**
 * Where a slot is on the leader by its own word, since it can't tell Consul; null = it did not say. `incarnation`: which
 * logical slot is meant by the name, null = a physical one.
 */
export function toldPosition(view: View, slot: string, incarnation: Lsn | null): Lsn | null {
  const acceptance = acceptanceOf(view);
  const { keys } = view.consul;
  if (acceptance === null || keys === null || leaderName(keys) !== acceptance.call.leader) return null;
  const { slots, incarnations } = acceptance.call;
  return (incarnations.get(slot) ?? null) === incarnation ? (slots.get(slot) ?? null) : null;
}
