import type { Lsn } from '../../src/domain/lsn.ts';
import { runSyncWorker } from './native-sync.ts';
import type { PgServer } from './pg-server.ts';
import { least, takeFeedback } from './pg-slot.ts';
import type { Random } from './random.ts';
import type { VirtualTime } from './virtual-time.ts';

const pullMs = 60;

/** How a standby's stream behaves now. */
export interface StreamFaults {
  broken: boolean;
  /** Replay stays this many pulls behind what is received. */
  replayEveryPulls: number;
}

/**
 * The streams between the servers: each standby pulls from the one above through its physical slot there, replays, and
 * sends its feedback up the chain.
 */
export class PgCluster {
  readonly systemIdentifier = '7300000000000000001';
  readonly servers = new Map<string, PgServer>();
  readonly streams = new Map<string, StreamFaults>();
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #told: (server: PgServer, what: string) => void;
  /** `wal_receiver_status_interval`. */
  readonly #feedbackEveryMs: number;
  readonly #feedbackAtMs = new Map<string, number>();
  readonly #pulls = new Map<string, number>();

  constructor(time: VirtualTime, random: Random, told: (server: PgServer, what: string) => void) {
    this.#time = time;
    this.#random = random;
    this.#told = told;
    this.#feedbackEveryMs = random.int(500, 10_000);
  }

  add(server: PgServer): void {
    this.servers.set(server.name, server);
    const stream: StreamFaults = { broken: false, replayEveryPulls: 1 };
    this.streams.set(server.name, stream);
    runSyncWorker(
      server,
      this.#time,
      this.#random.fork(),
      () => stream.broken,
      (what) => {
        this.#told(server, `slot synchronisation stops: ${what}`);
      },
    );
    this.#pull(server);
  }

  server(name: string): PgServer {
    const server = this.servers.get(name);
    if (server === undefined) throw new RangeError(`no server ${name}`);
    return server;
  }

  /** The servers that `server` streams from, directly and through others, nearest first. */
  above(server: PgServer): readonly PgServer[] {
    const chain: PgServer[] = [];
    for (let next = server.upstream; next !== null && !chain.includes(next); next = next.upstream) chain.push(next);
    return chain;
  }

  /** The server at the top of the chain that `server` streams from; itself when it streams from nobody. */
  rootOf(server: PgServer): PgServer {
    return this.above(server).at(-1) ?? server;
  }

  /** Why `standby` cannot stream now; null = it can. */
  obstacle(standby: PgServer): string | null {
    const upstream = standby.upstream;
    if (upstream === null) return 'no upstream';
    if (standby.state !== 'up' || upstream.state !== 'up') return 'a server is down';
    if (this.streams.get(standby.name)?.broken === true) return 'the link is broken';
    if (standby.primarySlotName !== '') {
      const slot = upstream.slots.get(standby.primarySlotName);
      if (slot === undefined) return 'no such physical slot';
      if (slot.invalidation !== null) return 'requested WAL segment has been removed';
    }
    if (!upstream.branch.contains(standby.branch, standby.received)) return 'it has diverged';
    if (standby.received < upstream.oldestWal) return 'requested WAL segment has been removed';
    return null;
  }

  /** A reload: what a standby has to say goes up with its next message. */
  reload(server: PgServer): void {
    this.#feedbackAtMs.delete(server.name);
  }

  #pull(standby: PgServer): void {
    if (standby.role === 'standby' && standby.state === 'up') {
      this.#setStreaming(standby, this.obstacle(standby) === null);
      if (standby.streaming && standby.upstream !== null) this.#receive(standby, standby.upstream);
      this.#replay(standby);
      if (standby.streaming && standby.upstream !== null) this.#sendFeedback(standby, standby.upstream);
    } else this.#setStreaming(standby, false);
    this.#time.in(
      pullMs * (0.5 + this.#random.next()),
      () => {
        this.#pull(standby);
      },
      false,
    );
  }

  #setStreaming(standby: PgServer, streaming: boolean): void {
    if (streaming && !standby.streaming) this.#feedbackAtMs.delete(standby.name);
    standby.streaming = streaming;
    const slot = standby.upstream?.slots.get(standby.primarySlotName);
    if (slot?.type === 'physical') slot.active = streaming;
  }

  #receive(standby: PgServer, upstream: PgServer): void {
    const available = upstream.role === 'primary' ? upstream.branch.end : upstream.replayed;
    if (standby.branch !== upstream.branch && upstream.branch.contains(standby.branch, standby.received)) {
      standby.branch = upstream.branch;
    }
    if (available > standby.received) standby.received = available;
    const slot = upstream.slots.get(standby.primarySlotName);
    if (slot?.type === 'physical') slot.restart = standby.received;
  }

  #replay(standby: PgServer): void {
    const pulls = (this.#pulls.get(standby.name) ?? 0) + 1;
    this.#pulls.set(standby.name, pulls);
    if (standby.replayPaused || pulls % (this.streams.get(standby.name)?.replayEveryPulls ?? 1) !== 0) return;
    if (standby.received > standby.replayed) standby.replayTo(standby.received);
  }

  #sendFeedback(standby: PgServer, upstream: PgServer): void {
    const slot = upstream.slots.get(standby.primarySlotName);
    if (slot?.type !== 'physical') return;
    if (!standby.feedbackOn) {
      takeFeedback(slot, null, null);
      this.#feedbackAtMs.delete(standby.name);
      return;
    }
    const now = this.#time.nowMs();
    const last = this.#feedbackAtMs.get(standby.name);
    if (last !== undefined && now - last < this.#feedbackEveryMs) return;
    this.#feedbackAtMs.set(standby.name, now);
    const below = [...standby.physicalSlots()];
    const xmin = least([standby.nextXid, ...below.map((each) => each.xmin)]);
    const catalogXmin = least([
      ...standby.logicalSlots().map((each) => (each.invalidation === null ? each.catalogXmin : null)),
      ...below.map((each) => each.catalogXmin),
    ]);
    takeFeedback(slot, xmin, catalogXmin);
  }
}

/** What a rewound or rebuilt server takes over from its source: the data directory without slots. */
export function cloneData(server: PgServer, source: PgServer, oldestWal: Lsn): void {
  server.branch = source.branch;
  server.received = source.position;
  server.replayed = source.position;
  server.oldestWal = oldestWal;
  server.slots.clear();
  server.snapshots.clear();
  for (const at of source.snapshots) server.snapshots.add(at);
  server.catalogHorizon = source.catalogHorizon;
  server.running.clear();
  for (const [xid, began] of source.running) server.running.set(xid, began);
  server.nextXid = source.nextXid;
  server.feedback = { ...server.feedback, altered: source.feedback.altered };
  server.settings.altered.clear();
  for (const [name, value] of source.settings.altered) server.settings.altered.set(name, value);
  // Through which slot it streams is each server's own.
  for (const name of source.settings.setByAgents) {
    if (name !== 'primary_slot_name') server.settings.setByAgents.add(name);
  }
  server.panic = null;
}
