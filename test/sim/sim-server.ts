import type { Ledger, TimelineSwitch } from '../../src/domain/local.ts';
import { formatLsn, type Lsn, minLsn } from '../../src/domain/lsn.ts';
import { type LocalServer, ServerError } from '../../src/postgres/port.ts';
import { sqlstate } from '../../src/postgres/sqlstate.ts';
import { decode } from './decoding.ts';
import { advanceCanBeStopped } from '../../src/domain/version.ts';
import { callOver, type Job, jobOver, type LinkContext } from './link.ts';
import type { PgCluster } from './pg-cluster.ts';
import type { PgServer } from './pg-server.ts';
import type { LogicalPgSlot } from './pg-slot.ts';
import { copyJob } from './slot-copy.ts';
import { lookAt, simDatabases } from './sim-look.ts';

/** What an agent did to a server, told at the moment at which it takes effect. */
export interface ServerChanges {
  readonly moved: (server: PgServer, slot: string, from: Lsn, to: Lsn) => void;
  readonly created: (server: PgServer, slot: string) => void;
  readonly copied: (server: PgServer, slot: LogicalPgSlot, from: PgServer) => void;
  readonly dropped: (server: PgServer, slot: string, type: 'logical' | 'physical') => void;
}

export function refused(code: string, message: string): ServerError {
  return new ServerError(message, 'refused', code);
}

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
  const requirePrimary = (): void => {
    if (server.role !== 'primary') throw refused('0A000', 'logical decoding cannot be used while in recovery');
  };
  const requireRoom = (): void => {
    if (server.slots.size >= server.setup.maxSlots) throw refused('53400', 'all replication slots are in use');
  };
  const statementTimedOut = (): ServerError =>
    new ServerError('canceling statement due to statement timeout', 'timeout', sqlstate.queryCanceled);
  const jobOnSlot = <T>(signal: AbortSignal, job: Omit<Job<T>, 'timedOut'>): Promise<T> => {
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
    timelineHistory: (_timeline, signal) => call(signal, () => historyOf(server)),
    createLogicalSlot: async ({ name, database, plugin }, signal) => {
      let slot: LogicalPgSlot | null = null;
      await jobOnSlot<undefined>(signal, {
        everyMs: 100,
        limitMs: 60_000,
        begin: () => {
          if (!simDatabases.includes(database)) throw refused('3D000', `database "${database}" does not exist`);
          if (server.slots.has(name)) return;
          requirePrimary();
          if (plugin !== 'pgoutput' && plugin !== 'test_decoding')
            throw refused('58P01', `could not access file "${plugin}"`);
          requireRoom();
          slot = server.addLogicalSlot(name, database, plugin, 'agent');
        },
        step: () => {
          if (slot === null) return { value: undefined };
          if (!server.finishCreation(slot)) return undefined;
          changes.created(server, name);
          return { value: undefined };
        },
        end: () => {
          if (slot === null) return;
          slot.active = false;
          if (slot.creating && server.slots.get(name) === slot) server.slots.delete(name);
        },
      });
    },
    createPhysicalSlot: ({ name }, signal) =>
      call(signal, () => {
        if (server.slots.has(name)) return;
        requireRoom();
        server.addPhysicalSlot(name, 'agent');
        changes.created(server, name);
      }),
    advanceLogicalSlot: ({ name, database, target }, signal) => {
      let slot: LogicalPgSlot | null = null;
      return jobOnSlot<Lsn>(signal, {
        // The whole WAL from the restart position is read on each call (FACTS 2).
        limitMs: advanceCanBeStopped(server.setup.versionNum) ? 30_000 : null,
        everyMs: 5 + Number((server.position - (server.logical(name)?.restart ?? server.position)) / 4096n),
        begin: () => {
          slot = slotToAdvance(server, name, database);
          if (minLsn(target, server.position) > slot.confirmed) slot.active = true;
        },
        step: () => {
          if (slot === null) throw refused(sqlstate.undefinedObject, `replication slot "${name}" does not exist`);
          if (server.role === 'primary') return { value: slot.confirmed };
          const reach = minLsn(target, server.replayed);
          if (reach <= slot.confirmed) return { value: slot.confirmed };
          const run = decode(server.decodingStart(slot), reach, (xid) => server.running.has(xid));
          if (run.waitsFor.length > 0) return undefined;
          const from = slot.confirmed;
          server.confirm(slot, reach);
          changes.moved(server, name, from, reach);
          return { value: reach };
        },
        end: () => {
          if (slot !== null) slot.active = false;
        },
      });
    },
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
    dropSlot: ({ name, type }, signal) =>
      call(signal, () => {
        const slot = server.slots.get(name);
        if (slot === undefined) return true;
        if (slot.type !== type || slot.active || (slot.type === 'logical' && slot.temporary)) return false;
        changes.dropped(server, name, type);
        return server.slots.delete(name);
      }),
    setFeedback: (mode, signal) =>
      call(signal, () => {
        server.feedback.altered = mode === 'on';
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
    readLedger: () => Promise.resolve(ledgerOf(server, cluster.systemIdentifier)),
    writeLedger: (ledger) => {
      if (link.life.alive) server.files.ledger = ledger;
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}

function slotToAdvance(server: PgServer, name: string, database: string): LogicalPgSlot {
  const slot = server.logical(name);
  if (slot === undefined) throw refused(sqlstate.undefinedObject, `replication slot "${name}" does not exist`);
  if (slot.active) throw refused(sqlstate.objectInUse, `replication slot "${name}" is active`);
  const unfit = sqlstate.objectNotInPrerequisiteState;
  if (slot.database !== database) throw refused(unfit, 'replication slot was not created in this database');
  if (slot.invalidation !== null) throw refused(unfit, `replication slot "${name}" cannot be advanced`);
  if (slot.restart < server.oldestWal) {
    throw refused(
      sqlstate.undefinedFile,
      `requested WAL segment at ${formatLsn(slot.restart)} has already been removed`,
    );
  }
  return slot;
}

function historyOf(server: PgServer): readonly TimelineSwitch[] {
  const switches: TimelineSwitch[] = [];
  for (let branch = server.branch; branch.parent !== null; branch = branch.parent) {
    switches.unshift({ timeline: branch.parent.timeline, lsn: branch.forkLsn, reason: 'no recovery target specified' });
  }
  return switches;
}

/** A file that another member's agent or another cluster left here says nothing of this server. */
function ledgerOf(server: PgServer, systemIdentifier: string): Ledger {
  const { ledger } = server.files;
  return ledger !== null && ledger.member === server.name && ledger.systemIdentifier === systemIdentifier
    ? ledger
    : { member: server.name, systemIdentifier, slots: new Map(), feedbackSet: false };
}
