import { decodeSlotHistory } from '../../src/consul/codec/history.ts';
import { decodeStatus } from '../../src/consul/codec/status.ts';
import type { Commit } from './consul-state.ts';
import { isFollowed } from './scope-config.ts';
import { simKeys, type AgentRun } from './sim-agent.ts';
import { traceTurn } from './trace-turn.ts';
import { SlotChecks } from './slot-checks.ts';
import { VerdictChecks } from './verdict-checks.ts';
import { Violation } from './violation.ts';
import type { Member, Witness, World } from './world.ts';

/** Between two looks at every verdict; what an agent has just planned is looked at at once. */
const sampleMs = 250;
/** How long a slot that could move may stand still while everything works, whatever other slots do (S5). */
const standstillMs = 40_000;

/** All rules, checked while a history runs. The first violation stays. */
export class Checks {
  violation: Violation | null = null;
  /** Whether Consul has lost its data in this history: then nobody can know of slots that were lost before. */
  consulLostData = false;
  readonly #world: World;
  readonly #slots: SlotChecks;
  readonly #verdicts: VerdictChecks;
  readonly #still = new Map<string, { position: bigint; sinceMs: number }>();
  readonly #told = new Map<string, string>();
  #sampledAtMs = 0;
  #turned: AgentRun | null = null;

  constructor(world: World) {
    this.#world = world;
    const fail = (violation: Violation): void => {
      this.fail(violation);
    };
    this.#slots = new SlotChecks(world, fail);
    this.#verdicts = new VerdictChecks(world, fail);
  }

  fail(violation: Violation): void {
    if (this.violation !== null) return;
    this.violation = violation;
    this.#world.trace.add('checks', `VIOLATION ${violation.message}`);
  }

  witness(): Witness {
    return {
      moved: (...change) => this.#slots.moved(...change),
      created: (...change) => this.#slots.created(...change),
      copied: (...change) => this.#slots.copied(...change),
      dropped: (...change) => this.#slots.dropped(...change),
      committed: (commit) => this.#committed(commit),
      turned: (run) => {
        this.#turned = run;
        traceTurn(this.#world.trace, this.#told, run);
      },
      bug: (name, error) => {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        this.fail(new Violation('bug', `the agent ${name} ended with an error: ${text}`));
      },
    };
  }

  /** After every step. */
  afterStep(): void {
    const world = this.#world;
    if (this.#turned !== null) this.#verdicts.checkMemory(world.member(this.#turned.name));
    this.#turned = null;
    if (world.time.nowMs() - this.#sampledAtMs < sampleMs) return;
    this.#sampledAtMs = world.time.nowMs();
    this.#slots.observe();
    for (const member of world.members) {
      this.#verdicts.checkMemory(member);
      this.#verdicts.checkPublished(member);
      this.#checkStandstill(member);
      if (member.server.panic !== null) this.fail(new Violation('server', `${member.name}: ${member.server.panic}`));
    }
  }

  /**
   * When faults are over: what is not yet as it has to be; null = nothing. `goal`: that all slots can be used, or also
   * that they are where the primary's are.
   */
  unfinished(goal: 'ready' | 'level'): string | null {
    const world = this.#world;
    const { primary } = world.ha;
    for (const member of world.members) {
      if (member.server.state !== 'up') return `${member.name} is down`;
      if (member.agent?.life.alive !== true) return `the agent of ${member.name} is not running`;
      if (member.server.unfitBecause !== null) {
        if (member.agent.turn?.plan.problems.length === 0)
          return `${member.name} says nothing of what is wrong with its server`;
        continue;
      }
      if (member.server === primary || member.tags.nofailover === true) continue;
      // Nothing protects catalog rows through a server that slotkeeper has to leave alone.
      if (this.#world.cluster.above(member.server).some((server) => server.unfitBecause !== null)) continue;
      for (const source of primary.logicalSlots()) {
        if (!isFollowed(world.config, source) || source.invalidation !== null) continue;
        const why = this.#unfinishedSlot(member, source.name, goal === 'level' ? source.confirmed : null);
        if (why !== null) return why;
      }
      for (const slot of member.server.logicalSlots()) {
        if (!primary.slots.has(slot.name) && !world.config.ignored.includes(slot.name))
          return `slot ${slot.name} is left over on ${member.name}`;
      }
    }
    return this.#unrecordedGap();
  }

  #unfinishedSlot(member: Member, name: string, confirmed: bigint | null): string | null {
    const turn = member.agent?.turn ?? null;
    // A stated reason to wait counts as done: too often copied, or no room for another slot.
    const stated = turn?.plan.holds.find(({ why }) => /copied a short while ago|max_replication_slots/.test(why));
    if (stated !== undefined) return null;
    const slot = member.server.logical(name);
    const verdict = turn?.view.verdicts.find((each) => each.slot === name)?.verdict;
    if (slot === undefined) return `slot ${name} is not on ${member.name}; holds: ${JSON.stringify(turn?.plan.holds)}`;
    if (verdict?.kind !== 'ready') return `slot ${name} on ${member.name} is not ready: ${JSON.stringify(verdict)}`;
    return confirmed === null || slot.confirmed === confirmed
      ? null
      : `slot ${name} on ${member.name} is at ${slot.confirmed}, not at ${confirmed}`;
  }

  /** S3: whatever was made anew at "now" has a record of what was lost. */
  #unrecordedGap(): string | null {
    if (this.consulLostData) return null;
    const value = this.#world.consul.state.keys.get(simKeys.slotHistory)?.value ?? '[]';
    const gaps = (decodeSlotHistory(value, () => undefined) ?? []).flatMap((entry) => entry.gaps);
    const silent = this.#slots.madeAnew.find(({ slot }) => !gaps.some((gap) => gap.slot === slot));
    return silent === undefined
      ? null
      : `S3: slot ${silent.slot} was made anew at ${silent.atMs} ms without a gap record`;
  }

  #committed(commit: Commit): void {
    const { state } = this.#world.consul;
    for (const [key, entry] of commit.entries) {
      this.#trace(commit, key, entry === null);
      if (key === simKeys.status)
        this.#slots.published(decodeStatus(entry?.value ?? '', () => undefined)?.slots.keys() ?? []);
      const isLeaders = key === simKeys.status || key === simKeys.history || key === simKeys.slotHistory;
      if (!isLeaders || entry === null || commit.by === null) continue;
      const holder = state.ownerOf(state.keys.get(simKeys.leader)?.session ?? null);
      if (holder === commit.by) continue;
      this.fail(new Violation('S6', `${commit.by} wrote ${key}, while ${holder ?? 'nobody'} holds the leader key`));
    }
  }

  #trace(commit: Commit, key: string, isDeleted: boolean): void {
    const line = `index ${commit.index}: ${commit.by ?? 'Consul'} ${isDeleted ? 'deletes' : 'writes'} ${key}`;
    const isFrequent = key === simKeys.status || (key.startsWith(simKeys.membersPrefix) && !isDeleted);
    if (isFrequent) this.#world.trace.mark(`${this.#world.time.nowMs()} ${line}`);
    else this.#world.trace.add('consul', line);
  }

  /** S5: a slot that could move moves, whatever becomes of the others. */
  #checkStandstill(member: Member): void {
    const { server, agent } = member;
    const { primary } = this.#world.ha;
    const now = this.#world.time.nowMs();
    const isCalm = this.#world.knowledgeMs() < standstillMs && agent?.life.alive === true;
    for (const slot of server.logicalSlots()) {
      const key = `${member.name} ${slot.name}`;
      const source = primary.logical(slot.name);
      const target = source === undefined || source.confirmed > server.replayed ? slot.confirmed : source.confirmed;
      const before = this.#still.get(key);
      // An advance that is under way and hangs is in use; it is this slot's trouble alone.
      const couldMove =
        isCalm &&
        server.unfitBecause === null &&
        isFollowed(this.#world.config, slot) &&
        member.tags.nofailover !== true &&
        server.streaming &&
        server.role === 'standby' &&
        slot.confirmed < target &&
        !slot.active &&
        slot.invalidation === null &&
        slot.restart >= server.oldestWal;
      if (!couldMove || before === undefined || before.position !== slot.confirmed) {
        this.#still.set(key, { position: slot.confirmed, sinceMs: now });
      } else if (now - before.sinceMs > standstillMs) {
        this.fail(new Violation('S5', `slot ${slot.name} on ${member.name} has stood still for ${standstillMs} ms`));
      }
    }
  }
}
