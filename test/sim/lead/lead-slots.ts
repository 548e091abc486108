import type { Commit } from '../consul-state.ts';
import type { PgServer } from '../pg-server.ts';
import type { LogicalPgSlot } from '../pg-slot.ts';
import type { Random } from '../random.ts';
import { isFollowed, type ScopeConfig } from '../scope-config.ts';
import type { ConfigWrite, SlotMember, SlotWorld } from '../slot-world.ts';
import { type Consumer, Workload } from '../workload.ts';
import { isHealthy } from './lead-event.ts';
import type { LeadScopeConfig } from './lead-config.ts';
import type { LeadMember, LeadWorld } from './lead-world.ts';

/** What is told of slots besides what agents do to them. */
export interface SlotWitness {
  readonly began: (slot: LogicalPgSlot, before: Consumer | undefined) => void;
  readonly committed: (commit: Commit) => void;
}

/** For so long after everything was mended agents may still act on what was before. */
const calmMs = 15_000;

/** The slots of a cluster that slotkeeper leads, and who reads from them: what the rules of slots are checked on. */
export class LeadSlots implements SlotWorld {
  readonly members: readonly SlotMember[];
  readonly configWrites: ConfigWrite[] = [];
  readonly workload: SlotWorld['workload'];
  /** Whether slots are written for and read from. */
  readonly isUsed: boolean;
  readonly major: number;
  readonly #changedAtMs = new Map<string, number>();
  readonly #chains = new Map<string, string>();
  readonly #world: LeadWorld;
  readonly #clients: Workload | null;
  #primary: PgServer;

  /** `isUsed`: somebody writes what slots are for, and reads from them. */
  constructor(world: LeadWorld, major: number, random: Random, isUsed: boolean, began: SlotWitness['began']) {
    this.#world = world;
    this.major = major;
    this.members = world.members.map(memberOf);
    this.#primary = this.members[0]!.server;
    const isOpen = (server: PgServer): boolean => world.cluster.hosts.get(server.name)?.isWritable === true;
    this.isUsed = isUsed;
    this.#clients = isUsed ? new Workload(world.time, random, world.cluster, () => this.#primary, began, isOpen) : null;
    this.workload = this.#clients ?? { consumers: new Map(), follow: () => undefined };
  }

  /** Every consumer moves, so that every slot can pass what it was made from. */
  stir(): void {
    this.#clients?.stir();
  }

  get time() {
    return this.#world.time;
  }

  get trace() {
    return this.#world.trace;
  }

  get consul() {
    return this.#world.consul;
  }

  get cluster() {
    return this.#world.cluster;
  }

  get config(): ScopeConfig {
    return scopeOf(this.#world.config);
  }

  get ha(): SlotWorld['ha'] {
    return { primary: this.#primary, changedAtMs: this.#changedAtMs };
  }

  configured(config: LeadScopeConfig): void {
    this.configWrites.push({ atMs: this.time.nowMs(), good: scopeOf(config) });
  }

  /** The server accepts writes from now on, and consumers go there. */
  leads(server: PgServer): void {
    this.#primary = server;
    this.observe();
  }

  /** Keeps up with who streams from whom; called before anything is checked. */
  observe(): void {
    for (const { name, server } of this.members) {
      const { role, upstream, branch, primarySlotName, starts } = server;
      const above = upstream === null ? '' : `${upstream.name} ${upstream.role} ${upstream.starts}`;
      const chain = `${role} ${starts} ${branch.timeline} ${branch.forkLsn} ${primarySlotName} ${above}`;
      if (this.#chains.get(name) === chain) continue;
      this.#chains.set(name, chain);
      this.#changedAtMs.set(name, this.time.nowMs());
    }
  }

  knowledgeMs(): number {
    const { healedAtMs, members } = this.#world;
    const isCalm = healedAtMs !== null && this.time.nowMs() - healedAtMs > calmMs;
    return isCalm && members.every(({ process }) => process?.isFrozen === false) ? 5_000 : 60_000;
  }

  isFollowed(slot: { readonly name: string; readonly plugin: string; readonly database: string }): boolean {
    return isFollowed(this.config, this.major, slot);
  }

  member(name: string): SlotMember {
    const member = this.members.find((each) => each.name === name);
    if (member === undefined) throw new RangeError(`no member ${name}`);
    return member;
  }

  isCutOff({ name }: SlotMember): boolean {
    const { process, consulLink, serverLink } = this.#world.member(name);
    const { consul } = this.#world;
    const works = consul.running && !consul.isFrozen && process?.isFrozen === false;
    return !works || !isHealthy(consulLink) || !isHealthy(serverLink);
  }
}

/** An agent that stands still says nothing. */
function memberOf(member: LeadMember): SlotMember {
  return {
    name: member.name,
    server: member.host.server,
    tags: member.tags,
    consulLink: member.consulLink,
    get agent() {
      return member.process?.isFrozen === true ? null : member.agent;
    },
  };
}

function scopeOf({ withSlots, pause, recreateLost, failoverMark }: LeadScopeConfig): ScopeConfig {
  const orders = { database: 'app', plugin: 'pgoutput', failover: failoverMark };
  return {
    logical: new Map(withSlots ? [['orders', orders]] : []),
    physical: [],
    pause,
    restart: null,
    method: 'auto',
    templateDatabases: [],
    gate: null,
    recreateLost,
    filter: 'default',
    ignored: [],
  };
}
