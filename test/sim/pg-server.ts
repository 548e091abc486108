import type { Ledger } from '../../src/domain/local.ts';
import { type Lsn, minLsn } from '../../src/domain/lsn.ts';
import { majorOf, oldestMajor } from '../../src/domain/version.ts';
import { Decoding } from './decoding.ts';
import { PgSettings } from './pg-settings.ts';
import { least, type LogicalPgSlot, moveSlot, type PgSlot, type PhysicalPgSlot, savedOf } from './pg-slot.ts';
import { Branch, type FullXid } from './wal.ts';

export interface ServerSetup {
  readonly name: string;
  readonly versionNum: number;
  readonly maxSlots: number;
  readonly walLevel: 'logical' | 'replica';
  /** How much WAL is kept that no slot holds. */
  readonly keepBytes: bigint;
}

/**
 * One PostgreSQL server: WAL received and replayed, slots, snapshots on disk, what vacuum has removed. It does only what
 * it is told at the moment it is told; time and other servers are `pg-cluster.ts`.
 */
export class PgServer {
  readonly setup: ServerSetup;
  state: 'down' | 'starting' | 'up' = 'down';
  /** Why it will not come up by itself: a person has to look. */
  panic: string | null = null;
  /** Counts starts: what was asked of an earlier run of the server is never answered. */
  starts = 0;
  startedAtMs = 0;
  role: 'primary' | 'standby' = 'standby';
  branch: Branch;
  received: Lsn;
  replayed: Lsn;
  /** The oldest WAL on disk. */
  oldestWal: Lsn;
  readonly snapshots = new Set<Lsn>();
  readonly slots = new Map<string, PgSlot>();
  /** Rows that died before this are gone from the catalogs. */
  catalogHorizon: FullXid = 0;
  readonly running = new Map<FullXid, Lsn>();
  nextXid: FullXid;
  upstream: PgServer | null = null;
  primarySlotName = '';
  /** From postgresql.conf, and from ALTER SYSTEM over it. */
  feedback: { configured: boolean; altered: boolean } = { configured: false, altered: false };
  readonly settings = new PgSettings();
  /** `max_slot_wal_keep_size`: a slot that holds more is invalidated; null = it may hold all. */
  slotKeepBytes: bigint | null = null;
  /** `dbname` in `primary_conninfo`. */
  upstreamDatabase: string | null = null;
  replayPaused = false;
  /** PostgreSQL's own synchronisation of slots is at work here. */
  isSyncing = false;
  /** What agents leave in the data directory. */
  readonly files: { ledger: Ledger | null; copyInterrupted: boolean } = { ledger: null, copyInterrupted: false };
  streaming = false;
  #slotsMade = 0;
  readonly #decodings = new WeakMap<
    LogicalPgSlot,
    { readonly branch: Branch; readonly restart: Lsn; readonly decoding: Decoding }
  >();

  constructor(setup: ServerSetup, branch: Branch, nextXid: FullXid) {
    this.setup = setup;
    this.branch = branch;
    this.received = branch.end;
    this.replayed = branch.end;
    this.oldestWal = branch.end;
    this.nextXid = nextXid;
  }

  get name(): string {
    return this.setup.name;
  }

  get feedbackOn(): boolean {
    return this.feedback.configured || this.feedback.altered;
  }

  get position(): Lsn {
    return this.role === 'primary' ? this.branch.end : this.replayed;
  }

  logicalSlots(): readonly LogicalPgSlot[] {
    return [...this.slots.values()].filter((slot) => slot.type === 'logical');
  }

  physicalSlots(): readonly PhysicalPgSlot[] {
    return [...this.slots.values()].filter((slot) => slot.type === 'physical');
  }

  logical(name: string): LogicalPgSlot | undefined {
    const slot = this.slots.get(name);
    return slot?.type === 'logical' ? slot : undefined;
  }

  // A primary's own work.

  begin(bytes: bigint): FullXid {
    const xid = this.nextXid;
    // Ids 0 to 2 of each round of 2^32 are never given to a transaction.
    do this.nextXid += 1;
    while (this.nextXid % 0x1_0000_0000 < 3);
    const record = this.branch.append({ kind: 'begin', xid }, bytes);
    this.running.set(xid, record.start);
    this.#written();
    return xid;
  }

  /** `foreign`: it commits, and changed nothing that a consumer gets. */
  end(xid: FullXid, how: 'commit' | 'foreign' | 'abort', bytes: bigint): void {
    const began = this.running.get(xid);
    if (began === undefined) return;
    this.running.delete(xid);
    const changes = how === 'commit';
    this.branch.append(how === 'abort' ? { kind: 'abort', xid } : { kind: 'commit', xid, began, changes }, bytes);
    this.#written();
  }

  logRunning(): void {
    const xids = [...this.running.keys()];
    const oldest = least(xids) ?? this.nextXid;
    this.branch.append({ kind: 'running', xids, oldest, next: this.nextXid }, 64n);
    this.#written();
  }

  /** What PostgreSQL does every 15 s: on an idle server nothing. */
  logRunningIfWritten(): void {
    if (this.branch.records.at(-1)?.kind !== 'running') this.logRunning();
  }

  /** Removes what nobody is protected from losing. */
  vacuum(): void {
    const slots = [...this.slots.values()].flatMap((slot) => {
      if (slot.type === 'physical') return [slot.xmin, slot.catalogXmin];
      return slot.invalidation === null ? [slot.catalogXmin] : [];
    });
    const horizon = least([this.nextXid, ...this.running.keys(), ...slots]);
    if (horizon === null || horizon <= this.catalogHorizon) return;
    this.catalogHorizon = horizon;
    this.branch.append({ kind: 'vacuum', horizon }, 128n);
    this.#written();
  }

  /** A checkpoint, or a restartpoint on a standby: saves slots, removes WAL and snapshots that no slot needs. */
  checkpoint(): void {
    const logical = this.logicalSlots();
    for (const slot of logical) slot.saved = savedOf(slot);
    this.#removeWal();
    const needed = least(logical.map((slot) => slot.restart)) ?? this.position;
    for (const at of this.snapshots) if (at < needed) this.snapshots.delete(at);
    if (this.role === 'primary') this.logRunningIfWritten();
  }

  #removeWal(): void {
    const { slotKeepBytes } = this;
    const unheld = this.position - this.setup.keepBytes;
    const held = least([...this.slots.values()].map((slot) => (slot.invalidation === null ? slot.restart : null)));
    const mostHeld = slotKeepBytes === null ? 0n : this.position - slotKeepBytes;
    const needed = held === null || held > unheld ? unheld : held;
    const cutoff = needed < mostHeld ? minLsn(mostHeld, unheld) : needed;
    if (cutoff > this.oldestWal) this.oldestWal = cutoff;
    if (slotKeepBytes === null) return;
    for (const slot of this.slots.values()) {
      if (slot.restart !== null && slot.restart < this.oldestWal) slot.invalidation ??= 'wal_removed';
    }
  }

  /** A consumer says what it has; also what a finished advance does. */
  confirm(slot: LogicalPgSlot, lsn: Lsn): void {
    const decoding = this.#decodingOf(slot);
    const { written, restartLsn, catalogXmin } = decoding.advance(lsn, () => false);
    for (const at of written) this.snapshots.add(at);
    moveSlot(slot, lsn, restartLsn, catalogXmin);
    this.#decodings.set(slot, { branch: this.branch, restart: slot.restart, decoding });
  }

  /** Goes on where the last one stopped: that comes to the same as from the restart position anew, which takes longer. */
  #decodingOf(slot: LogicalPgSlot): Decoding {
    const known = this.#decodings.get(slot);
    if (known?.branch === this.branch && known.restart === slot.restart) return known.decoding;
    return new Decoding(this.decodingStart(slot));
  }

  decodingStart(slot: LogicalPgSlot) {
    return { branch: this.branch, restartLsn: slot.restart, snapshots: this.snapshots };
  }

  nextSlotIdentity(): string {
    this.#slotsMade += 1;
    return `${this.name}:${String(this.#slotsMade)}`;
  }

  /** `reserve` false: nothing is reserved until somebody streams through the slot. */
  addPhysicalSlot(name: string, madeBy: 'agent' | 'operator', reserve = true): void {
    const slot: PhysicalPgSlot = {
      type: 'physical',
      name,
      restart: reserve ? this.position : null,
      xmin: null,
      catalogXmin: null,
      active: false,
      invalidation: null,
      madeBy,
    };
    this.slots.set(name, slot);
  }

  // A standby's.

  replayTo(lsn: Lsn): void {
    for (const record of this.branch.read(this.replayed, lsn)) {
      switch (record.kind) {
        case 'begin':
          this.running.set(record.xid, record.start);
          if (record.xid >= this.nextXid) this.nextXid = record.xid + 1;
          break;
        case 'commit':
        case 'abort':
          this.running.delete(record.xid);
          break;
        case 'running':
          for (const xid of this.running.keys()) if (xid < record.oldest) this.running.delete(xid);
          this.nextXid = Math.max(this.nextXid, record.next);
          break;
        case 'vacuum':
          this.#removeRows(record.horizon);
          break;
      }
    }
    this.replayed = lsn;
  }

  promote(timeline: number): void {
    this.replayTo(this.received);
    this.branch = new Branch(timeline, this.branch, this.received);
    this.role = 'primary';
    this.upstream = null;
    this.streaming = false;
    this.primarySlotName = '';
    this.running.clear();
    this.isSyncing = false;
    this.dropTemporarySlots();
    this.logRunning();
  }

  /** They go with the process that made them. */
  dropTemporarySlots(): void {
    for (const slot of this.logicalSlots()) if (slot.temporary) this.slots.delete(slot.name);
  }

  /** Power off: what was only in memory is gone. */
  crash(): void {
    this.#stop();
    for (const slot of this.logicalSlots()) Object.assign(slot, slot.saved);
  }

  /** `pg_ctl stop -m fast`. */
  stop(): void {
    if (this.state !== 'up') return;
    for (const slot of this.logicalSlots()) slot.saved = savedOf(slot);
    this.#stop();
  }

  /** Why slotkeeper has to leave this server alone (S7); null = it need not. */
  get unfitBecause(): string | null {
    if (majorOf(this.setup.versionNum) < oldestMajor) return 'too old';
    return this.setup.walLevel === 'logical' ? null : 'wal_level';
  }

  /** Comes up, unless slots are on disk that it cannot have: those stop it for good, as in PostgreSQL. */
  start(nowMs: number): void {
    if (this.slots.size > this.setup.maxSlots) {
      this.panic = `${String(this.slots.size)} slots on disk, max_replication_slots = ${String(this.setup.maxSlots)}`;
      this.state = 'down';
      return;
    }
    if (this.setup.walLevel !== 'logical' && this.logicalSlots().length > 0) {
      this.panic = 'logical replication slot exists, but wal_level < logical';
      this.state = 'down';
      return;
    }
    this.state = 'up';
    this.starts += 1;
    this.startedAtMs = nowMs;
    if (this.role === 'primary') this.logRunning();
  }

  #stop(): void {
    this.state = 'down';
    this.streaming = false;
    this.isSyncing = false;
    if (this.role === 'primary') this.running.clear();
    for (const slot of this.slots.values()) {
      slot.active = false;
      if (slot.type === 'logical' && slot.creating) this.slots.delete(slot.name);
    }
    this.dropTemporarySlots();
  }

  #removeRows(horizon: FullXid): void {
    this.catalogHorizon = Math.max(this.catalogHorizon, horizon);
    // Up to 15 nothing is marked: the slot only looks well (FACTS 2).
    if (majorOf(this.setup.versionNum) < 16) return;
    for (const slot of this.logicalSlots()) {
      if (slot.catalogXmin < horizon && slot.invalidation === null) slot.invalidation = 'rows_removed';
    }
  }

  #written(): void {
    this.received = this.branch.end;
    this.replayed = this.branch.end;
  }
}
