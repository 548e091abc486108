import { pendingRestartToJson } from '../../consul/codec/pending-restart.ts';
import { scheduledRestartToJson } from '../../consul/codec/restart.ts';
import { leaderName, type ClusterKeys, type Key, type Member } from '../../domain/cluster.ts';
import type { LeadConfig } from '../../domain/config.ts';
import { formatLsn, type Lsn } from '../../domain/lsn.ts';
import { configOf } from '../../view/select.ts';
import { json, refusal, type Answer, type Moment } from './answer.ts';
import { contactStatus } from './member-status.ts';
import { isListed } from './standing.ts';

/** `/cluster`: all members by their keys, under Patroni's names, as old as `slotkeeper.consul` says. */
export function answerCluster({ turn: { view }, nowMs }: Moment): Answer {
  const { keys, contact } = view.consul;
  if (keys === null) return nothingRead();
  const leader = leaderName(keys);
  const optime = keys.status?.value?.optime ?? keys.optimeLeader?.value ?? 0n;
  const names = [...keys.members.keys()].sort();
  const { pause, lead } = configOf(view);
  return json(200, {
    members: names.map((name) => {
      const key = keys.members.get(name);
      return memberToJson(name, key, roleIn(keys, lead, name, key), name === leader ? null : optime);
    }),
    ...(pause ? { pause: true } : {}),
    ...scheduledSwitchover(keys),
    scope: view.self.scope,
    slotkeeper: { consul: contactStatus(contact, nowMs) },
  });
}

/** What a member is in the cluster, which may be more than it says of itself. */
export function roleIn(
  keys: ClusterKeys,
  { synchronousMode, standbyCluster }: LeadConfig,
  name: string,
  key: Key<Member> | undefined,
): 'leader' | 'standby_leader' | 'sync_standby' | 'replica' {
  if (name === leaderName(keys))
    return standbyCluster !== null || key?.value?.role === 'standby_leader' ? 'standby_leader' : 'leader';
  return synchronousMode && isListed(keys.sync?.value ?? null, name) ? 'sync_standby' : 'replica';
}

/** `scheduled_switchover`, where an operator has asked for one at a later time. */
export function scheduledSwitchover({ failover }: ClusterKeys): {
  readonly scheduled_switchover?: { readonly at: string; readonly from?: string; readonly to?: string };
} {
  const { scheduledAt = null, leader = null, candidate = null } = failover?.value ?? {};
  if (scheduledAt === null) return {};
  const names = { ...(leader === null ? {} : { from: leader }), ...(candidate === null ? {} : { to: candidate }) };
  return { scheduled_switchover: { at: scheduledAt, ...names } };
}

/** `optime`: the leader's position, from which lag is counted; null = the member is the leader. */
function memberToJson(
  name: string,
  key: Key<Member> | undefined,
  role: string,
  optime: Lsn | null,
): Readonly<Record<string, unknown>> {
  const member = key?.value ?? null;
  if (member === null) return { name, role, state: 'unknown', problem: key?.problem ?? 'the key cannot be read' };
  return {
    name,
    role,
    // As in Patroni: a standby that streams says so instead of that it runs.
    state: (role === 'leader' ? null : member.replicationState) ?? member.state,
    api_url: member.apiUrl,
    ...addressOf(member.connUrl),
    ...(member.timeline === null ? {} : { timeline: member.timeline }),
    ...(member.pendingRestart ? { pending_restart: true } : {}),
    ...(member.pendingRestartReason.size === 0
      ? {}
      : { pending_restart_reason: pendingRestartToJson(member.pendingRestartReason) }),
    ...(member.scheduledRestart === null ? {} : { scheduled_restart: scheduledRestartToJson(member.scheduledRestart) }),
    ...(Object.keys(member.tags.raw).length > 0 ? { tags: member.tags.raw } : {}),
    ...(optime === null ? {} : lagsOf(member, optime)),
  };
}

/** Where a standby has received and replayed to, and its one position of old; each with how far that is behind. */
function lagsOf({ receiveLsn, replayLsn, xlogLocation }: Member, optime: Lsn): Readonly<Record<string, unknown>> {
  const received = lagOf(receiveLsn, optime);
  const replayed = lagOf(replayLsn, optime);
  return {
    receive_lsn: received.lsn,
    receive_lag: received.lag,
    replay_lsn: replayed.lsn,
    replay_lag: replayed.lag,
    ...lagOf(xlogLocation, optime),
  };
}

/** Patroni's `unknown` where a position is not known. */
function lagOf(location: Lsn | null, optime: Lsn): { readonly lsn: string; readonly lag: number | 'unknown' } {
  if (location === null) return { lsn: 'unknown', lag: 'unknown' };
  return { lsn: formatLsn(location), lag: Number(optime > location ? optime - location : 0n) };
}

function addressOf(connUrl: string | null): Readonly<Record<string, unknown>> {
  if (connUrl === null || !URL.canParse(connUrl)) return {};
  const { hostname, port } = new URL(connUrl);
  return { host: hostname.replaceAll(/[[\]]/g, ''), port: port === '' ? 5_432 : Number(port) };
}

/** `/history`: Patroni's lines `[timeline, position in bytes, reason, time, new leader]`; absent ends are left off. */
export function answerHistory({ turn: { view } }: Moment): Answer {
  const { keys } = view.consul;
  if (keys === null) return nothingRead();
  return json(
    200,
    (keys.history?.value ?? []).map(({ timeline, lsn, reason, timestamp, newLeader }) => {
      const line = [timeline, Number(lsn), reason, timestamp, newLeader];
      while (line.at(-1) === null) line.pop();
      return line;
    }),
  );
}

export function nothingRead(): Answer {
  return refusal(503, 'nothing has been read from Consul yet');
}
