import type { Lsn } from '../../src/domain/lsn.ts';
import type { Branch, FullXid, WalRecord } from './wal.ts';

/** Where decoding begins and what was on disk to begin from. */
export interface DecodingStart {
  readonly branch: Branch;
  readonly restartLsn: Lsn;
  /** Positions of the serialized snapshots on the server's disk. */
  readonly snapshots: ReadonlySet<Lsn>;
  /** For a slot that is being made: what ran longer ago than this xid may have lost the catalog rows that it needs. */
  readonly horizon?: FullXid;
}

/** What reading the WAL from a slot's restart position to some target brings. */
export interface DecodingRun {
  /**
   * From which position on every transaction that begins is decoded whole; null = decoding did not become consistent.
   * A transaction that began earlier is lost, unless it committed before the slot's confirmed position.
   */
  readonly decodesFrom: Lsn | null;
  /** Where decoding became consistent: what committed before was skipped. */
  readonly consistentAt: Lsn | null;
  /** The end of the record at which it became so: where a new slot's consumer begins. */
  readonly readyAt: Lsn | null;
  /** Snapshots that decoding has written on the way since it was last asked. */
  readonly written: readonly Lsn[];
  /** The newest restart position and catalog_xmin that the slot may take on once the target is confirmed. */
  readonly restartLsn: Lsn | null;
  readonly catalogXmin: FullXid | null;
  /** Transactions that decoding waits for before it goes on (FACTS 2: "it can hang"); empty = it does not wait. */
  readonly waitsFor: readonly FullXid[];
}

const nobody: readonly FullXid[] = [];

/**
 * PostgreSQL's snapshot builder (`snapbuild.c`), as far as it decides what is decoded. At each running_xacts record it is
 * consistent at once if nothing runs there or a serialized snapshot of that position is on disk; else it needs three such
 * records with all the transactions of each ended before the next. For a new slot records do not count while something
 * older than its horizon runs. Once consistent it writes a snapshot at each record and lets the slot restart at the newest
 * one that is older than all running transactions.
 * `stillRuns` says whether a transaction still runs on this server now; decoding waits for those.
 */
export function decode(start: DecodingStart, target: Lsn, stillRuns: (xid: FullXid) => boolean): DecodingRun {
  return new Decoding(start).advance(target, stillRuns);
}

/** Decoding that goes on from where it stopped or has to wait: `decode` from the same start would come to the same. */
export class Decoding {
  readonly #branch: Branch;
  readonly #building: SnapshotBuilder;
  /** The end of the last record that was taken. */
  #at: Lsn;
  #awaited: readonly FullXid[] = nobody;

  constructor(start: DecodingStart) {
    this.#branch = start.branch;
    this.#building = new SnapshotBuilder(start.snapshots, start.horizon ?? 0);
    this.#at = start.restartLsn;
  }

  advance(target: Lsn, stillRuns: (xid: FullXid) => boolean): DecodingRun {
    const waitsFor = this.#awaited.filter(stillRuns);
    if (waitsFor.length > 0) return this.#building.result(waitsFor);
    for (const record of this.#branch.read(this.#at, target)) {
      this.#at = record.end;
      this.#awaited = this.#building.take(record);
      const awaited = this.#awaited === nobody ? nobody : this.#awaited.filter(stillRuns);
      if (awaited.length > 0) return this.#building.result(awaited);
    }
    return this.#building.result(nobody);
  }
}

class SnapshotBuilder {
  readonly #snapshots: ReadonlySet<Lsn>;
  readonly #horizon: FullXid;
  #phase: 'start' | 'building' | 'full' | 'consistent' = 'start';
  #nextPhaseAt: FullXid = 0;
  #decodesFrom: Lsn | null = null;
  #consistentAt: Lsn | null = null;
  #readyAt: Lsn | null = null;
  #lastSnapshot: Lsn | null = null;
  #restartLsn: Lsn | null = null;
  #catalogXmin: FullXid | null = null;
  readonly #written: Lsn[] = [];
  /** Transactions in the reorder buffer, oldest first, with the newest snapshot that was written before each began. */
  readonly #open = new Map<FullXid, Lsn | null>();

  constructor(snapshots: ReadonlySet<Lsn>, horizon: FullXid) {
    this.#snapshots = snapshots;
    this.#horizon = horizon;
  }

  /** Takes one record; answers with the transactions that must end before the next one can be taken. */
  take(record: WalRecord): readonly FullXid[] {
    if (record.kind === 'begin') this.#open.set(record.xid, this.#lastSnapshot);
    if (record.kind === 'commit' || record.kind === 'abort') this.#open.delete(record.xid);
    if (record.kind !== 'running') return nobody;
    // A transaction that ended with its server left no record: the next running_xacts record tells.
    for (const xid of this.#open.keys()) if (xid < record.oldest) this.#open.delete(xid);
    if (this.#phase === 'consistent') {
      this.#serialize(record.start, record.oldest);
      return nobody;
    }
    if (record.oldest < this.#horizon) return record.xids.filter((xid) => xid < this.#horizon);
    if (record.xids.length === 0) {
      this.#becomeConsistent(record, record.start);
      return nobody;
    }
    if (this.#snapshots.has(record.start)) {
      // In the full phase the changes of what began since are being collected already.
      this.#becomeConsistent(record, this.#decodesFrom ?? record.start);
      this.#lastSnapshot = record.start;
      return nobody;
    }
    return this.#approach(record);
  }

  result(waitsFor: readonly FullXid[]): DecodingRun {
    return {
      decodesFrom: this.#phase === 'consistent' ? this.#decodesFrom : null,
      consistentAt: this.#consistentAt,
      readyAt: this.#readyAt,
      written: this.#written.splice(0),
      restartLsn: this.#restartLsn,
      catalogXmin: this.#catalogXmin,
      waitsFor,
    };
  }

  #approach(record: WalRecord & { kind: 'running' }): readonly FullXid[] {
    if (this.#phase !== 'start' && this.#nextPhaseAt > record.oldest) return nobody;
    if (this.#phase === 'full') {
      this.#becomeConsistent(record, this.#decodesFrom ?? record.start);
      return nobody;
    }
    if (this.#phase === 'building') this.#decodesFrom = record.start;
    this.#phase = this.#phase === 'start' ? 'building' : 'full';
    this.#nextPhaseAt = record.next;
    return record.xids;
  }

  #becomeConsistent(at: WalRecord, decodesFrom: Lsn): void {
    this.#phase = 'consistent';
    this.#consistentAt = at.start;
    this.#readyAt = at.end;
    this.#decodesFrom = decodesFrom;
  }

  #serialize(at: Lsn, oldestRunning: FullXid): void {
    this.#lastSnapshot = at;
    this.#written.push(at);
    this.#catalogXmin = oldestRunning;
    const oldestOpen = this.#open.values().next();
    if (oldestOpen.done === true) this.#restartLsn = at;
    else if (oldestOpen.value !== null) this.#restartLsn = oldestOpen.value;
  }
}
