import { decodeSlotHistory } from '../../src/consul/codec/history.ts';
import { decodeStatus } from '../../src/consul/codec/status.ts';
import { formatLsn } from '../../src/domain/lsn.ts';
import type { SlotHistoryEntry } from '../../src/domain/cluster.ts';
import type { Commit } from './consul-state.ts';
import { type Goal, unfinished } from './at-rest.ts';
import { GateChecks } from './gate-checks.ts';
import { RepetitionChecks } from './repetition-checks.ts';
import { simKeys, type AgentRun } from './sim-agent.ts';
import { traceTurn } from './trace-turn.ts';
import { SlotChecks } from './slot-checks.ts';
import { isRecorded, type Loss, SlotPast } from './slot-past.ts';
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
  /** What agents ever wrote into `slot_history`, whatever somebody put over it by hand. */
  readonly #written: SlotHistoryEntry[] = [];
  readonly #world: World;
  readonly #past: SlotPast;
  readonly #slots: SlotChecks;
  readonly #gate: GateChecks;
  readonly #verdicts: VerdictChecks;
  readonly #repetition: RepetitionChecks;
  readonly #still = new Map<string, { position: bigint; sinceMs: number }>();
  readonly #told = new Map<string, string>();
  #sampledAtMs = 0;
  #turned: AgentRun | null = null;

  constructor(world: World) {
    this.#world = world;
    const fail = (violation: Violation): void => {
      this.fail(violation);
    };
    this.#past = new SlotPast(world);
    this.#slots = new SlotChecks(world, this.#past, fail);
    this.#gate = new GateChecks(world, fail);
    this.#verdicts = new VerdictChecks(world, fail);
    this.#repetition = new RepetitionChecks(() => world.time.nowMs(), fail);
  }

  fail(violation: Violation): void {
    if (this.violation !== null) return;
    this.violation = violation;
    this.#world.trace.add('checks', `VIOLATION ${violation.message}`);
  }

  witness(): Witness {
    return {
      moved: (...change) => this.#slots.moved(...change),
      movedIdle: (...change) => this.#slots.movedIdle(...change),
      created: (...change) => this.#slots.created(...change),
      copied: (...change) => this.#slots.copied(...change),
      templated: (...change) => this.#slots.templated(...change),
      dropped: (...change) => this.#slots.dropped(...change),
      marked: (...change) => this.#slots.marked(...change),
      altered: (...change) => this.#slots.altered(...change),
      stopped: (...change) => this.#slots.stopped(...change),
      began: (slot, consumer) => {
        this.#requireRecorded(this.#past.began(slot, consumer));
      },
      promoting: (server, old) => {
        this.#past.promoting();
        this.#gate.promoting(server, old);
      },
      committed: (commit) => this.#committed(commit),
      turned: (run) => {
        this.#turned = run;
        this.#repetition.turned(run);
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
    this.#past.observe();
    this.#slots.observe();
    this.#gate.observe();
    for (const member of world.members) {
      this.#verdicts.checkMemory(member);
      this.#verdicts.checkPublished(member);
      this.#checkStandstill(member);
      if (member.server.panic !== null) this.fail(new Violation('server', `${member.name}: ${member.server.panic}`));
    }
  }

  /** When faults are over: what is not yet as it has to be; null = nothing. */
  unfinished(goal: Goal): string | null {
    return unfinished(this.#world, goal) ?? this.#unrecordedGap();
  }

  /** S3: whatever a consumer lost is on record. */
  #unrecordedGap(): string | null {
    const loss = this.consulLostData ? null : this.#past.unrecorded(this.#written);
    return loss === null ? null : `S3: ${lossText(loss)} has no gap record`;
  }

  #requireRecorded(loss: Loss | null): void {
    if (loss === null || this.consulLostData || isRecorded(loss, this.#written)) return;
    this.fail(new Violation('S3', `${lossText(loss)} was not on record when the slot was made anew`));
  }

  #committed(commit: Commit): void {
    const { state } = this.#world.consul;
    for (const [key, entry] of commit.entries) {
      this.#trace(commit, key, entry === null);
      if (key === simKeys.status) this.#published(entry?.value ?? '');
      if (key === simKeys.slotHistory && commit.by !== null)
        this.#written.push(...(decodeSlotHistory(entry?.value ?? '', () => undefined) ?? []));
      const isLeaders = key === simKeys.status || key === simKeys.history || key === simKeys.slotHistory;
      if (!isLeaders || entry === null || commit.by === null) continue;
      const holder = state.ownerOf(state.keys.get(simKeys.leader)?.session ?? null);
      if (holder === commit.by) continue;
      this.fail(new Violation('S6', `${commit.by} wrote ${key}, while ${holder ?? 'nobody'} holds the leader key`));
    }
  }

  #published(value: string): void {
    const status = decodeStatus(value, () => undefined);
    if (status === null) return;
    this.#past.published(status);
    this.#slots.published(status);
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
        this.#world.isFollowed(slot) &&
        !slot.synced &&
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

function lossText(loss: Loss): string {
  return `what slot ${loss.slot} lost from ${formatLsn(loss.from)} on, at ${loss.atMs} ms,`;
}
