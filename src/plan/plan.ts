import type { Action } from '../domain/action.ts';
import { keyOf, laneOf } from '../domain/action.ts';
import type { Member } from '../domain/cluster.ts';
import type { Problem } from '../domain/problem.ts';
import { equal } from '../base/equal.ts';
import type { View } from '../view/view.ts';
import { giveTurn } from './copy.ts';
import { planFeedback } from './feedback.ts';
import { gate } from './gate.ts';
import { planIdleSlots } from './idle-slots.ts';
import type { Hold, Intent } from './intent.ts';
import { act, hold } from './intent.ts';
import { planFailsafe } from './lead/failsafe.ts';
import { planLead } from './lead/lead.ts';
import { planSavedConfig } from './lead/saved-config.ts';
import { planServer } from './lead/server.ts';
import { isHandingOver } from './lead/switchover.ts';
import { planLeadership } from './leadership.ts';
import { planNativePrimary } from './native-primary.ts';
import { planNative } from './native.ts';
import { lookAgainMs } from './pace.ts';
import { planForgottenXmin, planPhysicalAdvances, planStandbyPhysicalSlots } from './physical-slots.ts';
import { planPrimarySlots } from './primary-slots.ts';
import { problemsOf } from './problems.ts';
import { planMember, planPublications, wantedMember } from './publish.ts';
import { refusalOf, untouchableBecause } from './refusal.ts';
import { planService } from './service.ts';
import { planSnapshots } from './snapshots.ts';
import { planStandbyGate } from './standby-gate.ts';
import { planStandbySlots } from './standby-slots.ts';

/** A server that does not come up after a copy keeps the others from theirs for this long and no longer. */
const downPatienceMs = 60_000;

/** What follows from one View: what to do now, what not and why, and what is to be said of it. */
export interface Plan {
  readonly actions: readonly Action[];
  readonly holds: readonly Hold[];
  readonly problems: readonly Problem[];
  /** What this member's key should say. */
  readonly member: Member;
  /** How soon the local server is to be looked at again. */
  readonly lookAgainMs: number;
}

/** A View and what was planned from it: what everything that reports is made from. */
export interface Turn {
  readonly view: View;
  readonly plan: Plan;
}

/**
 * What to do now. Made from the whole newest View and from nothing else; every action is one small step, after which
 * the next View decides again. Pure: the same View gives the same Plan.
 */
export function plan(view: View): Plan {
  const problems = problemsOf(view);
  const member = wantedMember(view, [...new Set(problems.map((problem) => problem.code))].sort());
  const local = planLocal(view);
  const intents: readonly Intent[] = [
    ...planRole(view),
    ...planMember(view, member),
    ...planPublications(view),
    ...planService(view),
    ...planInterruptedCopy(view),
    ...local,
    ...planTurnGivenBack(view, local),
    ...planLedger(view),
    ...(view.self.ha === 'manage' ? planSavedConfig(view) : []),
  ];
  const { actions, holds } = passed(view, intents);
  return { actions, holds, problems, member, lookAgainMs: lookAgainMs(view) };
}

/** Who leads, and what is to be done to the server for it. */
function planRole(view: View): readonly Intent[] {
  return view.self.ha === 'manage'
    ? [...planFailsafe(view), ...planLead(view), ...planServer(view)]
    : planLeadership(view);
}

/** What is to be changed on this server: nothing at all where slotkeeper cannot do its work (S7). */
function planLocal(view: View): readonly Intent[] {
  const isManaged = view.self.ha === 'manage' && refusalOf(view) === null;
  const why = untouchableBecause(view);
  // The members of a cluster that was taken over stream before its wal_level has changed.
  const isOpen = isManaged && !isHandingOver(view);
  if (why !== null) return [hold('server', why), ...(isOpen ? [...planPrimarySlots(view), ...planPhysical(view)] : [])];
  // Whatever else would begin now would keep the server from being handed over, or fill the gate again.
  if (view.self.ha === 'manage' && isHandingOver(view)) return [hold('slots', 'the server is handed over')];
  return [
    // First of those that change settings: a list that names a dead standby freezes every consumer.
    ...planStandbyGate(view),
    ...planFeedback(view),
    ...planNative(view),
    ...planPrimarySlots(view),
    ...planNativePrimary(view),
    ...planIdleSlots(view),
    ...planSnapshots(view),
    ...planStandbySlots(view),
    ...planPhysical(view),
  ];
}

/** On standbys; on a primary they are made together with the logical ones. */
function planPhysical(view: View): readonly Intent[] {
  return [...planStandbyPhysicalSlots(view), ...planForgottenXmin(view), ...planPhysicalAdvances(view)];
}

/** An earlier agent stopped the server for a copy and died: whoever stops the server starts it again. */
function planInterruptedCopy(view: View): readonly Intent[] {
  if (view.local.contact.kind === 'good' || !view.local.copyInterrupted) return [];
  return view.local.trouble === 'not_running' ? [act({ kind: 'start_after_copy' })] : [];
}

/** The turn is kept only for a copy that can be made now, and while the server is down for one. */
function planTurnGivenBack(view: View, local: readonly Intent[]): readonly Intent[] {
  const isNeeded = local.some((intent) => intent.kind === 'act' && intent.action.kind === 'copy_slots');
  const { contact, copyInterrupted } = view.local;
  const isDown = copyInterrupted && contact.kind === 'broken' && view.nowMs - contact.sinceMs < downPatienceMs;
  return isNeeded || isDown || view.running.has('server') ? [] : giveTurn(view);
}

/**
 * Not while a copy is under way: it writes down itself what it has put in place, and what is known here until it has ended
 * would go over that. An agent that died then would never know again that the slot can be decoded from.
 */
function planLedger(view: View): readonly Intent[] {
  if (view.ledger === null || equal(view.ledger, view.savedLedger) || view.running.has('server')) return [];
  return [act({ kind: 'save_ledger', ledger: view.ledger })];
}

/** The actions that may start now, one for each lane but the leader's (C2); those that may not say why. */
function passed(view: View, intents: readonly Intent[]): { actions: readonly Action[]; holds: readonly Hold[] } {
  const actions = new Map<string, Action>();
  const holds: Hold[] = [];
  for (const intent of intents) {
    if (intent.kind === 'hold') {
      holds.push(intent.hold);
      continue;
    }
    const answer = gate(view, intent.action);
    // Several parts of the plan change settings: the first one wins the lane, the next turn asks again for the others.
    const lane = laneOf(intent.action);
    const place = lane === 'consul:leader' ? keyOf(intent.action) : lane;
    if (answer.kind === 'pass' && !actions.has(place)) actions.set(place, intent.action);
    if (answer.kind === 'wait') holds.push({ subject: keyOf(intent.action).replaceAll('_', ' '), why: answer.why });
  }
  return { actions: [...actions.values()], holds };
}
