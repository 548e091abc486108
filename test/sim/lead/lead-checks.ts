import { decodeTerms } from '../../../src/consul/codec/lead.ts';
import { formatLsn } from '../../../src/domain/lsn.ts';
import { unfinishedSlots } from '../at-rest.ts';
import type { PgServer } from '../pg-server.ts';
import { type AgentRun, simKeys } from '../sim-agent.ts';
import { SlotRules } from '../slot-rules.ts';
import type { Violation } from '../violation.ts';
import type { Host } from './host.ts';
import { traceLead } from './lead-trace.ts';
import { type LeadRule, LeadViolation } from './lead-violation.ts';
import type { LeadWitness, LeadWorld } from './lead-world.ts';

/** Between two looks at every slot; what an agent has just planned is looked at at once. */
const sampleMs = 250;

/** All rules of leadership and of slots, checked while a history runs. The first violation stays. */
export class LeadChecks {
  violation: LeadViolation | null = null;
  readonly #world: LeadWorld;
  readonly #slots: SlotRules;
  readonly #told = new Map<string, string>();
  #sampledAtMs = 0;
  /** Who has planned since the last step. */
  #turned: string | null = null;
  /** The member that last accepted writes. */
  #last: string | null = null;
  readonly #deposed = new Map<string, number>();

  constructor(world: LeadWorld) {
    this.#world = world;
    const fail = (violation: Violation): void => {
      this.#fail(new LeadViolation(violation.rule, violation.what));
    };
    this.#slots = new SlotRules(world.slots, fail, [simKeys.terms, simKeys.sync, simKeys.failsafe]);
  }

  fail(rule: LeadRule, what: string): void {
    this.#fail(new LeadViolation(rule, what));
  }

  #fail(violation: LeadViolation): void {
    if (this.violation !== null) return;
    this.violation = violation;
    this.#world.trace.add('checks', `VIOLATION ${violation.message}`);
  }

  witness(): LeadWitness {
    return {
      writable: (host, term) => {
        this.#writable(host, term);
      },
      diverged: (standby, upstream) => {
        this.#diverged(standby, upstream);
      },
      slots: this.#slots.changes,
      began: (slot, before) => {
        this.#slots.began(slot, before);
      },
      committed: (commit) => {
        this.#slots.committed(commit);
      },
      turned: (run: AgentRun) => {
        this.#turned = run.name;
        traceLead(this.#world.trace, this.#told, run);
        this.#countDeposed(run);
      },
      bug: (name, error) => {
        this.fail(
          'bug',
          `the agent of ${name} fell over: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        );
      },
    };
  }

  afterStep(): void {
    this.#checkSlots();
    const { members } = this.#world;
    const writable = members.filter(({ host }) => host.isWritable);
    if (writable.length > 1)
      this.fail('two primaries', `${writable.map(({ name }) => name).join(' and ')} accept writes`);
    const mixed = members.find(({ host }) => host.isMixed && host.server.state === 'up');
    if (mixed !== undefined) this.fail('divergence', `the data of ${mixed.name} is of two lines`);
  }

  #checkSlots(): void {
    const { slots, time } = this.#world;
    if (!slots.isUsed) return;
    const isDue = time.nowMs() - this.#sampledAtMs >= sampleMs;
    if (this.#turned === null && !isDue) return;
    slots.observe();
    if (this.#turned !== null) this.#slots.turned(this.#turned);
    this.#turned = null;
    if (!isDue) return;
    this.#sampledAtMs = time.nowMs();
    this.#slots.observe();
  }

  /** Which slot can't be used yet on a standby although everything works, or was lost without a record (S3); null = none. */
  unfinishedSlots(): string | null {
    const { members, slots } = this.#world;
    const [first, ...others] = members;
    // Of data that another cluster has nobody knows the slots.
    if (others.some(({ host }) => host.systemIdentifier !== first?.host.systemIdentifier)) return null;
    return unfinishedSlots(slots, 'ready') ?? this.#slots.unrecordedGap();
  }

  /** What is not yet as it has to be once everything works; null = nothing. */
  unfinished(): string | null {
    const { members, cluster, consul } = this.#world;
    for (const { name, agent, host } of members) {
      if (agent?.life.alive !== true) return `the agent of ${name} is not running`;
      if (host.server.state !== 'up') return `${name} is ${host.server.state}, its directory ${host.directory}`;
    }
    const primaries = members.filter(({ host }) => host.isWritable);
    const [primary] = primaries;
    if (primary === undefined) return 'no server accepts writes';
    const { state } = consul;
    const leader = state.ownerOf(state.keys.get(simKeys.leader)?.session ?? null);
    if (leader !== primary.name) return `${primary.name} accepts writes without the leader key`;
    for (const { name, host, agent } of members) {
      if (host === primary.host) continue;
      // Of a bootstrap that nobody could know of: a person has to say which data counts, and is told so.
      const isForeign = host.systemIdentifier !== primary.host.systemIdentifier;
      if (isForeign && agent?.turn?.plan.problems.some(({ severity }) => severity === 'error') === true) continue;
      const obstacle = cluster.obstacle(host.server);
      if (obstacle !== null) return `${name} does not stream: ${obstacle}`;
      if (!host.server.streaming) return `${name} does not stream yet`;
      if (cluster.rootOf(host.server) !== primary.host.server) return `${name} does not stream from ${primary.name}`;
    }
    return null;
  }

  #writable(host: Host, term: number): void {
    const { consul, writers } = this.#world;
    const { server } = host;
    if (host.name !== this.#last) this.#slots.promoting();
    this.#countTakeover(host.name);
    for (const [branch, lsn] of writers.acknowledged) {
      if (server.branch.contains(branch, lsn)) continue;
      this.fail('lost write', `${host.name} leads without ${formatLsn(lsn)} of timeline ${branch.timeline}`);
    }
    const listed = decodeTerms(consul.state.keys.get(simKeys.terms)?.value ?? '[]', () => undefined) ?? [];
    const isKnown = listed.some((each) => each.term === term && each.leader === host.name);
    // A bootstrap comes before the first term.
    if (!isKnown && listed.length > 0)
      this.fail('term', `${host.name} accepts writes under term ${term}, which is not listed`);
  }

  #countTakeover(name: string): void {
    const { consul, tally } = this.#world;
    if (this.#last !== null && this.#last !== name)
      tally.count(consul.state.keys.has(simKeys.failover) ? 'switchovers' : 'failovers');
    this.#last = name;
  }

  #countDeposed({ name, turn }: AgentRun): void {
    const deposed = turn?.view.memory.lead.deposed ?? null;
    if (deposed === null || this.#deposed.get(name) === deposed.term) return;
    this.#deposed.set(name, deposed.term);
    if (deposed.why !== 'released') this.#world.tally.count(`terms that were over by their ${deposed.why}`);
  }

  #diverged(standby: PgServer, upstream: PgServer): void {
    this.fail(
      'divergence',
      `${standby.name} follows ${upstream.name} with other WAL up to ${formatLsn(standby.received)}, timeline ${standby.branch.timeline}`,
    );
  }
}
