import { memberKey } from '../../src/consul/keys.ts';
import { formatLsn } from '../../src/domain/lsn.ts';
import { slotNameFromMemberName } from '../../src/domain/slot.ts';
import type { LinkFaults } from './link.ts';
import type { PgServer } from './pg-server.ts';
import type { PhysicalPgSlot } from './pg-slot.ts';
import { simKeys } from './sim-agent.ts';
import type { ScopeConfig } from './scope-config.ts';
import { Violation } from './violation.ts';
import type { Member, World } from './world.ts';

/** A look, what the agent takes for a sign of life, a failed attempt and the next one. */
const reactionMs = 6_000;
const knownWithinMs = 2_000;
/** A standby that was behind counts again when it is this near (half of `standby_slots_max_lag`). */
const maxLagBytes = 8n * 1024n * 1024n;

/** How long a physical slot has been in service without a break, or out of it. */
interface Service {
  readonly isIn: boolean;
  readonly sinceMs: number;
}

/** The gate on the primary: that it lists who is in service, and nobody who is out of it for longer than the grace. */
export class GateChecks {
  readonly #world: World;
  readonly #fail: (violation: Violation) => void;
  readonly #services = new Map<string, Service>();
  /** Since when the gate has waited for each: one that was in service for a moment only may have been listed in it. */
  readonly #listedSinceMs = new Map<string, number>();
  readonly #indexes: { readonly atMs: number; readonly index: number }[] = [];
  /** Since when the primary's agent has had everything that it needs to keep the gate, under one configuration. */
  #steadySinceMs = 0;
  #steadyFor: { readonly primary: PgServer; readonly config: ScopeConfig } | null = null;

  constructor(world: World, fail: (violation: Violation) => void) {
    this.#world = world;
    this.#fail = fail;
  }

  /** After every event that matters. */
  observe(): void {
    const { primary } = this.#world.ha;
    const now = this.#world.time.nowMs();
    const isSame = this.#steadyFor?.primary === primary && this.#steadyFor.config === this.#world.config;
    if (!isSame || !this.#isSteady(primary)) {
      this.#steadyFor = { primary, config: this.#world.config };
      this.#steadySinceMs = now;
    }
    for (const member of this.#world.members) this.#observeService(primary, member);
    this.#observeListed(primary);
    for (const why of this.wrong()) this.#fail(new Violation('gate', `${primary.name}: ${why}`));
  }

  /** What is wrong with the gate although there was time to mend it. */
  wrong(): readonly string[] {
    const { config, ha, major } = this.#world;
    const { gate } = config;
    const steadyMs = this.#world.time.nowMs() - this.#steadySinceMs;
    if (gate === null || major < 17 || steadyMs < reactionMs) return [];
    const listed = ha.primary.settings.gate;
    const wrong: string[] = [];
    for (const name of listed) {
      if (this.#slotOf(name)?.restart == null) wrong.push(`the gate waits for ${name}, which can confirm nothing`);
      const outMs = this.#forMs(name, false);
      const graceMs = gate.graceSeconds === -1 ? Infinity : gate.graceSeconds * 1_000 + reactionMs;
      const listedMs = this.#world.time.nowMs() - (this.#listedSinceMs.get(name) ?? Infinity);
      if (gate.minConfirmed === -1 && Math.min(outMs, steadyMs, listedMs) > graceMs)
        wrong.push(`consumers wait for ${name}, which has been out of service for ${outMs} ms`);
    }
    const inService = this.#asked().filter((name) => this.#forMs(name, true) > reactionMs);
    const missing = inService.filter((name) => !listed.includes(name));
    const required = gate.minConfirmed === -1 ? inService.length : Math.min(gate.minConfirmed, inService.length);
    if (listed.length < required) wrong.push(`the gate does not wait for ${missing.join(', ')}, in service`);
    return wrong;
  }

  /** Physical before logical: right before a standby is promoted, no consumer has what it lacks. */
  promoting(server: PgServer, old: PgServer): void {
    const { gate } = this.#world.config;
    const name = slotNameFromMemberName(server.name);
    const isKept = this.#world.time.nowMs() - this.#steadySinceMs > reactionMs && this.#world.major >= 17;
    if (gate?.minConfirmed !== -1 || !isKept || this.#forMs(name, true) < reactionMs) return;
    if (!this.#asked().includes(name)) return;
    for (const slot of old.logicalSlots()) {
      const consumer = this.#world.workload.consumers.get(slot.name);
      if (!slot.failover || consumer === undefined || consumer.sinceMs > this.#steadySinceMs) continue;
      if (consumer.position > server.received) {
        const has = `the consumer of ${slot.name} has ${formatLsn(consumer.position)}`;
        this.#fail(new Violation('gate', `${has}, ${server.name} is promoted at ${formatLsn(server.received)}`));
      }
    }
  }

  #observeService(primary: PgServer, member: Member): void {
    const name = slotNameFromMemberName(member.name);
    const slot = this.#slotOf(name);
    const isAlive = this.#world.consul.state.keys.get(memberKey(simKeys, member.name))?.session != null;
    const lag = slot?.restart == null ? null : primary.branch.end - slot.restart;
    const isIn = slot?.active === true && lag !== null && lag < maxLagBytes && isAlive;
    const before = this.#services.get(name);
    // A restart can fall between two looks at it.
    if (before?.isIn === isIn && before.sinceMs >= member.server.startedAtMs) return;
    this.#services.set(name, { isIn, sinceMs: this.#world.time.nowMs() });
  }

  #observeListed(primary: PgServer): void {
    const listed = primary.settings.gate;
    for (const name of this.#listedSinceMs.keys()) if (!listed.includes(name)) this.#listedSinceMs.delete(name);
    for (const name of listed) {
      if (!this.#listedSinceMs.has(name)) this.#listedSinceMs.set(name, this.#world.time.nowMs());
    }
  }

  #slotOf(name: string): PhysicalPgSlot | null {
    const slot = this.#world.ha.primary.slots.get(name);
    return slot?.type === 'physical' && slot.invalidation === null ? slot : null;
  }

  #forMs(name: string, isIn: boolean): number {
    const service = this.#services.get(name);
    return service?.isIn === isIn ? this.#world.time.nowMs() - service.sinceMs : 0;
  }

  /** The physical slots that the configuration asks for. */
  #asked(): readonly string[] {
    const names = this.#world.config.gate?.names ?? [];
    return this.#world.members
      .filter(({ name, server }) => server !== this.#world.ha.primary && (names === 'all' || names.includes(name)))
      .filter(({ tags }) => names !== 'all' || tags.nofailover !== true)
      .map(({ name }) => slotNameFromMemberName(name));
  }

  /** Whether the agent knows what was in Consul a moment ago: a read that got lost is given up after a minute only. */
  #isUpToDate(member: Member): boolean {
    const now = this.#world.time.nowMs();
    const { index } = this.#world.consul.state.list(simKeys.prefix);
    this.#indexes.push({ atMs: now, index });
    while (now - (this.#indexes[1]?.atMs ?? now) > knownWithinMs) this.#indexes.shift();
    return (member.agent?.turn?.view.consul.keys?.index ?? 0) >= (this.#indexes[0]?.index ?? 0);
  }

  #isSteady(primary: PgServer): boolean {
    const { cluster, consul } = this.#world;
    const member = this.#world.member(primary.name);
    const leader = consul.state.ownerOf(consul.state.keys.get(simKeys.leader)?.session ?? null);
    const primaries = [...cluster.servers.values()].filter(({ role, state }) => role === 'primary' && state === 'up');
    return (
      member.agent?.life.alive === true &&
      consul.running &&
      leader === primary.name &&
      this.#isUpToDate(member) &&
      isQuick(member.consulLink) &&
      isQuick(member.serverLink) &&
      primaries.length === 1 &&
      primaries[0] === primary &&
      primary.unfitBecause === null &&
      this.#world.configWrites.at(-1)?.good === this.#world.config
    );
  }
}

function isQuick(link: LinkFaults): boolean {
  return link.mode === 'ok' && link.maxTripMs < 100 && link.lostAnswers === 0;
}
