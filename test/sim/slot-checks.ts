import { formatLsn, type Lsn } from '../../src/domain/lsn.ts';
import { tableSyncSlotPattern } from '../../src/domain/slot.ts';
import type { PgServer } from './pg-server.ts';
import type { LogicalPgSlot } from './pg-slot.ts';
import { isFollowed } from './scope-config.ts';
import type { ServerChanges } from './sim-server.ts';
import { Violation } from './violation.ts';
import type { World } from './world.ts';

/** A logical slot's name that the cluster has had, and how its last slot ended. */
interface Past {
  /** Where the consumer was when the slot was last seen. */
  position: Lsn;
  readonly plugin: string;
  ended: 'alive' | 'removed' | 'lost';
  /** Whether a status told the cluster of it: of others nobody can know after a failover. */
  published: boolean;
}

/** Watches what agents do to slots, as it takes effect: rules S1, S3, S4 and S7. */
export class SlotChecks implements ServerChanges {
  readonly #world: World;
  readonly #fail: (violation: Violation) => void;
  readonly #past = new Map<string, Past>();
  /** Slots that were made anew at "now" after an earlier one was lost: each needs a gap record (S3). */
  readonly madeAnew: { readonly slot: string; readonly from: Lsn; readonly atMs: number }[] = [];

  constructor(world: World, fail: (violation: Violation) => void) {
    this.#world = world;
    this.#fail = fail;
  }

  moved(server: PgServer, name: string, from: Lsn, to: Lsn): void {
    this.#world.trace.add(server.name, `slot ${name} ${formatLsn(from)} → ${formatLsn(to)}`);
    const slot = server.logical(name);
    if (slot === undefined) return;
    if (to < from) this.#broken('S1', server, `slot ${name} went back from ${formatLsn(from)} to ${formatLsn(to)}`);
    if (server.role === 'primary') {
      // A promotion may fall into an advance that was begun on a standby: then the old bounds hold.
      if (server.branch.forkLsn < to)
        this.#broken('S1', server, `the consumer's slot ${name} was advanced on a primary`);
      return;
    }
    this.#checkPosition(server, name, to);
    if (to > server.replayed) this.#broken('S1', server, `slot ${name} at ${formatLsn(to)}, past what is replayed`);
  }

  copied(server: PgServer, slot: LogicalPgSlot, from: PgServer): void {
    this.#world.trace.add(server.name, `slot ${slot.name} copied from ${from.name} at ${formatLsn(slot.confirmed)}`);
    this.#requireUsable(server, slot.name);
    this.#checkPosition(server, slot.name, slot.confirmed);
  }

  created(server: PgServer, name: string): void {
    const slot = server.logical(name);
    this.#world.trace.add(server.name, `slot ${name} created by the agent`);
    if (slot === undefined) return;
    this.#requireUsable(server, name);
    // A creation that ends on a server which was deposed meanwhile: that server is rewound or rebuilt, and no consumer
    // goes there.
    if (server !== this.#world.ha.primary) return;
    const past = this.#past.get(name);
    if (past !== undefined && past.ended !== 'removed' && past.published && slot.confirmed > past.position) {
      this.madeAnew.push({ slot: name, from: past.position, atMs: this.#world.time.nowMs() });
    }
    this.#world.workload.follow(slot);
  }

  dropped(server: PgServer, name: string, type: 'logical' | 'physical'): void {
    this.#world.trace.add(server.name, `${type} slot ${name} dropped by the agent`);
    const slot = server.slots.get(name);
    const { config } = this.#world;
    if (slot === undefined) return;
    if (this.#always((past) => past.pause)) this.#broken('S4', server, `slot ${name} dropped in pause`);
    if (server.role === 'primary' || type === 'physical') {
      if (slot.madeBy !== 'agent') this.#broken('S4', server, `slot ${name}, which somebody else made, was dropped`);
      const declared = type === 'logical' ? [...config.logical.keys()] : config.physical;
      if (declared.includes(name) && this.#always((past) => past.logical.has(name) || past.physical.includes(name))) {
        this.#broken('S4', server, `declared slot ${name} was dropped`);
      }
      const past = this.#past.get(name);
      if (past !== undefined && server.role === 'primary') past.ended = 'removed';
      return;
    }
    if (tableSyncSlotPattern.test(name)) this.#broken('S4', server, `table-sync slot ${name} was dropped`);
    if (this.#always((past) => past.ignored.includes(name)))
      this.#broken('S4', server, `ignored slot ${name} was dropped`);
    if (this.#isFollowedFor(name) && this.#world.member(server.name).tags.nofailover !== true) {
      this.#broken('S4', server, `slot ${name} was dropped although the primary has it and it is followed`);
    }
  }

  /** Keeps up with what consumers have; called after every event of the world that matters. */
  observe(): void {
    const { primary } = this.#world.ha;
    for (const slot of primary.logicalSlots()) {
      if (slot.creating) continue;
      const position = this.#world.workload.consumers.get(slot.name)?.position ?? slot.confirmed;
      const before = this.#past.get(slot.name);
      const published = before?.ended === 'alive' && before.published;
      this.#past.set(slot.name, { position, plugin: slot.plugin, ended: 'alive', published });
    }
    for (const [name, past] of this.#past) {
      if (past.ended !== 'alive' || primary.slots.has(name)) continue;
      past.ended = isFollowed(this.#world.config, { name, plugin: past.plugin }) ? 'lost' : 'removed';
    }
  }

  /** A leader has written a status with these slots. */
  published(names: Iterable<string>): void {
    for (const name of names) {
      const past = this.#past.get(name);
      if (past?.ended === 'alive') past.published = true;
    }
  }

  #checkPosition(server: PgServer, name: string, to: Lsn): void {
    const source = this.#world.ha.primary.logical(name);
    const consumer = this.#world.workload.consumers.get(name);
    const confirmed = [source?.confirmed, consumer?.position].reduce<Lsn>(
      (furthest, each) => (each !== undefined && each > furthest ? each : furthest),
      0n,
    );
    if (to > confirmed) {
      this.#broken('S1', server, `slot ${name} at ${formatLsn(to)}, past the consumer's ${formatLsn(confirmed)}`);
    }
  }

  #requireUsable(server: PgServer, name: string): void {
    const { maxSlots } = server.setup;
    if (server.unfitBecause !== null && server.logical(name) !== undefined) {
      this.#broken('S7', server, `slot ${name} was made although the server is unfit: ${server.unfitBecause}`);
    }
    if (server.slots.size > maxSlots) this.#broken('S7', server, `more slots than max_replication_slots = ${maxSlots}`);
  }

  /** Whether something held in every good configuration of the time that an agent may still act on. */
  #always(holds: (config: World['config']) => boolean): boolean {
    const since = this.#world.time.nowMs() - this.#world.knowledgeMs();
    const writes = this.#world.configWrites.filter(({ good }) => good !== null);
    const first = writes.findLastIndex(({ atMs }) => atMs <= since);
    return writes.slice(Math.max(0, first)).every(({ good }) => good !== null && holds(good));
  }

  #isFollowedFor(name: string): boolean {
    const source = this.#world.ha.primary.logical(name);
    if (source === undefined || source.creating || !this.#always((config) => isFollowed(config, source))) return false;
    const since = this.#world.workload.consumers.get(name)?.sinceMs ?? 0;
    const promotedAtMs = this.#world.ha.changedAtMs.get(this.#world.ha.primary.name) ?? 0;
    return this.#world.time.nowMs() - Math.max(since, promotedAtMs) > this.#world.knowledgeMs();
  }

  #broken(rule: 'S1' | 'S4' | 'S7', server: PgServer, what: string): void {
    this.#fail(new Violation(rule, `${server.name}: ${what}`));
  }
}
