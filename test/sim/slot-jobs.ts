import { formatLsn, type Lsn, minLsn } from '../../src/domain/lsn.ts';
import { advanceCanBeStopped, majorOf } from '../../src/domain/version.ts';
import { ServerError } from '../../src/postgres/port.ts';
import { sqlstate } from '../../src/postgres/sqlstate.ts';
import { decode } from './decoding.ts';
import type { Job } from './link.ts';
import type { PgServer } from './pg-server.ts';
import type { LogicalPgSlot } from './pg-slot.ts';
import type { ServerChanges } from './server-changes.ts';
import { simDatabases } from './sim-look.ts';
import { beginSlot, copySlot, finishSlot, type WantedSlot } from './slot-creation.ts';

// What agents ask a server to do with one slot and what takes it some time, with PostgreSQL's refusals.

export type SlotJob<T> = Omit<Job<T>, 'timedOut'>;
type Wish = Omit<WantedSlot, 'madeBy'>;

export function refused(code: string, message: string): ServerError {
  return new ServerError(message, 'refused', code);
}

export function requireRoom(server: PgServer): void {
  if (server.slots.size >= server.setup.maxSlots) throw refused('53400', 'all replication slots are in use');
}

export function requireNotSynced(server: PgServer, slot: LogicalPgSlot): void {
  if (server.role === 'standby' && slot.synced) {
    throw refused(
      sqlstate.objectNotInPrerequisiteState,
      `replication slot "${slot.name}" is being synchronized from the primary`,
    );
  }
}

export function requireLogical(server: PgServer, name: string): LogicalPgSlot {
  const slot = server.logical(name);
  if (slot === undefined) throw refused(sqlstate.undefinedObject, `replication slot "${name}" does not exist`);
  return slot;
}

/** `pg_create_logical_replication_slot`, unless a slot of that name exists. */
export function creationJob(server: PgServer, wish: Wish, changes: ServerChanges): SlotJob<undefined> {
  let slot: LogicalPgSlot | null = null;
  return {
    everyMs: 100,
    limitMs: 60_000,
    begin: () => {
      if (!simDatabases.includes(wish.database)) throw refused('3D000', `database "${wish.database}" does not exist`);
      if (server.slots.has(wish.name)) return;
      requireDecoding(server, wish);
      requireRoom(server);
      slot = beginSlot(server, { ...wish, madeBy: 'agent' });
    },
    step: () => {
      if (slot === null) return { value: undefined };
      if (slot.invalidation !== null) throw refused('40001', 'canceling statement due to conflict with recovery');
      if (!finishSlot(server, slot)) return undefined;
      changes.created(server, wish.name);
      return { value: undefined };
    },
    end: () => {
      if (slot === null) return;
      slot.active = false;
      if (slot.creating && server.slots.get(wish.name) === slot) server.slots.delete(wish.name);
    },
  };
}

function requireDecoding(server: PgServer, wish: Wish): void {
  const major = majorOf(server.setup.versionNum);
  if (server.role === 'standby') {
    if (major < 16) throw refused('0A000', 'logical decoding cannot be used while in recovery');
    if (wish.failover === true) throw refused('0A000', 'cannot enable failover for a slot created on the standby');
  }
  if (wish.failover === true && major < 17) throw refused('0A000', 'failover needs PostgreSQL 17');
  if (wish.plugin !== 'pgoutput' && wish.plugin !== 'test_decoding')
    throw refused('58P01', `could not access file "${wish.plugin}"`);
}

/** `pg_copy_logical_replication_slot` on a standby and an advance of the copy; the copy stays when that fails. */
export function templateCopyJob(
  server: PgServer,
  wish: Wish & { readonly template: string; readonly target: Lsn },
  changes: ServerChanges,
): SlotJob<Lsn> {
  const advance = advanceJob(server, wish, changes);
  return {
    ...advance,
    begin: () => {
      if (server.role !== 'standby' || majorOf(server.setup.versionNum) < 16)
        throw refused('0A000', 'this server is no standby that can copy slots');
      if (!server.slots.has(wish.name)) {
        const template = requireLogical(server, wish.template);
        const unfit = sqlstate.objectNotInPrerequisiteState;
        if (template.creating) throw refused(unfit, 'cannot copy unfinished logical replication slot');
        if (template.invalidation !== null) throw refused(unfit, 'cannot copy an invalidated replication slot');
        if (template.database !== wish.database) throw refused(unfit, 'the template is of another database');
        if (template.confirmed > wish.target) throw refused(unfit, 'the template has passed the position of the copy');
        requireRoom(server);
        changes.templated(server, copySlot(server, template, { ...wish, madeBy: 'agent' }), wish.template);
      }
      advance.begin();
    },
  };
}

/** `pg_replication_slot_advance` of a logical slot: on a standby only, to what is replayed at most, never back. */
export function advanceJob(
  server: PgServer,
  wish: { readonly name: string; readonly database: string; readonly target: Lsn },
  changes: ServerChanges,
): SlotJob<Lsn> {
  const { name, target } = wish;
  let slot: LogicalPgSlot | null = null;
  return {
    // The whole WAL from the restart position is read on each call (FACTS 2).
    limitMs: advanceCanBeStopped(server.setup.versionNum) ? 30_000 : null,
    everyMs: 5 + Number((server.position - (server.logical(name)?.restart ?? server.position)) / 4096n),
    begin: () => {
      slot = slotToAdvance(server, name, wish.database);
      if (minLsn(target, server.position) > slot.confirmed) slot.active = true;
    },
    step: () => {
      if (slot === null) throw refused(sqlstate.undefinedObject, `replication slot "${name}" does not exist`);
      if (server.role === 'primary') return { value: slot.confirmed };
      const reach = minLsn(target, server.replayed);
      if (reach <= slot.confirmed) return { value: slot.confirmed };
      if (slot.invalidation !== null) throw refused('40001', 'canceling statement due to conflict with recovery');
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
  };
}

function slotToAdvance(server: PgServer, name: string, database: string): LogicalPgSlot {
  const slot = requireLogical(server, name);
  if (slot.active) throw refused(sqlstate.objectInUse, `replication slot "${name}" is active`);
  const unfit = sqlstate.objectNotInPrerequisiteState;
  if (slot.database !== database && majorOf(server.setup.versionNum) < 17)
    throw refused(unfit, 'replication slot was not created in this database');
  if (slot.invalidation !== null) throw refused(unfit, `replication slot "${name}" cannot be advanced`);
  requireNotSynced(server, slot);
  if (slot.restart < server.oldestWal) {
    throw refused(
      sqlstate.undefinedFile,
      `requested WAL segment at ${formatLsn(slot.restart)} has already been removed`,
    );
  }
  return slot;
}
