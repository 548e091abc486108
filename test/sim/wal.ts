import type { Lsn } from '../../src/domain/lsn.ts';

/** A transaction id that never wraps; servers show its low 32 bits. */
export type FullXid = number;

/** What the WAL says, as far as slots depend on it. `start` and `end` are positions. */
export type WalRecord = { readonly start: Lsn; readonly end: Lsn } & (
  | { readonly kind: 'begin'; readonly xid: FullXid }
  /** `began`: where the transaction's first record starts. `changes`: whether there is anything in it for consumers. */
  | { readonly kind: 'commit'; readonly xid: FullXid; readonly began: Lsn; readonly changes: boolean }
  | { readonly kind: 'abort'; readonly xid: FullXid }
  /** What PostgreSQL logs every 15 s and at checkpoints (`xl_running_xacts`): decoding can only start at one. */
  | {
      readonly kind: 'running';
      readonly xids: readonly FullXid[];
      readonly oldest: FullXid;
      readonly next: FullXid;
    }
  /** Vacuum removed every catalog row that died before `horizon`. */
  | { readonly kind: 'vacuum'; readonly horizon: FullXid }
);

type Unplaced<R> = R extends WalRecord ? Omit<R, 'start' | 'end'> : never;
export type WalContent = Unplaced<WalRecord>;

/** Whether the record gives the slot's consumer something that it has not confirmed. */
export function isChangeFor(record: WalRecord, slot: { readonly confirmed: Lsn }): boolean {
  return record.kind === 'commit' && record.changes && record.start >= slot.confirmed;
}

/** One timeline as one server wrote it. Two servers that are promoted at once write two branches of the same number. */
export class Branch {
  readonly timeline: number;
  readonly parent: Branch | null;
  /** Where it leaves its parent. */
  readonly forkLsn: Lsn;
  readonly records: WalRecord[] = [];
  end: Lsn;

  constructor(timeline: number, parent: Branch | null, forkLsn: Lsn) {
    this.timeline = timeline;
    this.parent = parent;
    this.forkLsn = forkLsn;
    this.end = forkLsn;
  }

  append(content: WalContent, bytes: bigint): WalRecord {
    const start = this.end;
    this.end = start + bytes;
    const record: WalRecord = { ...content, start, end: this.end };
    this.records.push(record);
    return record;
  }

  /** The records of this branch and its parents that start at or after `from` and end at or before `to`, in order. */
  read(from: Lsn, to: Lsn): readonly WalRecord[] {
    const own = this.records.slice(this.#firstAt(from), this.#firstEndingAfter(to));
    if (this.parent === null || from >= this.forkLsn) return own;
    return [...this.parent.read(from, to < this.forkLsn ? to : this.forkLsn), ...own];
  }

  /** The record that starts there, on this branch or a parent. */
  startingAt(lsn: Lsn): WalRecord | undefined {
    if (this.parent !== null && lsn < this.forkLsn) return this.parent.startingAt(lsn);
    const record = this.records[this.#firstAt(lsn)];
    return record?.start === lsn ? record : undefined;
  }

  /** Whether WAL up to `lsn` of `other` is also WAL of this branch. */
  contains(other: Branch, lsn: Lsn): boolean {
    return (
      this.#isOrHas(other, lsn) || (other.parent !== null && lsn <= other.forkLsn && this.contains(other.parent, lsn))
    );
  }

  /** The branch that `lsn` lies on, seen from here: this one or a parent. */
  at(lsn: Lsn): Branch {
    return this.parent === null || lsn >= this.forkLsn ? this : this.parent.at(lsn);
  }

  #isOrHas(other: Branch, lsn: Lsn): boolean {
    if (other === this) return lsn <= this.end;
    return this.parent !== null && lsn <= this.forkLsn && this.parent.#isOrHas(other, lsn);
  }

  #firstAt(from: Lsn): number {
    return this.#first((record) => record.start >= from);
  }

  #firstEndingAfter(to: Lsn): number {
    return this.#first((record) => record.end > to);
  }

  /** The place of the first record for which `holds`, which is true of all records after it. */
  #first(holds: (record: WalRecord) => boolean): number {
    let low = 0;
    let high = this.records.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (holds(this.records[middle]!)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
