import { slotNameFromMemberName } from '../../src/domain/slot.ts';
import { cloneData, type PgCluster } from './pg-cluster.ts';
import type { PgServer } from './pg-server.ts';
import type { Random } from './random.ts';
import type { Trace } from './trace.ts';
import type { VirtualTime } from './virtual-time.ts';

const lookAfterMs = 1_500;

/**
 * Whatever promotes and rebuilds servers in this cluster: not slotkeeper (`ha: observe`). It makes the physical slots
 * through which members stream, and knows nothing of logical slots.
 */
export class HaManager {
  primary: PgServer;
  /** When the chain above each server was last changed, or a server of it replaced: what was protected may not be. */
  readonly changedAtMs = new Map<string, number>();
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #cluster: PgCluster;
  readonly #trace: Trace;
  readonly #promoting: (server: PgServer, old: PgServer) => void;
  /** How it makes physical slots and writes `primary_conninfo`. */
  readonly #reservesWal: boolean;
  readonly #upstreamDatabase: string | null;
  #busy = false;

  constructor(
    time: VirtualTime,
    random: Random,
    cluster: PgCluster,
    primary: PgServer,
    trace: Trace,
    promoting: (server: PgServer, old: PgServer) => void,
  ) {
    this.#promoting = promoting;
    this.#time = time;
    this.#random = random;
    this.#cluster = cluster;
    this.primary = primary;
    this.#trace = trace;
    this.#reservesWal = random.chance(0.6);
    this.#upstreamDatabase = random.chance(0.3) ? 'postgres' : null;
    this.#mend();
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** Lets `server` stream from `upstream` through the physical slot of its name. */
  attach(server: PgServer, upstream: PgServer): void {
    const slot = slotNameFromMemberName(server.name);
    if (upstream.slots.get(slot)?.invalidation != null) upstream.slots.delete(slot);
    if (!upstream.slots.has(slot) && upstream.state === 'up' && upstream.slots.size < upstream.setup.maxSlots) {
      upstream.addPhysicalSlot(slot, 'operator', this.#reservesWal);
    }
    server.role = 'standby';
    server.upstream = upstream;
    server.primarySlotName = slot;
    server.upstreamDatabase = this.#upstreamDatabase;
    this.#touch(server);
    this.#trace.add('ha', `${server.name} follows ${upstream.name}`);
  }

  /** The primary's server dies; the standby that has most takes over. */
  failover(): void {
    if (this.#busy) return;
    this.#busy = true;
    const old = this.primary;
    old.crash();
    this.#trace.add('ha', `${old.name} crashed`);
    this.#later(500, 4_000, () => {
      this.#promoteBest(old);
      this.#later(1_000, 12_000, () => {
        this.#rejoin(old);
        this.#busy = false;
      });
    });
  }

  /** The primary stops in an orderly way: a standby has all of its WAL. */
  switchover(): void {
    if (this.#busy) return;
    const candidates = this.#standbys().filter((server) => server.streaming && server.upstream === this.primary);
    if (candidates.length === 0) return;
    this.#busy = true;
    const old = this.primary;
    const next = this.#random.pick(candidates);
    old.stop();
    next.received = old.branch.end;
    this.#trace.add('ha', `switchover from ${old.name} to ${next.name}`);
    this.#later(50, 500, () => {
      // Whoever was chosen may have died meanwhile.
      if (next.state === 'up') this.#promote(next);
      else this.#promoteBest(old);
      this.#later(200, 4_000, () => {
        this.#rejoin(old);
        this.#busy = false;
      });
    });
  }

  /** A standby is promoted while the old primary goes on: two primaries, until somebody stops the old one. */
  splitBrain(): void {
    if (this.#busy || this.#standbys().length === 0) return;
    this.#busy = true;
    const old = this.primary;
    this.#trace.add('ha', `${old.name} is cut off from the HA manager`);
    this.#promoteBest(old);
    this.#later(1_000, 10_000, () => {
      old.crash();
      this.#trace.add('ha', `${old.name} is stopped`);
      this.#later(500, 5_000, () => {
        this.#rejoin(old);
        this.#busy = false;
      });
    });
  }

  #promoteBest(old: PgServer): void {
    const candidates = [...this.#standbys()].sort((a, b) => Number(b.received - a.received));
    const best = candidates[0];
    if (best === undefined) {
      old.start(this.#time.nowMs());
      return;
    }
    this.#promote(best);
  }

  #promote(server: PgServer): void {
    const highest = Math.max(server.branch.timeline, this.primary.branch.timeline);
    server.replayPaused = false;
    this.#promoting(server, this.primary);
    server.promote(highest + 1);
    this.primary = server;
    this.#touch(server);
    this.#trace.add('ha', `${server.name} is promoted, timeline ${String(server.branch.timeline)}`);
    for (const other of this.#cluster.servers.values()) {
      if (other === server || other.role === 'primary') continue;
      if (other.upstream?.role === 'standby' && other.upstream !== server && other.upstream.state === 'up') continue;
      this.#later(100, 3_000, () => {
        if (other.role === 'standby' && this.primary === server) this.attach(other, server);
      });
    }
  }

  /** A former primary comes back as a standby: as it is when its WAL allows it, else rewound, which leaves no slots. */
  #rejoin(server: PgServer): void {
    if (server === this.primary) return;
    const plain = this.primary.branch.contains(server.branch, server.branch.end);
    server.role = 'standby';
    if (plain) {
      server.received = server.branch.end;
      server.replayed = server.branch.end;
      if (this.#random.chance(0.5)) for (const slot of server.physicalSlots()) server.slots.delete(slot.name);
    } else this.rebuild(server);
    this.attach(server, this.primary);
    if (server.state === 'down') server.start(this.#time.nowMs());
    this.#trace.add('ha', `${server.name} rejoins ${plain ? 'as it is' : 'rewound'}`);
  }

  /** Replaces the data directory by a copy of the primary's; the agent's own files come along, as they do in life. */
  rebuild(server: PgServer): void {
    if (this.primary.state !== 'up') return;
    server.state = 'down';
    server.streaming = false;
    cloneData(server, this.primary, this.primary.position);
    server.files.ledger = this.primary.files.ledger;
    server.files.copyInterrupted = false;
    this.#touch(server);
    this.#trace.add('ha', `${server.name} is rebuilt`);
  }

  /** What a person would do in the end: servers that cannot go on are started or rebuilt. */
  #mend(): void {
    for (const server of this.#cluster.servers.values()) {
      if (server === this.primary || this.primary.state !== 'up' || this.#busy || server.role === 'primary') continue;
      if (server.upstream === null || (server.upstream.role === 'standby' && server.upstream.upstream === server)) {
        this.attach(server, this.primary);
      }
      const obstacle = this.#cluster.obstacle(server);
      if (obstacle === 'no such physical slot' && server.upstream !== null) this.attach(server, server.upstream);
      if (obstacle === 'it has diverged' || obstacle === 'requested WAL segment has been removed') {
        this.rebuild(server);
        this.attach(server, this.primary);
        server.start(this.#time.nowMs());
      }
    }
    this.#time.in(lookAfterMs, () => this.#mend(), false);
  }

  #standbys(): readonly PgServer[] {
    // Whoever set wal_level lower on one server does not mean it to become the primary.
    return [...this.#cluster.servers.values()].filter(
      (server) => server.role === 'standby' && server.state === 'up' && server.setup.walLevel === 'logical',
    );
  }

  #touch(server: PgServer): void {
    this.changedAtMs.set(server.name, this.#time.nowMs());
  }

  #later(lowMs: number, highMs: number, act: () => void): void {
    this.#time.in(this.#random.int(lowMs, highMs), act, false);
  }
}
