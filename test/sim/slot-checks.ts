import type { Status } from '../../src/domain/cluster.ts';
import { formatLsn, type Lsn } from '../../src/domain/lsn.ts';
import type { AlterableSetting, SettingChange } from '../../src/domain/server.ts';
import { tableSyncSlotPattern } from '../../src/domain/slot.ts';
import { isTemplateName } from '../../src/domain/template.ts';
import { flawOf } from './oracle.ts';
import type { PgServer } from './pg-server.ts';
import type { LogicalPgSlot } from './pg-slot.ts';
import { isFollowed, mayRestart, type ScopeConfig } from './scope-config.ts';
import type { ServerChanges } from './server-changes.ts';
import type { SlotPast } from './slot-past.ts';
import { type Rule, Violation } from './violation.ts';
import type { SlotWorld } from './slot-world.ts';

/** Watches what agents do to slots and servers, as it takes effect: rules S1, S4 and S7, and who keeps which slot. */
export class SlotChecks implements ServerChanges {
  readonly #world: SlotWorld;
  readonly #past: SlotPast;
  readonly #fail: (violation: Violation) => void;
  /** How far templates may go, by the furthest status. */
  #templateLsn: Lsn = 0n;
  /** Since when each slot of the primary has been one that PostgreSQL is to synchronise. */
  readonly #markedSinceMs = new Map<string, number>();

  constructor(world: SlotWorld, past: SlotPast, fail: (violation: Violation) => void) {
    this.#world = world;
    this.#past = past;
    this.#fail = fail;
  }

  /** Keeps up with the primary; called after every event of the world that matters. */
  observe(): void {
    const { primary } = this.#world.ha;
    const marked = primary.logicalSlots().filter((slot) => slot.failover);
    const names = new Set(marked.map((slot) => slot.name));
    for (const name of this.#markedSinceMs.keys()) if (!names.has(name)) this.#markedSinceMs.delete(name);
    for (const name of names) {
      if (!this.#markedSinceMs.has(name)) this.#markedSinceMs.set(name, this.#world.time.nowMs());
    }
  }

  /** A leader has written this status. */
  published({ slots, extras }: Status): void {
    const template = [...slots.keys(), ...(extras?.logical.keys() ?? [])].find(isTemplateName);
    if (template !== undefined) this.#fail(new Violation('S4', `the template slot ${template} was published`));
    const lsn = extras?.templateLsn ?? 0n;
    if (lsn > this.#templateLsn) this.#templateLsn = lsn;
  }

  moved(server: PgServer, name: string, from: Lsn, to: Lsn): void {
    this.#world.trace.add(server.name, `slot ${name} ${formatLsn(from)} → ${formatLsn(to)}`);
    if (server.logical(name) === undefined) return;
    if (to < from) this.#broken('S1', server, `slot ${name} went back from ${formatLsn(from)} to ${formatLsn(to)}`);
    if (server.role === 'primary') {
      // A promotion may fall into an advance that was begun on a standby: then the old bounds hold.
      if (server.branch.forkLsn < to)
        this.#broken('S1', server, `the consumer's slot ${name} was advanced on a primary`);
      return;
    }
    if (isTemplateName(name)) this.#checkTemplate(server, name, to);
    else this.#checkPosition(server, name, to);
    if (to > server.replayed) this.#broken('S1', server, `slot ${name} at ${formatLsn(to)}, past what is replayed`);
  }

  movedIdle(server: PgServer, slot: LogicalPgSlot, from: Lsn, to: Lsn): void {
    this.#world.trace.add(server.name, `idle slot ${slot.name} ${formatLsn(from)} → ${formatLsn(to)}`);
    const consumer = this.#world.workload.consumers.get(slot.name);
    if (consumer !== undefined && consumer.position < to) consumer.position = to;
  }

  copied(server: PgServer, slot: LogicalPgSlot, from: PgServer): void {
    this.#world.trace.add(server.name, `slot ${slot.name} copied from ${from.name} at ${formatLsn(slot.confirmed)}`);
    this.#checkNew(server, slot);
  }

  templated(server: PgServer, slot: LogicalPgSlot, template: string): void {
    this.#world.trace.add(server.name, `slot ${slot.name} made from ${template} at ${formatLsn(slot.confirmed)}`);
    if (isTemplateName(slot.name)) return;
    if (!isTemplateName(template)) this.#broken('S4', server, `slot ${slot.name} was made from the slot ${template}`);
    this.#checkNew(server, slot);
  }

  created(server: PgServer, name: string): void {
    const slot = server.logical(name);
    this.#world.trace.add(server.name, `slot ${name} created by the agent`);
    if (slot === undefined) return;
    this.#requireUsable(server, name);
    if (isTemplateName(name)) return;
    // One that was begun here before the server was promoted would be another one than the consumer's.
    if (server.role === 'standby') this.#broken('S3', server, `slot ${name} was made at "now" on a standby`);
    // A creation that ends on a server which was deposed meanwhile: that server is rewound or rebuilt, and no consumer
    // goes there.
    if (server === this.#world.ha.primary) this.#world.workload.follow(slot);
  }

  dropped(server: PgServer, name: string, type: 'logical' | 'physical'): void {
    this.#world.trace.add(server.name, `${type} slot ${name} dropped by the agent`);
    const slot = server.slots.get(name);
    if (slot === undefined) return;
    if (this.#always((past) => past.pause)) this.#broken('S4', server, `slot ${name} dropped in pause`);
    if (server.role === 'primary' || slot.type === 'physical') {
      if (slot.type === 'logical' && !isTemplateName(name)) this.#past.removed(slot);
      this.#checkOwner(server, name);
      return;
    }
    if (tableSyncSlotPattern.test(name)) this.#broken('S4', server, `table-sync slot ${name} was dropped`);
    if (this.#always((past) => past.ignored.includes(name)))
      this.#broken('S4', server, `ignored slot ${name} was dropped`);
    if (this.#isNeeded(server, slot)) {
      this.#broken('S4', server, `slot ${name} was dropped although it is followed and could be used`);
    }
  }

  marked(server: PgServer, slot: LogicalPgSlot, failover: boolean): void {
    this.#world.trace.add(server.name, `slot ${slot.name}: failover = ${String(failover)}`);
    if (!failover) this.#broken('S4', server, `the mark of slot ${slot.name} was taken away`);
    if (this.#always((past) => past.ignored.includes(slot.name)))
      this.#broken('S4', server, `ignored slot ${slot.name} was marked`);
  }

  altered(server: PgServer, changes: readonly SettingChange[]): void {
    const { altered, setByAgents } = server.settings;
    for (const { name, value } of changes) {
      this.#world.trace.add(server.name, `${name} = ${value ?? '(reset)'}`);
      // Where nothing is set, its answer to the first reset was lost.
      if (value === null && !setByAgents.has(name) && altered.has(name))
        this.#broken('S4', server, `${name}, which slotkeeper had not set, was reset`);
      if (value === null) setByAgents.delete(name);
      else setByAgents.add(name);
      this.#checkUnasked(server, name, value);
    }
  }

  stopped(server: PgServer): void {
    this.#world.trace.add(server.name, 'stopped for a file copy');
    if (this.#always((past) => !mayRestart(past, this.#world.major)))
      this.#broken('restart', server, 'it was stopped for a file copy, which is not allowed');
  }

  #checkUnasked(server: PgServer, name: AlterableSetting, value: string | null): void {
    if (name !== 'synchronized_standby_slots' || value === null) return;
    if (this.#always((past) => past.gate === null))
      this.#broken('gate', server, `${name} was set, nobody asked for it`);
  }

  #checkNew(server: PgServer, slot: LogicalPgSlot): void {
    this.#requireUsable(server, slot.name);
    this.#checkPosition(server, slot.name, slot.confirmed);
    if (this.#isNative(server, slot.name))
      this.#broken('method', server, `slot ${slot.name} was made although PostgreSQL synchronises it`);
  }

  /** Whether everybody has known for long enough that PostgreSQL keeps this slot on this standby. */
  #isNative(server: PgServer, name: string): boolean {
    const { ha, major } = this.#world;
    const since = Math.max(
      this.#markedSinceMs.get(name) ?? Infinity,
      ha.changedAtMs.get(server.name) ?? 0,
      ha.changedAtMs.get(ha.primary.name) ?? 0,
    );
    return (
      major >= 17 &&
      server.upstream === ha.primary &&
      this.#world.time.nowMs() - since > this.#world.knowledgeMs() &&
      this.#always(({ method }) => method === 'auto' || method === 'native')
    );
  }

  #checkTemplate(server: PgServer, name: string, to: Lsn): void {
    if (to > this.#templateLsn)
      this.#broken('S1', server, `${name} at ${formatLsn(to)}, templates may go to ${formatLsn(this.#templateLsn)}`);
  }

  #checkPosition(server: PgServer, name: string, to: Lsn): void {
    const source = this.#world.ha.primary.logical(name);
    const consumer = this.#world.workload.consumers.get(name);
    // Made on a primary that was deposed before: nobody has ever read from it, so nobody can miss anything.
    if (source === undefined && consumer === undefined) return;
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

  /** S4 on a primary, and for physical slots. */
  #checkOwner(server: PgServer, name: string): void {
    const slot = server.slots.get(name);
    if (slot === undefined) return;
    // A declared slot that is of no use to anybody may be made anew.
    const isWreck =
      slot.type === 'logical' &&
      slot.invalidation !== null &&
      !this.#always((past) => !past.recreateLost || !past.logical.has(name));
    if (isWreck) return;
    if (slot.madeBy !== 'agent') this.#broken('S4', server, `slot ${name}, which somebody else made, was dropped`);
    if (this.#always((past) => past.logical.has(name) || past.physical.includes(name)))
      this.#broken('S4', server, `declared slot ${name} was dropped`);
  }

  /** Whether a slot of a standby would serve its consumer after a promotion, and everybody has known for long enough. */
  #isNeeded(server: PgServer, slot: LogicalPgSlot): boolean {
    if (!this.#isFollowedFor(slot.name) || this.#world.member(server.name).tags.nofailover === true) return false;
    const source = this.#world.ha.primary.logical(slot.name);
    // It would stop PostgreSQL's own synchronisation, which makes it anew.
    if (source?.failover === true && !slot.synced && server.upstream === this.#world.ha.primary) return false;
    const confirmed = this.#world.workload.consumers.get(slot.name)?.position ?? 0n;
    return flawOf(server, slot.name, source, confirmed) === null;
  }

  /** Whether something held in every good configuration of the time that an agent may still act on. */
  #always(holds: (config: ScopeConfig) => boolean): boolean {
    const since = this.#world.time.nowMs() - this.#world.knowledgeMs();
    const writes = this.#world.configWrites.filter(({ good }) => good !== null);
    const first = writes.findLastIndex(({ atMs }) => atMs <= since);
    return writes.slice(Math.max(0, first)).every(({ good }) => good !== null && holds(good));
  }

  #isFollowedFor(name: string): boolean {
    const source = this.#world.ha.primary.logical(name);
    if (source === undefined || source.creating) return false;
    if (!this.#always((config) => isFollowed(config, this.#world.major, source))) return false;
    const since = this.#world.workload.consumers.get(name)?.sinceMs ?? 0;
    const promotedAtMs = this.#world.ha.changedAtMs.get(this.#world.ha.primary.name) ?? 0;
    return this.#world.time.nowMs() - Math.max(since, promotedAtMs) > this.#world.knowledgeMs();
  }

  #broken(rule: Rule, server: PgServer, what: string): void {
    this.#fail(new Violation(rule, `${server.name}: ${what}`));
  }
}
