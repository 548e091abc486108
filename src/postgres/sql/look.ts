import { z } from 'zod';
import { majorOf } from '../../domain/version.ts';
import { type Statement, oneRow } from '../statement.ts';

const lsnText = z.string().regex(/^[0-9A-F]+\/[0-9A-F]+$/);
const xidText = z.string().regex(/^\d+$/);

const slotRow = z.object({
  name: z.string(),
  type: z.enum(['logical', 'physical']),
  plugin: z.string().nullable(),
  database: z.string().nullable(),
  active: z.boolean(),
  temporary: z.boolean(),
  xmin: xidText.nullable(),
  catalogXmin: xidText.nullable(),
  restartLsn: lsnText.nullable(),
  confirmedFlushLsn: lsnText.nullable(),
  walStatus: z.enum(['reserved', 'extended', 'unreserved', 'lost']).nullable(),
  twoPhase: z.boolean().nullable(),
  conflicting: z.boolean().nullable(),
  failover: z.boolean(),
  synced: z.boolean(),
  invalidationReason: z.string().nullable(),
});

const lookRow = z.object({
  systemIdentifier: z.string().regex(/^\d+$/),
  versionNum: z.number(),
  inRecovery: z.boolean(),
  startedAtMs: z.number(),
  walFile: z.string().nullable(),
  currentLsn: lsnText.nullable(),
  receivedLsn: lsnText.nullable(),
  replayedLsn: lsnText.nullable(),
  replayPaused: z.boolean(),
  replayedAtMs: z.number().nullable(),
  walSegmentBytes: z.number().int().positive(),
  receiver: z
    .object({
      status: z.string(),
      senderHost: z.string().nullable(),
      senderPort: z.number().nullable(),
      slotName: z.string().nullable(),
      receivedTimeline: z.number().nullable(),
    })
    .nullable(),
  settings: z.object({
    walLevel: z.string(),
    maxReplicationSlots: z.number(),
    maxWalSenders: z.number(),
    hotStandbyFeedback: z.boolean(),
    primarySlotName: z.string().nullable(),
    restoreCommand: z.boolean(),
    primaryConninfo: z.string().nullable(),
    syncReplicationSlots: z.boolean().nullable(),
    synchronizedStandbySlots: z.string().nullable(),
    failoverSlotsExtension: z.object({ standbySlotNames: z.string(), standbySlotsMinConfirmed: z.number() }).nullable(),
    maxSlotWalKeepBytes: z
      .string()
      .regex(/^-?\d+$/)
      .nullable(),
  }),
  privileges: z.object({
    superuser: z.boolean(),
    replication: z.boolean(),
    readBinaryFile: z.boolean(),
    monitor: z.boolean(),
    logStandbySnapshot: z.boolean(),
  }),
  slots: z.array(slotRow),
  replication: z.array(
    z.object({
      applicationName: z.string().nullable(),
      clientAddress: z.string().nullable(),
      state: z.string().nullable(),
      syncState: z.string().nullable(),
      sentLsn: lsnText.nullable(),
      replayLsn: lsnText.nullable(),
      slotName: z.string().nullable(),
    }),
  ),
  databases: z.array(z.string()),
});

export type LookRow = z.infer<typeof lookRow>;
export type SlotRow = z.infer<typeof slotRow>;

/**
 * Everything that one look needs, in one statement and one row of JSON. Needs no privilege beyond connecting; what a
 * plain role may not see (the receiver, `primary_conninfo`, other users' replication) is null.
 */
export function look(versionNum: number): Statement<LookRow> {
  return {
    verb: 'look at the server',
    text: lookText(majorOf(versionNum)),
    values: [],
    prepareAs: 'slotkeeper_look',
    read: (rows) => oneRow(z.object({ look: lookRow }))(rows).look,
  };
}

const snapshotPrivilege = `pg_catalog.has_function_privilege('pg_catalog.pg_log_standby_snapshot()', 'EXECUTE')`;

/** An expression that only `first` and later know, or what stands for it before. */
function since(first: number, major: number, expression: string, instead: string): string {
  return major >= first ? expression : instead;
}

/** The columns that `pg_replication_slots` got after PostgreSQL 11. */
function slotColumns(major: number): string {
  return `
    'walStatus', ${since(13, major, 's.wal_status', 'NULL')},
    'twoPhase', ${since(14, major, 's.two_phase', 'NULL')},
    'conflicting', ${since(16, major, 's.conflicting', 'NULL')},
    'failover', ${since(17, major, 's.failover', 'false')},
    'synced', ${since(17, major, 's.synced', 'false')},
    'invalidationReason', ${since(17, major, 's.invalidation_reason', 'NULL')}`;
}

/**
 * The settings that not every server has. Those of pg_failover_slots can stand in a configuration file without the
 * extension; only in `pg_settings`, which leaves such placeholders out, is it seen to be loaded. That view lists every
 * setting there is, so it is asked only when there is something to find out.
 */
function newerSettings(major: number): string {
  return `
    'syncReplicationSlots', ${since(17, major, `pg_catalog.current_setting('sync_replication_slots')::boolean`, 'NULL')},
    'synchronizedStandbySlots', ${since(17, major, `pg_catalog.current_setting('synchronized_standby_slots')`, 'NULL')},
    'failoverSlotsExtension', CASE
      WHEN pg_catalog.current_setting('pg_failover_slots.standby_slot_names', true) IS NOT NULL THEN (
        SELECT pg_catalog.json_build_object(
          'standbySlotNames', names.setting,
          'standbySlotsMinConfirmed', confirmed.setting::int)
        FROM pg_catalog.pg_settings names, pg_catalog.pg_settings confirmed
        WHERE names.name = 'pg_failover_slots.standby_slot_names'
          AND confirmed.name = 'pg_failover_slots.standby_slots_min_confirmed') END,
    'maxSlotWalKeepBytes',
      pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_slot_wal_keep_size', true))::text`;
}

function lookText(major: number): string {
  // The role is asked once, so that a promotion in mid-statement cannot give half of each. The function is volatile,
  // which keeps PostgreSQL from putting it back into each place of use.
  //
  // The end of the WAL is read before the slots: whatever slot is missing here was made after `currentLsn`, and templates
  // rest on that. In which order PostgreSQL comes by the parts of one row is its own affair, so the list of slots is made
  // to depend on the row of `server`: its condition is always true and cannot be looked at before that row is there.
  return `
WITH server AS ${since(12, major, 'MATERIALIZED ', '')}(
  SELECT in_recovery, CASE WHEN NOT in_recovery THEN pg_catalog.pg_current_wal_lsn() END AS current_lsn
  FROM (SELECT pg_catalog.pg_is_in_recovery() AS in_recovery) role)
SELECT pg_catalog.json_build_object(
  'systemIdentifier', (SELECT system_identifier::text FROM pg_catalog.pg_control_system()),
  'versionNum', pg_catalog.current_setting('server_version_num')::int,
  'inRecovery', in_recovery,
  'startedAtMs', pg_catalog.floor(extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000),
  'walFile', CASE WHEN NOT in_recovery THEN pg_catalog.pg_walfile_name(current_lsn) END,
  'currentLsn', current_lsn,
  'receivedLsn', CASE WHEN in_recovery
    THEN greatest(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn()) END,
  'replayedLsn', CASE WHEN in_recovery THEN pg_catalog.pg_last_wal_replay_lsn() END,
  'replayPaused', CASE WHEN in_recovery THEN pg_catalog.pg_is_wal_replay_paused() ELSE false END,
  'replayedAtMs', CASE WHEN in_recovery
    THEN pg_catalog.floor(extract(epoch FROM pg_catalog.pg_last_xact_replay_timestamp()) * 1000) END,
  'walSegmentBytes', pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')),
  'receiver', (
    SELECT pg_catalog.json_build_object(
      'status', r.status,
      'senderHost', r.sender_host,
      'senderPort', r.sender_port,
      'slotName', r.slot_name,
      'receivedTimeline', r.received_tli)
    FROM pg_catalog.pg_stat_wal_receiver r
    WHERE r.status IS NOT NULL
    LIMIT 1),
  'settings', pg_catalog.json_build_object(
    'walLevel', pg_catalog.current_setting('wal_level'),
    'maxReplicationSlots', pg_catalog.current_setting('max_replication_slots')::int,
    'maxWalSenders', pg_catalog.current_setting('max_wal_senders')::int,
    'hotStandbyFeedback', pg_catalog.current_setting('hot_standby_feedback')::boolean,
    'primarySlotName', pg_catalog.current_setting('primary_slot_name', true),
    'restoreCommand', coalesce(pg_catalog.current_setting('restore_command', true), '') <> '',
    'primaryConninfo', CASE WHEN pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE')
      THEN pg_catalog.current_setting('primary_conninfo', true) END,${newerSettings(major)}),
  'privileges', (
    SELECT pg_catalog.json_build_object(
      'superuser', a.rolsuper,
      'replication', a.rolreplication OR a.rolsuper,
      'readBinaryFile', pg_catalog.has_function_privilege('pg_catalog.pg_read_binary_file(text)', 'EXECUTE'),
      'monitor', pg_catalog.pg_has_role('pg_monitor', 'USAGE'),
      'logStandbySnapshot', ${since(16, major, snapshotPrivilege, 'false')})
    FROM pg_catalog.pg_roles a
    WHERE a.rolname = current_user),
  'slots', coalesce((
    SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'name', s.slot_name,
      'type', s.slot_type,
      'plugin', s.plugin,
      'database', s.database,
      'active', s.active,
      'temporary', s.temporary,
      'xmin', s.xmin::text,
      'catalogXmin', s.catalog_xmin::text,
      'restartLsn', s.restart_lsn,
      'confirmedFlushLsn', s.confirmed_flush_lsn,${slotColumns(major)}))
    FROM pg_catalog.pg_replication_slots s
    WHERE in_recovery OR current_lsn > '0/0'), '[]'),
  'replication', coalesce((
    SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'applicationName', c.application_name,
      'clientAddress', pg_catalog.host(c.client_addr),
      'state', c.state,
      'syncState', c.sync_state,
      'sentLsn', c.sent_lsn,
      'replayLsn', c.replay_lsn,
      'slotName', s.slot_name))
    FROM pg_catalog.pg_stat_replication c
    LEFT JOIN pg_catalog.pg_replication_slots s ON s.active_pid = c.pid), '[]'),
  'databases', coalesce((
    SELECT pg_catalog.json_agg(d.datname ORDER BY d.datname) FROM pg_catalog.pg_database d WHERE d.datallowconn), '[]')
) AS look
FROM server`;
}
