import type { Lsn } from '../../src/domain/lsn.ts';
import { formatLsn } from '../../src/domain/lsn.ts';
import { decode } from './decoding.ts';
import type { PgServer } from './pg-server.ts';
import type { LogicalPgSlot } from './pg-slot.ts';
import type { Branch, FullXid } from './wal.ts';

/** Why a consumer would miss something. `outside`: it depends on what somebody did to the primary's slot. */
export interface Flaw {
  readonly kind: 'absent' | 'outside' | 'temporary' | 'position' | 'wal' | 'rows' | 'decoding';
  readonly what: string;
}

/**
 * The truth that no agent can see: would decoding from `name` on `standby`, promoted at this moment, give the consumer
 * every change since the slot's position? `source` is the primary's slot now, `confirmed` the furthest position that the
 * consumer ever confirmed of it. Null = it would.
 */
export function flawOf(
  standby: PgServer,
  name: string,
  source: LogicalPgSlot | undefined,
  confirmed: Lsn,
): Flaw | null {
  const slot = standby.logical(name);
  if (slot === undefined) return { kind: 'absent', what: 'the slot is not there' };
  if (source === undefined) return { kind: 'outside', what: 'the primary has no such slot' };
  if (source.invalidation !== null) return { kind: 'outside', what: 'it is invalidated on the primary' };
  if (source.database !== slot.database || source.plugin !== slot.plugin) {
    return { kind: 'outside', what: 'it is a slot of another plugin or database' };
  }
  if (slot.temporary || slot.creating) return { kind: 'temporary', what: 'a promotion removes it' };
  if (slot.invalidation !== null)
    return {
      kind: slot.invalidation === 'rows_removed' ? 'rows' : 'outside',
      what: `invalidated: ${slot.invalidation}`,
    };
  if (slot.confirmed > confirmed) {
    return { kind: 'position', what: `at ${formatLsn(slot.confirmed)}, past the consumer's ${formatLsn(confirmed)}` };
  }
  if (slot.confirmed > standby.received) {
    return { kind: 'position', what: `at ${formatLsn(slot.confirmed)}, past the WAL that is here` };
  }
  if (slot.restart < standby.oldestWal) {
    return {
      kind: 'wal',
      what: `WAL from ${formatLsn(slot.restart)} on is needed, it begins at ${formatLsn(standby.oldestWal)}`,
    };
  }
  const horizon = catalogHorizonAfterReplay(standby);
  if (horizon > slot.needsRowsFrom) {
    return {
      kind: 'rows',
      what: `catalog rows from xid ${slot.needsRowsFrom} on are needed, vacuum removed those before ${horizon}`,
    };
  }
  const missed = missedBy(standby, slot);
  return missed === null ? null : { kind: 'decoding', what: missed };
}

/** What is already known of a slot's start: reading the whole WAL after each event would take most of the time. */
interface KnownStart {
  readonly branch: Branch;
  readonly restart: Lsn;
  readonly hadSnapshot: boolean;
  readonly consistentAt: Lsn;
  readonly decodesFrom: Lsn;
  /** No transaction is missed that committed before this. */
  checkedTo: Lsn;
}

const knownStarts = new WeakMap<LogicalPgSlot, KnownStart>();

/** The first transaction that decoding from the slot would skip although its consumer has not confirmed it. */
function missedBy(server: PgServer, slot: LogicalPgSlot): string | null {
  const start = knownStart(server, slot);
  if (start === null) return 'decoding does not become consistent in the WAL that is here';
  const from = slot.confirmed > start.checkedTo ? slot.confirmed : start.checkedTo;
  for (const record of server.branch.read(from, server.received)) {
    if (record.kind !== 'commit' || record.start < slot.confirmed) continue;
    if (record.start < start.consistentAt || record.began < start.decodesFrom) {
      return `transaction ${record.xid} (began ${formatLsn(record.began)}, committed ${formatLsn(record.start)}) is skipped: decoding is consistent only at ${formatLsn(start.consistentAt)}`;
    }
    start.checkedTo = record.start;
  }
  return null;
}

function knownStart(server: PgServer, slot: LogicalPgSlot): KnownStart | null {
  const hadSnapshot = server.snapshots.has(slot.restart);
  const known = knownStarts.get(slot);
  if (known?.branch === server.branch && known.restart === slot.restart && known.hadSnapshot === hadSnapshot)
    return known;
  const { consistentAt, decodesFrom } = decode(server.decodingStart(slot), server.received, () => false);
  if (consistentAt === null || decodesFrom === null) return null;
  const found = { branch: server.branch, restart: slot.restart, hadSnapshot, consistentAt, decodesFrom, checkedTo: 0n };
  knownStarts.set(slot, found);
  return found;
}

/** A promotion replays first what was received. */
function catalogHorizonAfterReplay(standby: PgServer): FullXid {
  let horizon = standby.catalogHorizon;
  for (const record of standby.branch.read(standby.replayed, standby.received)) {
    if (record.kind === 'vacuum') horizon = Math.max(horizon, record.horizon);
  }
  return horizon;
}
