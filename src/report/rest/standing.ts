import { leaderName } from '../../domain/cluster.ts';
import type { SyncState } from '../../domain/lead.ts';
import { replicationStateOf } from '../../domain/server.ts';
import { agreedTerm, leadDeadlineMs, leadingTerm, leaseDeadlineMs } from '../../view/lease.ts';
import { configOf, freshLook, holdsLeader } from '../../view/select.ts';
import type { View } from '../../view/view.ts';
import type { Moment } from './answer.ts';
import { parseConfigDocument } from './config-document.ts';

/** `yes`, or why not: what a health check asks, and what a person wants to know who sees it fail. */
export type Standing = { readonly kind: 'yes' } | { readonly kind: 'no'; readonly why: string };

export const yes: Standing = { kind: 'yes' };

export function no(why: string): Standing {
  return { kind: 'no', why };
}

export function runs({ turn: { view } }: Moment): Standing {
  const { contact } = view.local;
  if (contact.kind === 'good') return yes;
  return no(
    contact.kind === 'never' ? 'PostgreSQL has not been asked yet' : `PostgreSQL does not answer: ${contact.why}`,
  );
}

/**
 * Whether clients may write here: the server is not in recovery, and this member holds the leader key under a lease that
 * has not run out by its own clock. Past that somebody else may be the leader without our knowing. While cluster
 * management is paused and Consul is away the role alone decides, as in Patroni.
 */
export function isPrimary(moment: Moment): Standing {
  const { view } = moment.turn;
  const running = runs(moment);
  if (running.kind === 'no') return running;
  if (freshLook(view)?.role !== 'primary') return no('PostgreSQL is in recovery');
  return leads(moment);
}

/** Whether this member leads a standby cluster: it holds the leader key, and follows the other cluster's primary. */
export function isStandbyLeader(moment: Moment): Standing {
  const { view } = moment.turn;
  if (configOf(view).lead.standbyCluster === null) return no('this is no standby cluster');
  const running = runs(moment);
  if (running.kind === 'no') return running;
  if (freshLook(view)?.role !== 'standby') return no('PostgreSQL is not in recovery');
  return leads(moment);
}

function leads(moment: Moment): Standing {
  const { view } = moment.turn;
  return configOf(view).pause && view.consul.contact.kind !== 'good' ? yes : holdsLease(moment);
}

export function holdsLease({ turn: { view }, nowMs }: Moment): Standing {
  const agreed = agreedTerm(view);
  if (agreed !== null && nowMs < (leadDeadlineMs(view, agreed) ?? 0)) return yes;
  const { keys } = view.consul;
  if (keys === null) return no('the leader key has not been read yet');
  const leader = leaderName(keys);
  if (leader === null) return no('nobody holds the leader key');
  if (!holdsLeader(view)) {
    return no(
      leader === view.self.name
        ? 'the leader key is held by an earlier session'
        : `the leader key is held by ${leader}`,
    );
  }
  if (view.self.ha === 'manage' && leadingTerm(view) === null) return no('this member was deposed in this term');
  const endsAtMs = leaseEndMs(view);
  return endsAtMs === null || nowMs < endsAtMs
    ? yes
    : no('the lease has run out: the Consul session was not renewed in time');
}

/**
 * Until when this member may say that it leads; null = there is no session. Where slotkeeper leads that is when it has to
 * stop; elsewhere the last moment at which Consul certainly keeps the session.
 */
function leaseEndMs(view: View): number | null {
  if (view.self.ha === 'manage') return leaseDeadlineMs(view);
  const { session } = view;
  return session.kind === 'held' ? session.renewedAtMs + session.ttlSeconds * 1_000 : null;
}

/** Whether clients may read from this standby. */
export function isReplica(moment: Moment, query: URLSearchParams): Standing {
  const running = runs(moment);
  if (running.kind === 'no') return running;
  const { view } = moment.turn;
  if (freshLook(view)?.role !== 'standby') return no('PostgreSQL is not in recovery');
  if (isStandbyLeader(moment).kind === 'yes') return no('this member leads the standby cluster');
  if (isSwitchedOn(view.self.tags.raw['noloadbalance'])) return no('this member is tagged noloadbalance');
  const wanted = query.get('replication_state');
  if (wanted !== null && wanted !== replicationState(view)) {
    return no(`the replication state is ${replicationState(view) ?? 'not known'}, asked for ${wanted}`);
  }
  return isNear(view, 'apply', lagLimit(query));
}

/** Whether the key `sync` names a member as a synchronous standby; PostgreSQL compares such names without case. */
export function isListed(sync: SyncState | null, name: string): boolean {
  return sync?.leader != null && sync.standbys.some((standby) => standby.toLowerCase() === name.toLowerCase());
}

/** Whether this standby is a synchronous one by the key `sync`, so that it has every transaction that was acknowledged. */
export function isSynchronous({ turn: { view } }: Moment): Standing {
  if (!configOf(view).lead.synchronousMode) return no('synchronous_mode is off');
  if (view.consul.contact.kind !== 'good') return no('Consul does not answer: who is synchronous is not known');
  return isListed(view.consul.keys?.sync?.value ?? null, view.self.name)
    ? yes
    : no('this member is not listed as a synchronous standby');
}

/** Patroni's word for what a standby gets its WAL from; null = not known. */
export function replicationState(view: View): string | null {
  const look = freshLook(view);
  return look === null ? null : replicationStateOf(look);
}

/** Whether a standby is within `mostBytes` of the leader's last published position; null = any distance will do. */
function isNear(view: View, mode: 'apply' | 'write', mostBytes: bigint | null): Standing {
  const optime = view.consul.keys?.status?.value?.optime ?? null;
  const look = view.local.look;
  const reached = (mode === 'write' ? look?.receivedLsn : look?.replayedLsn) ?? 0n;
  if (mostBytes === null || optime === null || optime - reached <= mostBytes) return yes;
  return no(`the standby is ${optime - reached} bytes behind (${mode}), allowed: ${mostBytes}`);
}

/**
 * Whether a rolling restart may go on past this member: it leads, or it streams and is near enough (`?lag=`, `?mode=`;
 * default `maximum_lag_on_failover`).
 */
export function isReady(moment: Moment, query: URLSearchParams): Standing {
  if (isPrimary(moment).kind === 'yes' || isStandbyLeader(moment).kind === 'yes') return yes;
  const running = runs(moment);
  if (running.kind === 'no') return running;
  const { view } = moment.turn;
  if (replicationState(view) !== 'streaming') return no('PostgreSQL does not stream from another server');
  if (view.consul.keys === null) return no('nothing has been read from Consul yet');
  return isNear(view, query.get('mode') === 'write' ? 'write' : 'apply', lagLimit(query) ?? maximumLag(view));
}

/** Whether the agent's loop goes round, by Patroni's measure: `ttl` on a primary, twice that on a standby. */
export function isAlive({ turn: { view }, turnAtMs, nowMs }: Moment): Standing {
  const { ttl, pause } = configOf(view);
  if (pause) return yes;
  const mostMs = ttl * 1_000 * (view.local.look?.role === 'primary' ? 1 : 2);
  return nowMs - turnAtMs < mostMs
    ? yes
    : no(`the agent has done nothing for ${Math.round((nowMs - turnAtMs) / 1_000)} s`);
}

/** Patroni's `tag_<name>=<value>`: every tag that is asked for must have that value. */
export function hasTags(view: View, query: URLSearchParams): Standing {
  for (const [parameter, wanted] of query) {
    if (!parameter.startsWith('tag_')) continue;
    const tag = parameter.slice('tag_'.length);
    const value = Object.hasOwn(view.self.tags.raw, tag) ? view.self.tags.raw[tag] : undefined;
    const text = typeof value === 'string' ? value : String(value).toLowerCase();
    if (value === undefined || value === null || text !== wanted) return no(`the tag ${tag} is not ${wanted}`);
  }
  return yes;
}

const units: Readonly<Record<string, number>> = { '': 1, B: 1, kB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30, TB: 2 ** 40 };

/** `?lag=` in bytes or with one of PostgreSQL's units; null = none was given, or none that can be read (Patroni's rule). */
function lagLimit(query: URLSearchParams): bigint | null {
  const match = /^\s*([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([kMGT]?B)?\s*$/.exec(query.get('lag') ?? '');
  const factor = match === null ? undefined : units[match[2] ?? ''];
  return match === null || factor === undefined ? null : BigInt(Math.round(Number(match[1]) * factor));
}

/** Patroni's default where the configuration does not say. */
const defaultMaximumLag = 1_048_576n;

function maximumLag(view: View): bigint {
  const configured = parseConfigDocument(view.consul.keys?.configText ?? null)?.['maximum_lag_on_failover'];
  return typeof configured === 'number' && Number.isSafeInteger(configured) ? BigInt(configured) : defaultMaximumLag;
}

function isSwitchedOn(tag: unknown): boolean {
  return (
    tag === true || tag === 1 || (typeof tag === 'string' && ['true', 'on', 'yes', '1'].includes(tag.toLowerCase()))
  );
}
