import type { Status, SlotHistoryEntry } from '../../src/domain/cluster.ts';
import type { Lsn } from '../../src/domain/lsn.ts';
import type { Gap } from '../../src/domain/slot.ts';
import { isTemplateName } from '../../src/domain/template.ts';
import type { LogicalPgSlot } from './pg-slot.ts';
import type { Consumer } from './workload.ts';
import type { SlotWorld } from './slot-world.ts';

/** What the cluster has known of a logical slot's name, and how its last slot ended. */
interface Past {
  /** Where the consumer was when the slot was last seen. */
  position: Lsn;
  /** Somebody dropped it because it was not wanted any more. */
  removed: boolean;
  /** The last status told of it: of others nobody can know after a failover. */
  published: boolean;
}

/** What a consumer can no longer get: a record in `slot_history` has to say so (S3). */
export interface Loss {
  readonly slot: string;
  readonly from: Lsn;
  /** Where the slot went on; null = it did not. */
  readonly to: Lsn | null;
  readonly atMs: number;
}

/** Keeps account of what the consumers of the primary's slots lose, whoever makes them lose it. */
export class SlotPast {
  readonly #world: SlotWorld;
  readonly #past = new Map<string, Past>();
  /** What people did on the present primary: once another one takes over, nobody can know of it who has not seen it. */
  #losses: Loss[] = [];

  constructor(world: SlotWorld) {
    this.#world = world;
  }

  /** Keeps up with what consumers have; called after every event of the world that matters. */
  observe(): void {
    for (const slot of this.#world.ha.primary.logicalSlots()) {
      if (slot.creating || isTemplateName(slot.name)) continue;
      const position = this.#world.workload.consumers.get(slot.name)?.position ?? slot.confirmed;
      const published = this.#past.get(slot.name)?.published ?? false;
      this.#past.set(slot.name, { position, removed: false, published });
    }
  }

  /** A leader has written this status. */
  published({ slots, extras }: Status): void {
    for (const [name, past] of this.#past) past.published = slots.has(name) || extras?.lost.has(name) === true;
  }

  /** An agent drops the slot on the primary. One that PostgreSQL invalidated was lost before. */
  removed(slot: LogicalPgSlot): void {
    const past = this.#past.get(slot.name);
    if (past !== undefined && slot.invalidation === null) past.removed = true;
  }

  /**
   * A new slot begins on the primary. `consumer`: whoever read from the one that had its name before. Answers with what
   * had to be on record before.
   */
  began(slot: LogicalPgSlot, consumer: Consumer | undefined): Loss | null {
    const past = this.#past.get(slot.name);
    if (past?.published !== true || past.removed || !this.#world.isFollowed(slot)) return null;
    const from = consumer?.position ?? past.position;
    if (slot.confirmed <= from) return null;
    const loss = { slot: slot.name, from, to: slot.confirmed, atMs: this.#world.time.nowMs() };
    if (slot.madeBy === 'agent') return loss;
    if (!this.#isTold(slot.name)) return null;
    this.#losses.push(loss);
    return null;
  }

  promoting(): void {
    this.#losses = [];
  }

  /** A loss that `slot_history` says nothing of; null = every one is on record. */
  unrecorded(history: readonly SlotHistoryEntry[]): Loss | null {
    const { config, ha } = this.#world;
    // A slot that nobody declared and somebody dropped on purpose is just gone.
    const losses = this.#losses.filter(({ slot }) => ha.primary.slots.has(slot) || config.logical.has(slot));
    return [...losses, ...this.#invalidated()].find((loss) => !isRecorded(loss, history)) ?? null;
  }

  /** Whether an agent can tell the slot from the one before: it runs, or the one before is in its ledger (SPEC N1). */
  #isTold(name: string): boolean {
    const { primary } = this.#world.ha;
    const isRunning = this.#world.member(primary.name).agent?.life.alive === true;
    return isRunning || primary.files.ledger?.slots.get(name)?.identity != null;
  }

  #invalidated(): readonly Loss[] {
    return this.#world.ha.primary.logicalSlots().flatMap((slot) => {
      const past = this.#past.get(slot.name);
      if (slot.invalidation === null || past?.published !== true || !this.#world.isFollowed(slot)) return [];
      return [{ slot: slot.name, from: past.position, to: null, atMs: this.#world.time.nowMs() }];
    });
  }
}

export function isRecorded(loss: Loss, history: readonly SlotHistoryEntry[]): boolean {
  return history.some((entry) => entry.gaps.some((gap) => covers(gap, loss)));
}

/** What is published lags behind the consumer, and a new slot is first seen a little after it has begun. */
function covers(gap: Gap, loss: Loss): boolean {
  if (gap.slot !== loss.slot || gap.from > loss.from) return false;
  return gap.to === null || (loss.to !== null && gap.to >= loss.to);
}
