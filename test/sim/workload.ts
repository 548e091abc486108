import type { Lsn } from '../../src/domain/lsn.ts';
import { isTemplateName } from '../../src/domain/template.ts';
import type { PgCluster } from './pg-cluster.ts';
import type { PgServer } from './pg-server.ts';
import type { LogicalPgSlot } from './pg-slot.ts';
import { deliverable } from './standby-gate.ts';
import type { Random } from './random.ts';
import type { VirtualTime } from './virtual-time.ts';

/** Who reads from one logical slot. */
export interface Consumer {
  readonly slot: string;
  /** What it has confirmed of the present slot of that name, on whichever server. */
  position: Lsn;
  mood: 'moving' | 'idle';
  /** When the slot was made, or made anew. */
  readonly sinceMs: number;
}

/**
 * What clients do to the cluster, and what PostgreSQL does by itself: overlapping transactions, running_xacts records,
 * vacuum, checkpoints, consumers that confirm.
 */
export class Workload {
  readonly consumers = new Map<string, Consumer>();
  writing = true;
  #isAtRest = false;
  /** How much of what is committed is nothing to consumers: written in another database, or not published. */
  readonly #foreignShare: number;
  #stirred = false;
  /** How often all consumers pause for a while; without pauses agents would only ever know their quick pace. */
  readonly #restShare: number;
  #restUntilMs = 0;
  /** How many transactions are long ones: a slot that is being made waits for each that ran before, up to three times. */
  readonly #longShare: number;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #cluster: PgCluster;
  readonly #primary: () => PgServer;
  /** Told of each slot that begins, with the consumer of the one that had its name before. */
  readonly #began: (slot: LogicalPgSlot, before: Consumer | undefined) => void;
  /** Whether clients can write to the server. */
  readonly #isOpen: (server: PgServer) => boolean;

  constructor(
    time: VirtualTime,
    random: Random,
    cluster: PgCluster,
    primary: () => PgServer,
    began: (slot: LogicalPgSlot, before: Consumer | undefined) => void,
    isOpen = (server: PgServer): boolean => server.state === 'up' && server.role === 'primary',
  ) {
    this.#began = began;
    this.#isOpen = isOpen;
    this.#time = time;
    this.#random = random;
    this.#cluster = cluster;
    this.#primary = primary;
    this.#longShare = random.pick([0.03, 0.01, 0.003]);
    this.#foreignShare = random.pick([0.1, 0.1, 0.7, 0.97]);
    this.#restShare = random.pick([0, 0.01, 0.04]);
    const busy = random.int(40, 400);
    this.#every(() => random.int(10, busy), this.#transaction);
    this.#every(
      () => random.int(1_000, 8_000),
      this.#onPrimaries((server) => server.logRunningIfWritten()),
    );
    this.#every(
      () => random.int(500, 5_000),
      this.#onPrimaries((server) => server.vacuum()),
    );
    this.#every(
      () => random.int(3_000, 10_000),
      () => {
        const up = [...cluster.servers.values()].filter((server) => server.state === 'up');
        if (up.length > 0) random.pick(up).checkpoint();
      },
    );
    this.#every(() => random.int(20, 300), this.#consume);
  }

  /** A consumer for a slot that was just made, or made anew. */
  follow(slot: LogicalPgSlot): void {
    this.#began(slot, this.consumers.get(slot.name));
    this.consumers.set(slot.name, {
      slot: slot.name,
      position: slot.confirmed,
      mood: this.#stirred || this.#random.chance(0.75) ? 'moving' : 'idle',
      sinceMs: this.#time.nowMs(),
    });
  }

  /** Every consumer moves. */
  stir(): void {
    this.#stirred = true;
    for (const consumer of this.consumers.values()) consumer.mood = 'moving';
  }

  /** Clients go away: nothing is written, and consumers stay where they are. */
  rest(): void {
    this.#isAtRest = true;
  }

  readonly #transaction = (): void => {
    const random = this.#random;
    for (const server of this.#writable()) {
      if (!this.writing || this.#isAtRest || server.running.size > 12) continue;
      const xid = server.begin(BigInt(random.int(100, 4_000)));
      const starts = server.starts;
      const durationMs =
        !this.#stirred && random.chance(this.#longShare) ? random.int(3_000, 12_000) : random.int(1, 900);
      const how = random.chance(0.1) ? 'abort' : random.chance(this.#foreignShare) ? 'foreign' : 'commit';
      const bytes = BigInt(random.int(40, 400));
      this.#time.in(
        durationMs,
        () => {
          if (server.starts === starts && server.state === 'up') server.end(xid, how, bytes);
        },
        false,
      );
    }
  };

  readonly #consume = (): void => {
    const random = this.#random;
    const server = this.#primary();
    if (this.#isAtRest || !this.#isOpen(server)) return;
    if (!this.#stirred && random.chance(this.#restShare)) {
      this.#restUntilMs = this.#time.nowMs() + random.int(6_000, 15_000);
    }
    if (!this.#stirred && this.#time.nowMs() < this.#restUntilMs) return;
    for (const slot of server.logicalSlots()) {
      if (slot.creating || slot.invalidation !== null || isTemplateName(slot.name)) continue;
      let consumer = this.consumers.get(slot.name);
      if (consumer === undefined) {
        this.follow(slot);
        consumer = this.consumers.get(slot.name);
      }
      if (consumer === undefined) continue;
      if (!this.#stirred && random.chance(0.02)) consumer.mood = consumer.mood === 'moving' ? 'idle' : 'moving';
      if (consumer.mood === 'idle' || slot.active || !random.chance(0.6)) continue;
      // It asks for what it has; a slot that is further on begins where it is.
      const from = consumer.position > slot.confirmed ? consumer.position : slot.confirmed;
      const end = deliverable(server, slot);
      if (from >= end) continue;
      const target = random.chance(0.5) ? end : from + (end - from) / 2n;
      server.confirm(slot, target);
      consumer.position = target;
    }
  };

  #onPrimaries(act: (server: PgServer) => void): () => void {
    return () => {
      for (const server of this.#writable()) act(server);
    };
  }

  #writable(): readonly PgServer[] {
    return [...this.#cluster.servers.values()].filter(this.#isOpen);
  }

  #every(delayMs: () => number, act: () => void): void {
    this.#time.in(
      delayMs(),
      () => {
        act();
        this.#every(delayMs, act);
      },
      false,
    );
  }
}
