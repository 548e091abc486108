import type { Ledger, TimelineSwitch } from '../../src/domain/local.ts';
import { type Lsn, minLsn } from '../../src/domain/lsn.ts';
import { majorOf } from '../../src/domain/version.ts';
import { emptyLedger, ledgerOf } from '../../src/postgres/ledger.ts';
import { type LocalServer, ServerError } from '../../src/postgres/port.ts';
import { sqlstate } from '../../src/postgres/sqlstate.ts';
import { callOver, jobOver, type LinkContext } from './link.ts';
import { SyncError, syncOnce, syncRequirement } from './native-sync.ts';
import type { PgCluster } from './pg-cluster.ts';
import type { PgServer } from './pg-server.ts';
import type { ServerChanges } from './server-changes.ts';
import { lookAt } from './sim-look.ts';
import { copyJob } from './slot-copy.ts';
import {
  advanceJob,
  creationJob,
  refused,
  requireLogical,
  requireNotSynced,
  requireRoom,
  type SlotJob,
  templateCopyJob,
} from './slot-jobs.ts';
import { isChangeFor } from './wal.ts';

/** The port of one run of an agent to its own server. */
export function simServer(
  cluster: PgCluster,
  server: PgServer,
  link: LinkContext,
  changes: ServerChanges,
): LocalServer {
  const requireUp = (): void => {
    if (server.panic !== null || server.state === 'down')
      throw new ServerError('connection refused', 'not_running', null);
    if (server.state === 'starting') {
      throw new ServerError('the database system is starting up', 'starting', sqlstate.cannotConnectNow);
    }
  };
  const call = <T>(signal: AbortSignal, effect: () => T): Promise<T> =>
    callOver(link, signal, () => {
      requireUp();
      return effect();
    });
  const requirePrimary = (what: string): void => {
    if (server.role !== 'primary') throw refused(sqlstate.objectNotInPrerequisiteState, what);
  };
  const requireMajor = (major: number, what: string): void => {
    if (majorOf(server.setup.versionNum) < major) throw refused('42601', what);
  };
  const statementTimedOut = (): ServerError =>
    new ServerError('canceling statement due to statement timeout', 'timeout', sqlstate.queryCanceled);
  const jobOnSlot = <T>(signal: AbortSignal, job: SlotJob<T>): Promise<T> => {
    let starts = 0;
    return jobOver(link, signal, {
      ...job,
      timedOut: statementTimedOut,
      begin: () => {
        requireUp();
        starts = server.starts;
        job.begin();
      },
      step: () => {
        if (server.starts !== starts || server.state !== 'up') {
          throw new ServerError('terminating connection', 'stopping', sqlstate.adminShutdown);
        }
        return job.step();
      },
    });
  };

  return {
    look: (signal) => call(signal, () => lookAt(server, cluster.systemIdentifier, link.time.nowMs())),
    // Its agents look often enough as it is.
    onLost: () => () => undefined,
    timelineHistory: (_timeline, signal) => call(signal, () => historyOf(server)),
    createLogicalSlot: (wish, signal) => jobOnSlot(signal, creationJob(server, wish, changes)),
    copyFromTemplate: (wish, signal) => jobOnSlot(signal, templateCopyJob(server, wish, changes)),
    logStandbySnapshot: (signal) =>
      call(signal, () => {
        requireMajor(16, 'pg_log_standby_snapshot() does not exist');
        requirePrimary('pg_log_standby_snapshot() cannot be executed during recovery');
        server.logRunning();
      }),
    setFailover: ({ name, failover }, signal) =>
      call(signal, () => {
        requireMajor(17, 'syntax error at or near "ALTER_REPLICATION_SLOT"');
        const slot = requireLogical(server, name);
        requirePrimary('cannot alter the failover mark of a slot on the standby');
        if (slot.active) throw refused(sqlstate.objectInUse, `replication slot "${name}" is active`);
        if (slot.temporary) throw refused('0A000', 'cannot enable failover for a temporary replication slot');
        if (slot.failover === failover) return;
        slot.failover = failover;
        changes.marked(server, slot, failover);
      }),
    moveIdleSlot: ({ name }, signal) => call(signal, () => moveIdle(server, name, changes)),
    syncSlots: (signal) =>
      call(signal, () => {
        requireMajor(17, 'function pg_sync_replication_slots() does not exist');
        if (server.isSyncing) return;
        const obstacle = syncRequirement(server);
        if (obstacle !== null || server.upstream === null) throw refused('22023', obstacle ?? 'it has no upstream');
        try {
          syncOnce(server, server.upstream);
        } catch (error) {
          if (error instanceof SyncError) throw refused(sqlstate.objectNotInPrerequisiteState, error.message);
          throw error;
        } finally {
          server.dropTemporarySlots();
        }
      }),
    createPhysicalSlot: ({ name }, signal) =>
      call(signal, () => {
        if (server.slots.has(name)) return;
        requireRoom(server);
        server.addPhysicalSlot(name, 'agent');
        changes.created(server, name);
      }),
    advanceLogicalSlot: (wish, signal) => jobOnSlot(signal, advanceJob(server, wish, changes)),
    advancePhysicalSlot: ({ name, target }, signal) =>
      call(signal, () => {
        const slot = server.slots.get(name);
        if (slot?.type !== 'physical')
          throw refused(sqlstate.undefinedObject, `replication slot "${name}" does not exist`);
        if (slot.active) throw refused(sqlstate.objectInUse, `replication slot "${name}" is active`);
        if (slot.restart === null) throw refused(sqlstate.objectNotInPrerequisiteState, 'it reserves nothing');
        const from = slot.restart;
        const reach = minLsn(target, server.position);
        if (reach > from) {
          slot.restart = reach;
          changes.moved(server, name, from, reach);
        }
        return slot.restart;
      }),
    dropSlot: ({ name, type, role = server.role }, signal) =>
      call(signal, () => {
        const slot = server.slots.get(name);
        if (slot === undefined) return true;
        if (slot.type !== type || slot.active || server.role !== role || (slot.type === 'logical' && slot.temporary))
          return false;
        if (slot.type === 'logical') requireNotSynced(server, slot);
        changes.dropped(server, name, type);
        return server.slots.delete(name);
      }),
    setFeedback: (mode, signal) =>
      call(signal, () => {
        server.feedback.altered = mode === 'on';
        cluster.reload(server);
      }),
    alterSettings: (wanted, signal) =>
      call(signal, () => {
        if (wanted.some(({ name }) => name !== 'primary_slot_name')) requireMajor(17, 'unrecognized parameter');
        changes.altered(server, wanted);
        for (const { name, value } of wanted) {
          if (value === null) server.settings.altered.delete(name);
          else server.settings.altered.set(name, value);
          if (name === 'primary_slot_name') server.primarySlotName = value ?? '';
        }
        cluster.reload(server);
      }),
    setUpstreamDatabase: (database, signal) =>
      call(signal, () => {
        server.upstreamDatabase ??= database;
        cluster.reload(server);
      }),
    copySlots: (request, signal) => jobOver(link, signal, copyJob(cluster, server, link, request, changes)),
    copyWasInterrupted: () => Promise.resolve(server.files.copyInterrupted),
    startAfterCopy: async (signal) => {
      await jobOver<undefined>(link, signal, {
        everyMs: 300,
        limitMs: null,
        timedOut: statementTimedOut,
        begin: () => undefined,
        step: () => {
          if (server.state === 'down') server.start(link.time.nowMs());
          server.files.copyInterrupted = false;
          return { value: undefined };
        },
        end: () => undefined,
      });
    },
    readLedger: () => Promise.resolve(ledgerOn(server, cluster.systemIdentifier)),
    writeLedger: (ledger) => {
      if (link.life.alive) server.files.ledger = ledger;
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}

/** Past what is nothing to the consumer; null = something waits for it, or somebody uses the slot. */
function moveIdle(server: PgServer, name: string, changes: ServerChanges): Lsn | null {
  const slot = requireLogical(server, name);
  if (server.role !== 'primary' || slot.active || slot.creating || slot.invalidation !== null) return null;
  const from = slot.confirmed;
  const end = server.branch.end;
  const pending = [...server.branch.read(slot.restart, end)].some((record) => isChangeFor(record, slot));
  if (pending) return null;
  server.confirm(slot, end);
  changes.movedIdle(server, slot, from, end);
  return end;
}

function historyOf(server: PgServer): readonly TimelineSwitch[] {
  const switches: TimelineSwitch[] = [];
  for (let branch = server.branch; branch.parent !== null; branch = branch.parent) {
    switches.unshift({ timeline: branch.parent.timeline, lsn: branch.forkLsn, reason: 'no recovery target specified' });
  }
  return switches;
}

function ledgerOn(server: PgServer, systemIdentifier: string): Ledger {
  const owner = { member: server.name, systemIdentifier };
  return server.files.ledger === null ? emptyLedger(owner) : ledgerOf(server.files.ledger, owner);
}
