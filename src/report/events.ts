import { leaderName, type ClusterKeys } from '../domain/cluster.ts';
import type { Problem } from '../domain/problem.ts';
import { versionText } from '../domain/version.ts';
import type { Plan, Turn } from '../plan/plan.ts';
import { freshLook } from '../view/select.ts';
import type { Contact, View } from '../view/view.ts';
import type { AgentEvent } from './event.ts';
import { isSaidAgain, withoutNumbers } from './loudness.ts';
import { failureEvents } from './action-events.ts';
import { gateEventsBetween } from './gate-events.ts';
import { slotEventsBetween } from './slot-events.ts';

/**
 * What is new from one turn to the next, worked out from the two states (never from what happened in between, which may
 * be lost). `previous` null = the agent has just started: then what is wrong is said, and what is as usual is not.
 * Trouble that goes on is said again only as it grows older (`isSaidAgain`).
 */
export function eventsBetween(previous: Turn | null, next: Turn): AgentEvent[] {
  const before = previous?.view ?? null;
  return [
    ...consulEvents(before, next.view),
    ...sessionEvents(before, next.view),
    ...configEvents(before?.consul.keys ?? null, next.view.consul.keys),
    ...clusterEvents(before?.consul.keys ?? null, next.view.consul.keys),
    ...serverEvents(before, next.view),
    ...slotEventsBetween(before, next.view),
    ...gateEventsBetween(before, next.view),
    ...failureEvents(before, next.view),
    ...problemEvents(previous?.plan ?? null, next.plan),
    ...holdEvents(previous?.plan ?? null, next.plan),
  ];
}

function consulEvents(before: View | null, next: View): AgentEvent[] {
  const change = contactChange(before, next, (view) => view.consul.contact);
  if (change === null) return [];
  return change.kind === 'broken'
    ? [{ kind: 'consul_unreachable', why: change.why, ageMs: change.ageMs }]
    : [{ kind: 'consul_reachable', outageMs: change.outageMs }];
}

function serverEvents(before: View | null, next: View): AgentEvent[] {
  const events: AgentEvent[] = [];
  const { trouble, look } = next.local;
  const change = contactChange(before, next, (view) => view.local.contact);
  const isOtherTrouble = before?.local.contact.kind === 'broken' && before.local.trouble !== trouble;
  if (next.local.contact.kind === 'broken' && (change !== null || isOtherTrouble)) {
    const { why, sinceMs } = next.local.contact;
    events.push({ kind: 'server_unreachable', trouble, why, ageMs: next.nowMs - sinceMs });
  }
  if (change?.kind === 'good' && look !== null) {
    events.push({ kind: 'server_reachable', outageMs: change.outageMs, version: versionText(look.versionNum) });
  }
  const from = before?.local.look?.role ?? null;
  const to = freshLook(next)?.role ?? null;
  if (to !== null && from !== to) {
    events.push({ kind: 'role_changed', from, to, timeline: look?.timeline ?? 0 });
  }
  return events;
}

type ContactChange =
  | { readonly kind: 'good'; readonly outageMs: number | null }
  | { readonly kind: 'broken'; readonly ageMs: number; readonly why: string };

function contactChange(before: View | null, next: View, of: (view: View) => Contact): ContactChange | null {
  const [was, is] = [before === null ? null : of(before), of(next)];
  if (is.kind === 'never' || (is.kind === 'good' && was?.kind === 'good')) return null;
  if (is.kind === 'good') return { kind: 'good', outageMs: was?.kind === 'broken' ? next.nowMs - was.sinceMs : null };
  const ageMs = next.nowMs - is.sinceMs;
  const goesOn = before !== null && was?.kind === 'broken';
  return goesOn && !isSaidAgain(before.nowMs - is.sinceMs, ageMs) ? null : { kind: 'broken', ageMs, why: is.why };
}

function sessionEvents(before: View | null, { session }: View): AgentEvent[] {
  const events: AgentEvent[] = [];
  const was = before?.session.kind === 'held' ? before.session : null;
  const isSame = was !== null && session.kind === 'held' && session.id === was.id;
  if (was !== null && !isSame) {
    const why = session.kind === 'none' ? session.why : 'another one was created';
    events.push({ kind: 'session_lost', session: was.id, why });
  }
  if (session.kind === 'held') {
    const { id, ttlSeconds, clampedFrom } = session;
    if (!isSame) events.push({ kind: 'session_acquired', session: id, ttlSeconds });
    // A clamp is a fact about Consul's configuration: no news when one session takes the place of another.
    if (clampedFrom !== null && clampedFrom !== was?.clampedFrom) {
      events.push({ kind: 'session_clamped', wantedSeconds: clampedFrom, ttlSeconds });
    }
  }
  return events;
}

function configEvents(before: ClusterKeys | null, next: ClusterKeys | null): AgentEvent[] {
  const [was, is] = [before?.config ?? null, next?.config ?? null];
  if (is === null) return was === null || next === null ? [] : [{ kind: 'config_removed' }];
  if (is.modifyIndex === was?.modifyIndex) return [];
  const { modifyIndex: index, value, problem } = is;
  return value === null
    ? [{ kind: 'config_refused', index, why: problem ?? 'it cannot be read' }]
    : [{ kind: 'config_accepted', index, adjusted: problem }];
}

function clusterEvents(before: ClusterKeys | null, next: ClusterKeys | null): AgentEvent[] {
  if (next === null) return [];
  const events: AgentEvent[] = [];
  const [from, to] = [before === null ? null : leaderName(before), leaderName(next)];
  if (from !== to) events.push({ kind: 'leader_changed', from, to });
  if (before === null) return events;
  for (const member of next.members.keys()) {
    if (!before.members.has(member)) events.push({ kind: 'member_joined', member });
  }
  for (const member of before.members.keys()) {
    if (!next.members.has(member)) events.push({ kind: 'member_left', member });
  }
  return events;
}

function problemEvents(before: Plan | null, next: Plan): AgentEvent[] {
  const [was, is] = [byMeaning(before?.problems ?? []), byMeaning(next.problems)];
  return [
    ...[...is]
      .filter(([key]) => !was.has(key))
      .map(([, problem]): AgentEvent => ({ kind: 'problem_appeared', problem })),
    ...[...was]
      .filter(([key]) => !is.has(key))
      .map(([, problem]): AgentEvent => ({ kind: 'problem_cleared', problem })),
  ];
}

function byMeaning(problems: readonly Problem[]): ReadonlyMap<string, Problem> {
  return new Map(problems.map((problem) => [`${problem.code}\n${withoutNumbers(problem.what)}`, problem]));
}

function holdEvents(before: Plan | null, next: Plan): AgentEvent[] {
  const was = new Map(before?.holds.map((hold) => [hold.subject, withoutNumbers(hold.why)]));
  const is = new Map(next.holds.map((hold) => [hold.subject, hold]));
  const held = [...is.values()].filter(({ subject, why }) => was.get(subject) !== withoutNumbers(why));
  const released = [...was.keys()].filter((subject) => !is.has(subject));
  return [
    ...held.map(({ subject, why }): AgentEvent => ({ kind: 'held', subject, why })),
    ...released.map((subject): AgentEvent => ({ kind: 'released', subject })),
  ];
}
