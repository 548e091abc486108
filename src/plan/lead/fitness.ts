import type { Lsn } from '../../domain/lsn.ts';
import { formatLsn } from '../../domain/lsn.ts';
import type { ServerLook } from '../../domain/server.ts';
import { unlistedBecause } from '../../view/failsafe.ts';
import { mayWrite } from '../../view/lease.ts';
import { configOf, freshLook } from '../../view/select.ts';
import type { View } from '../../view/view.ts';
import { isTakenByAnother } from '../leadership.ts';
import { refusalOf } from '../refusal.ts';
import { conflictOfStandby } from './line.ts';

/** A promotion that did not work is not tried on the same server again before others have had their turn. */
const failedForMs = 30_000;
/** For how long somebody who has handed over, or whom the request does not name, leaves the race to the others. */
export const requestedForMs = 10_000;

/** Why this member can't lead now (L2, L4); null = it can. */
export function unfitBecause(view: View): string | null {
  if (isTakenByAnother(view)) return `another agent runs under the name ${view.self.name}`;
  const look = freshLook(view);
  if (look === null) return 'its server does not run';
  if (look.role === 'primary' || mayWrite(view)) return 'its server is not known to be a standby';
  const why = refusalOf(view) ?? conflictOfStandby(view) ?? unlistedBecause(view) ?? tagged(view) ?? paused(view);
  return why ?? failedPromotion(view) ?? handedOver(view) ?? behind(view, look);
}

/** The member whom an operator's request names as the next leader; null = nobody. */
export function requestedCandidate(view: View): string | null {
  return view.consul.keys?.failover?.value?.candidate ?? null;
}

/** A request without the present leader's name: an operator takes the responsibility for what is lost. */
function isManualFailover(view: View): boolean {
  const request = view.consul.keys?.failover?.value ?? null;
  return request !== null && request.leader === null && request.candidate === view.self.name;
}

/** How far a standby has come: what it has received counts, since it is replayed before a promotion ends. */
export function furthest(look: ServerLook): Lsn {
  const [received, replayed] = [look.receivedLsn ?? 0n, look.replayedLsn ?? 0n];
  return received > replayed ? received : replayed;
}

/** How many logical slots this standby could not take over as they are. */
export function unreadySlots(view: View): number {
  return (view.memory.standing?.verdicts ?? view.verdicts).filter(
    ({ type, verdict }) => type === 'logical' && verdict.kind !== 'ready' && verdict.kind !== 'orphan',
  ).length;
}

function tagged({ self: { tags } }: View): string | null {
  return tags.nofailover || tags.failoverPriority <= 0 ? 'it is tagged nofailover' : null;
}

function paused(view: View): string | null {
  const isNamed = requestedCandidate(view) === view.self.name;
  return configOf(view).pause && !isNamed ? 'the cluster is paused' : null;
}

/** Why its last promotion keeps this member from leading; null = there was none, or others have had their turn since. */
export function failedPromotion(view: View): string | null {
  const failure = view.failures.get('promote');
  if (failure === undefined || view.nowMs - failure.lastAtMs >= failedForMs) return null;
  return `its promotion failed: ${failure.message}`;
}

/** That the standby is no more on the timeline with which it went for the leader key: it has less than it offered. */
export function behindOffer(view: View): string | null {
  const { offered } = view.memory.lead;
  const timeline = freshLook(view)?.timeline ?? null;
  if (offered === null || timeline === null || timeline >= offered.timeline) return null;
  return `its server is on timeline ${timeline}, and was on ${offered.timeline} when it went for the leader key`;
}

function handedOver(view: View): string | null {
  const request = view.consul.keys?.failover?.value ?? null;
  const { vacant } = view.memory.lead;
  const isFresh = vacant !== null && view.nowMs - vacant.sinceMs < requestedForMs;
  return isFresh && request !== null && request.leader === view.self.name ? 'it has handed over' : null;
}

/** What the others would lose with it: WAL, or slots. */
function behind(view: View, look: ServerLook): string | null {
  const lacks = lacksBecause(view, look);
  if (lacks !== null || isManualFailover(view)) return lacks;
  const unready = unreadySlots(view);
  return configOf(view).lead.promotionGuard === 'require' && unready > 0
    ? `${unready} of its slots are not ready, and promotion_guard requires all`
    : null;
}

/**
 * What was written that this standby does not have, or has differently (L2). Asked once more when the leader key is held:
 * it may have been taken by what an agent knew that had missed a whole term of another.
 */
export function lacksBecause(view: View, look: ServerLook): string | null {
  if (isManualFailover(view)) return null;
  const { maximumLagOnFailoverBytes, checkTimeline } = configOf(view).lead;
  const position = furthest(look);
  const optime = view.memory.lastStatus?.optime ?? 0n;
  if (Number(optime - position) > maximumLagOnFailoverBytes) {
    return `it is ${optime - position} bytes behind, maximum_lag_on_failover allows ${maximumLagOnFailoverBytes}`;
  }
  const left = superseded(view, look.timeline, position);
  if (left !== null) return left;
  const newest = newestTimeline(view);
  if (checkTimeline && look.timeline < newest) return `it is on timeline ${look.timeline}, the newest is ${newest}`;
  return outOfSync(view);
}

/** Synchronous mode: only whoever is in the key has everything that was acknowledged. */
function outOfSync(view: View): string | null {
  const sync = view.consul.keys?.sync?.value ?? null;
  if (!configOf(view).lead.synchronousMode || sync === null || sync.leader === null) return null;
  const { name } = view.self;
  return sync.leader === name || sync.standbys.includes(name) ? null : 'it is not synchronous';
}

/** WAL that a later leader did not build on: to lead with it would undo what that leader wrote. */
function superseded(view: View, timeline: number, position: Lsn): string | null {
  const { keys } = view.consul;
  const ends = [
    ...(keys?.history?.value ?? []).map((entry) => ({ after: entry.timeline, lsn: entry.lsn })),
    ...(keys?.terms?.value ?? []).flatMap((term) =>
      term.timeline === null || term.from === null || term.timeline <= timeline
        ? []
        : [{ after: timeline, lsn: term.from }],
    ),
  ];
  const end = ends.find((one) => one.after === timeline && position > one.lsn);
  return end === undefined
    ? null
    : `it has WAL on timeline ${timeline} after ${formatLsn(end.lsn)}, where a later leader left it`;
}

/** The newest timeline that any leader wrote on, as far as Consul says. */
export function newestTimeline(view: View): number {
  const listed = (view.consul.keys?.terms?.value ?? []).map(({ timeline }) => timeline ?? 1);
  const ended = (view.consul.keys?.history?.value ?? []).map(({ timeline }) => timeline + 1);
  return Math.max(1, ...listed, ...ended);
}
