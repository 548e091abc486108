import type { Action } from '../domain/action.ts';
import { keyOf } from '../domain/action.ts';
import type { Member } from '../domain/cluster.ts';
import type { Problem } from '../domain/problem.ts';
import { equal } from '../base/equal.ts';
import type { View } from '../view/view.ts';
import { giveTurn } from './copy.ts';
import { planFeedback } from './feedback.ts';
import { gate } from './gate.ts';
import type { Intent } from './intent.ts';
import { act } from './intent.ts';
import { planLeadership } from './leadership.ts';
import { lookAgainMs } from './pace.ts';
import { planPhysicalAdvances, planStandbyPhysicalSlots } from './physical-slots.ts';
import { planPrimarySlots } from './primary-slots.ts';
import { problemsOf } from './problems.ts';
import { planMember, planPublications, wantedMember } from './publish.ts';
import { planService } from './service.ts';
import { planStandbySlots } from './standby-slots.ts';

/** Something that the agent would do but does not do now, and why: what `plan` and the log show. */
export interface Hold {
  /** What is held back, e.g. `slot orders` or `status`. */
  readonly subject: string;
  readonly why: string;
}

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
  const intents: readonly Intent[] = [
    ...planLeadership(view),
    ...planMember(view, member),
    ...planPublications(view),
    ...planService(view),
    ...planInterruptedCopy(view),
    ...planFeedback(view),
    ...planPrimarySlots(view),
    ...planStandbySlots(view),
    ...planStandbyPhysicalSlots(view),
    ...planPhysicalAdvances(view),
    ...planTurnGivenBack(view),
    ...planLedger(view),
  ];
  return { ...passed(view, intents), problems, member, lookAgainMs: lookAgainMs(view) };
}

/** An earlier agent stopped the server for a copy and died: whoever stops the server starts it again. */
function planInterruptedCopy(view: View): readonly Intent[] {
  if (view.local.contact.kind === 'good' || !view.local.copyInterrupted) return [];
  return view.local.trouble === 'not_running' ? [act({ kind: 'start_after_copy' })] : [];
}

/** A turn is not kept by a server that is down, a primary, or a standby that cannot copy. */
function planTurnGivenBack(view: View): readonly Intent[] {
  const isCopying = view.running.has('server') || view.local.copyInterrupted;
  const isStandby = view.local.contact.kind === 'good' && view.local.look?.role === 'standby';
  return isStandby || isCopying ? [] : giveTurn(view);
}

function planLedger(view: View): readonly Intent[] {
  if (view.ledger === null || equal(view.ledger, view.savedLedger)) return [];
  return [act({ kind: 'save_ledger', ledger: view.ledger })];
}

/** The actions that may start now, one of a kind and subject; those that may not say why. */
function passed(view: View, intents: readonly Intent[]): { actions: readonly Action[]; holds: readonly Hold[] } {
  const actions = new Map<string, Action>();
  const holds: Hold[] = [];
  for (const intent of intents) {
    if (intent.kind === 'hold') {
      holds.push(intent.hold);
      continue;
    }
    const answer = gate(view, intent.action);
    if (answer.kind === 'pass' && !actions.has(keyOf(intent.action))) actions.set(keyOf(intent.action), intent.action);
    if (answer.kind === 'wait') holds.push({ subject: keyOf(intent.action).replaceAll('_', ' '), why: answer.why });
  }
  return { actions: [...actions.values()], holds };
}
