import { equal } from '../../base/equal.ts';
import type { FailsafeCall } from '../../domain/failsafe.ts';
import type { Problem } from '../../domain/problem.ts';
import { slotNameFromMemberName } from '../../domain/slot.ts';
import { failsafeOthers, unlistedBecause } from '../../view/failsafe.ts';
import { agreedTerm, leadingTerm, leaseMs, leasedTerm } from '../../view/lease.ts';
import { configOf, freshLook, sessionId } from '../../view/select.ts';
import { standbyClusterOf } from '../../view/standby-cluster.ts';
import type { View } from '../../view/view.ts';
import type { Intent } from '../intent.ts';
import { act, hold } from '../intent.ts';
import { wantedStatus } from '../status.ts';

/** The others are asked once a session of ten seconds has not been renewed for two and a half, so several times in its lease. */
const askAfterTtls = 0.25;
const askEveryMs = 1_000;

/** The key `failsafe`: who has to be asked when Consul is away; gone where failsafe mode is off. */
export function planFailsafeKey(view: View): readonly Intent[] {
  const session = sessionId(view);
  const key = view.consul.keys?.failsafe ?? null;
  // A configuration that is gone changes nothing.
  if (session === null || view.config === null) return [];
  const members = view.config.lead.failsafeMode ? wantedMembers(view) : null;
  const isRight = members === null ? key === null : key?.value != null && equal(key.value, members);
  // Before its server accepts writes a leader has nothing to go on with, and who is not listed yet can't lead meanwhile.
  const isEarly = members !== null && freshLook(view)?.role !== 'primary';
  if (isRight || isEarly) return [];
  return [act({ kind: 'publish_failsafe', session, members, index: key?.modifyIndex ?? 0 })];
}

/** Every member that is alive by its session, and this one. */
function wantedMembers({ self, consul }: View): ReadonlyMap<string, string> {
  const others = [...(consul.keys?.members ?? [])].flatMap(([name, { session, value }]) =>
    session === null || value?.apiUrl == null ? [] : [[name, value.apiUrl] as const],
  );
  return new Map([...others, [self.name, self.apiUrl]]);
}

/**
 * Failsafe mode (L11): a leader whose session is not renewed asks all others whether it may go on, again and again, until
 * Consul is back and the key is its own, or one of them does not agree any more.
 */
export function planFailsafe(view: View): readonly Intent[] {
  const ttlSeconds = ttlAtStake(view);
  const term = leadingTerm(view);
  if (term === null || ttlSeconds === null) return [];
  const members = failsafeOthers(view);
  if (members === null) return [hold('failsafe', 'the key failsafe does not list this member')];
  const { askedAtMs, objections } = view.memory.lead.failsafe;
  const held = [...objections].map(([name, why]) => hold(`failsafe of ${name}`, why));
  if (askedAtMs !== null && view.nowMs - askedAtMs < askEveryMs) return held;
  return [...held, act({ kind: 'ask_failsafe', term, ttlSeconds, members, call: callOf(view, ttlSeconds) })];
}

/** The TTL of the session that is not renewed, while a primary here leads by it; null = nothing has to be asked. */
function ttlAtStake(view: View): number | null {
  const { session } = view;
  const { pause, lead } = configOf(view);
  if (!lead.failsafeMode || pause || standbyClusterOf(view) !== null || freshLook(view)?.role !== 'primary')
    return null;
  if (session.kind === 'none') return view.memory.lead.failsafe.agreement?.ttlSeconds ?? null;
  const { ttlSeconds, renewedAtMs } = session;
  const isRenewed = view.nowMs - renewedAtMs < ttlSeconds * 1_000 * askAfterTtls;
  return isRenewed && leasedTerm(view) !== null ? null : ttlSeconds;
}

function callOf(view: View, ttlSeconds: number): FailsafeCall {
  const { name, connUrl, apiUrl } = view.self;
  const status = wantedStatus(view);
  const end = freshLook(view)?.currentLsn ?? null;
  const own = end === null ? [] : [[slotNameFromMemberName(name), end] as const];
  return {
    leader: name,
    connUrl,
    apiUrl,
    slots: new Map([...(status?.slots ?? []), ...own]),
    incarnations: new Map([...(status?.extras?.logical ?? [])].map(([slot, { incarnation }]) => [slot, incarnation])),
    bindsMs: leaseMs(ttlSeconds),
  };
}

/** What operators should know while Consul is away, and when this member is kept from leading. */
export function failsafeProblems(view: View): readonly Problem[] {
  const unlisted = view.memory.lead.vacant === null ? null : unlistedBecause(view);
  if (unlisted !== null) {
    const fix = 'bring back a member that is listed, or, if none of them runs any more, delete the key failsafe';
    return [{ code: 'failsafe_unlisted', severity: 'error', what: `this member can not lead: ${unlisted}`, fix }];
  }
  if (ttlAtStake(view) === null || leadingTerm(view) === null) return [];
  const { objections } = view.memory.lead.failsafe;
  if (objections.size > 0) {
    const why = [...objections].map(([name, one]) => `${name} (${one})`).sort();
    const what = `Consul is away, and this primary stops unless all members agree that it goes on; not: ${why.join(', ')}`;
    return [{ code: 'failsafe_refused', severity: 'error', what, fix: 'bring Consul back, or those members' }];
  }
  if (agreedTerm(view) === null) return [];
  const names = [...(failsafeOthers(view)?.keys() ?? [])].sort();
  const whose = names.length === 0 ? 'as the only member' : `by the word of ${names.join(', ')}`;
  const what = `Consul is away: this primary goes on in failsafe mode, ${whose}`;
  return [{ code: 'failsafe_active', severity: 'warning', what, fix: 'bring Consul back' }];
}
