import { decodeSlotHistory } from '../../src/consul/codec/history.ts';
import { decodeStatus } from '../../src/consul/codec/status.ts';
import type { SlotHistoryEntry } from '../../src/domain/cluster.ts';
import { formatLsn } from '../../src/domain/lsn.ts';
import type { Commit } from './consul-state.ts';
import type { LogicalPgSlot } from './pg-slot.ts';
import type { ServerChanges } from './server-changes.ts';
import { simKeys } from './sim-agent.ts';
import { SlotChecks } from './slot-checks.ts';
import { isRecorded, type Loss, SlotPast } from './slot-past.ts';
import type { SlotMember, SlotWorld } from './slot-world.ts';
import { VerdictChecks } from './verdict-checks.ts';
import { Violation } from './violation.ts';
import type { Consumer } from './workload.ts';

/** How long a slot that could move may stand still while everything works, whatever other slots do (S5). */
const standstillMs = 40_000;

/** The rules of slots, S1 to S7, checked while a history runs, whoever leads the cluster. */
export class SlotRules {
  /** Whether Consul has lost its data in this history: then nobody can know of slots that were lost before. */
  consulLostData = false;
  /** What agents do to servers. */
  readonly changes: ServerChanges;
  /** What agents ever wrote into `slot_history`, whatever somebody put over it by hand. */
  readonly #written: SlotHistoryEntry[] = [];
  readonly #world: SlotWorld;
  readonly #past: SlotPast;
  readonly #slots: SlotChecks;
  readonly #verdicts: VerdictChecks;
  /** The keys that only the leader writes (S6). */
  readonly #leaderKeys: ReadonlySet<string>;
  readonly #fail: (violation: Violation) => void;
  readonly #still = new Map<string, { position: bigint; sinceMs: number }>();

  constructor(world: SlotWorld, fail: (violation: Violation) => void, moreLeaderKeys: readonly string[] = []) {
    this.#world = world;
    this.#fail = fail;
    this.#past = new SlotPast(world);
    this.#slots = new SlotChecks(world, this.#past, fail);
    this.#verdicts = new VerdictChecks(world, fail);
    this.#leaderKeys = new Set([simKeys.status, simKeys.history, simKeys.slotHistory, ...moreLeaderKeys]);
    this.changes = this.#slots;
  }

  /** A slot begins on the primary; `before`: whoever read from the one that had its name. */
  began(slot: LogicalPgSlot, before: Consumer | undefined): void {
    const loss = this.#past.began(slot, before);
    if (loss === null || this.consulLostData || isRecorded(loss, this.#written)) return;
    this.#fail(new Violation('S3', `${lossText(loss)} was not on record when the slot was made anew`));
  }

  promoting(): void {
    this.#past.promoting();
  }

  /** An agent has planned. */
  turned(name: string): void {
    this.#verdicts.checkMemory(this.#world.member(name));
  }

  /** Now and again. */
  observe(): void {
    this.#past.observe();
    this.#slots.observe();
    for (const member of this.#world.members) {
      this.#verdicts.checkMemory(member);
      this.#verdicts.checkPublished(member);
      this.#checkStandstill(member);
      if (member.server.panic !== null) this.#fail(new Violation('server', `${member.name}: ${member.server.panic}`));
    }
  }

  /** S3: what a consumer lost and nothing says; null = all of it is on record. */
  unrecordedGap(): string | null {
    const loss = this.consulLostData ? null : this.#past.unrecorded(this.#written);
    return loss === null ? null : `S3: ${lossText(loss)} has no gap record`;
  }

  committed(commit: Commit): void {
    const { state } = this.#world.consul;
    for (const [key, entry] of commit.entries) {
      if (key === simKeys.status) this.#published(entry?.value ?? '');
      if (key === simKeys.slotHistory && commit.by !== null)
        this.#written.push(...(decodeSlotHistory(entry?.value ?? '', () => undefined) ?? []));
      if (!this.#leaderKeys.has(key) || entry === null || commit.by === null) continue;
      const holder = state.ownerOf(state.keys.get(simKeys.leader)?.session ?? null);
      if (holder === commit.by) continue;
      this.#fail(new Violation('S6', `${commit.by} wrote ${key}, while ${holder ?? 'nobody'} holds the leader key`));
    }
  }

  #published(value: string): void {
    const status = decodeStatus(value, () => undefined);
    if (status === null) return;
    this.#past.published(status);
    this.#slots.published(status);
  }

  /** S5: a slot that could move moves, whatever becomes of the others. */
  #checkStandstill(member: SlotMember): void {
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
        this.#fail(new Violation('S5', `slot ${slot.name} on ${member.name} has stood still for ${standstillMs} ms`));
      }
    }
  }
}

function lossText(loss: Loss): string {
  return `what slot ${loss.slot} lost from ${formatLsn(loss.from)} on, at ${loss.atMs} ms,`;
}
