import { leaderName } from '../../domain/cluster.ts';
import { isFailsafeActive } from '../../view/failsafe.ts';
import { configOf, freshLook } from '../../view/select.ts';
import { ageMs } from '../rest/member-status.ts';
import { isPrimary, isStandbyLeader, isSynchronous, replicationState } from '../rest/standing.ts';
import { single, type Metric } from './metric.ts';

/** Patroni's numbers for the states of a server (`PostgresqlState`); -1 = none of them. */
const stateNumbers: Readonly<Record<string, number>> = {
  'initializing new cluster': 0,
  'creating replica': 4,
  running: 5,
  starting: 6,
  'start failed': 8,
  restarting: 9,
  stopping: 11,
  stopped: 12,
  crashed: 14,
};

/**
 * What Patroni's own `/metrics` shows, under its names, with 0 where Patroni says 0: dashboards and alerts made for it
 * go on. What slotkeeper cannot know (`patroni_postgres_in_archive_recovery`) is left out.
 */
export const patroniMetrics: readonly Metric[] = [
  single(
    'gauge',
    'patroni_version',
    'Version of Patroni whose formats this member speaks, without periods.',
    ({ plan }) => versionNumber(plan.member.version ?? ''),
  ),
  single('gauge', 'patroni_postgres_running', '1 while PostgreSQL answers.', ({ view }) => freshLook(view) !== null),
  single('gauge', 'patroni_postmaster_start_time', 'When PostgreSQL was started, in seconds since 1970.', ({ view }) =>
    seconds(freshLook(view)?.startedAtWallMs),
  ),
  single(
    'gauge',
    'patroni_primary',
    '1 while this member is the primary and holds the leader key.',
    ({ moment }) => isPrimary(moment).kind === 'yes',
  ),
  single(
    'counter',
    'patroni_xlog_location',
    'Written WAL in bytes, 0 on a standby.',
    ({ view }) => freshLook(view)?.currentLsn ?? 0,
  ),
  single(
    'gauge',
    'patroni_standby_leader',
    '1 while this member leads a standby cluster.',
    ({ moment }) => isStandbyLeader(moment).kind === 'yes',
  ),
  single(
    'gauge',
    'patroni_replica',
    '1 while this member is a standby.',
    ({ view, moment }) => freshLook(view)?.role === 'standby' && isStandbyLeader(moment).kind === 'no',
  ),
  single(
    'gauge',
    'patroni_sync_standby',
    '1 while this member is a synchronous standby by name.',
    ({ view, moment }) => freshLook(view)?.role === 'standby' && isSynchronous(moment).kind === 'yes',
  ),
  single('gauge', 'patroni_quorum_standby', '1 while this member is a synchronous standby by quorum.', () => 0),
  single(
    'counter',
    'patroni_xlog_received_location',
    'Received WAL in bytes, 0 on a primary.',
    ({ view }) => freshLook(view)?.receivedLsn ?? 0,
  ),
  single(
    'counter',
    'patroni_xlog_replayed_location',
    'Replayed WAL in bytes, 0 on a primary.',
    ({ view }) => freshLook(view)?.replayedLsn ?? 0,
  ),
  single(
    'gauge',
    'patroni_xlog_replayed_timestamp',
    'Time of the last replayed transaction, in seconds since 1970.',
    ({ view }) => seconds(freshLook(view)?.replayedAtWallMs),
  ),
  single(
    'gauge',
    'patroni_xlog_paused',
    '1 while replay is paused.',
    ({ view }) => freshLook(view)?.replayPaused ?? false,
  ),
  single(
    'gauge',
    'patroni_postgres_streaming',
    '1 while WAL is streamed from another server.',
    ({ view }) => replicationState(view) === 'streaming',
  ),
  single(
    'gauge',
    'patroni_postgres_server_version',
    'Version of PostgreSQL as server_version_num, 0 while it does not answer.',
    ({ view }) => freshLook(view)?.versionNum ?? 0,
  ),
  single(
    'gauge',
    'patroni_cluster_unlocked',
    '1 while nobody holds the leader key.',
    ({ view }) => view.consul.keys === null || leaderName(view.consul.keys) === null,
  ),
  single('gauge', 'patroni_failsafe_mode_is_active', '1 while failsafe mode is active.', ({ view }) =>
    isFailsafeActive(view),
  ),
  single(
    'gauge',
    'patroni_postgres_timeline',
    'Timeline of PostgreSQL, 0 while it does not answer.',
    ({ view }) => freshLook(view)?.timeline ?? 0,
  ),
  single(
    'gauge',
    'patroni_dcs_last_seen',
    'Last contact with Consul, in seconds since 1970; 0 = none yet.',
    ({ view, moment }) => {
      const age = ageMs(view.consul.contact, moment.nowMs);
      return age === null ? 0 : seconds(moment.nowWallMs - age);
    },
  ),
  single(
    'gauge',
    'patroni_pending_restart',
    '1 while PostgreSQL waits for a restart.',
    ({ plan }) => plan.member.pendingRestart,
  ),
  single('gauge', 'patroni_is_paused', '1 while cluster management is paused.', ({ view }) => configOf(view).pause),
  single(
    'gauge',
    'patroni_postgres_state',
    "State of PostgreSQL by Patroni's numbers, -1 = not known.",
    ({ plan }) => stateNumbers[plan.member.state] ?? -1,
  ),
];

/** 4.1.0 → 40100. */
function versionNumber(version: string): number | null {
  const match = /^(\d{1,2})\.(\d{1,2})\.(\d{1,2})/.exec(version);
  return match === null ? null : match.slice(1).reduce((sum, part) => sum * 100 + Number(part), 0);
}

function seconds(wallMs: number | null | undefined): number {
  return (wallMs ?? 0) / 1_000;
}
