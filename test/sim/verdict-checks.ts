import { decodeMember } from '../../src/consul/codec/member.ts';
import { memberKey } from '../../src/consul/keys.ts';
import type { KvEntry } from '../../src/consul/port.ts';
import type { Member as MemberValue } from '../../src/domain/cluster.ts';
import type { Lsn } from '../../src/domain/lsn.ts';
import type { SlotVerdict } from '../../src/domain/slot.ts';
import { type Flaw, flawOf } from './oracle.ts';
import { simKeys } from './sim-agent.ts';
import { Violation } from './violation.ts';
import type { SlotMember, SlotWorld } from './slot-world.ts';

/** A standby's chain that was changed by the HA manager is seen at the next look, and said at the next write. */
const chainReactionMs = 4_000;
/** A member key is written at once when a verdict changes: one look, one write, and the wait after a write that failed. */
const publicationMs = 15_000;

const members = new WeakMap<KvEntry, MemberValue | null>();

/** Rule S2: whoever says `ready`, in memory or in its member key, is right. */
export class VerdictChecks {
  readonly #world: SlotWorld;
  readonly #fail: (violation: Violation) => void;
  readonly #wrongSinceMs = new Map<string, { readonly kind: Flaw['kind']; readonly atMs: number }>();
  readonly #cutOffAtMs = new Map<string, number>();

  constructor(world: SlotWorld, fail: (violation: Violation) => void) {
    this.#world = world;
    this.#fail = fail;
  }

  /** What the agent of this member believes at this moment. */
  checkMemory(member: SlotMember): void {
    const run = member.agent;
    if (run?.turn == null || !run.life.alive || member.server.role === 'primary') return;
    this.#judge(member, 'in memory', run.turn.view.verdicts, 0);
  }

  /** What its member key says; a key whose agent is gone goes away with its session and promises nothing meanwhile. */
  checkPublished(member: SlotMember): void {
    const now = this.#world.time.nowMs();
    if (this.#world.isCutOff(member)) this.#cutOffAtMs.set(member.name, now);
    if (member.agent?.life.alive !== true || member.server.role === 'primary') return;
    const entry = this.#world.consul.state.keys.get(memberKey(simKeys, member.name));
    const value = entry?.session == null ? null : memberIn(entry);
    if (value === null) return;
    const sinceMs = now - (this.#cutOffAtMs.get(member.name) ?? -Infinity);
    this.#judge(member, 'published', sinceMs < publicationMs ? [] : [...value.slots.values()], publicationMs);
  }

  /** `extraMs` is allowed on top of what the kind of flaw allows. */
  #judge(member: SlotMember, where: string, verdicts: readonly SlotVerdict[], extraMs: number): void {
    for (const { slot, type, verdict } of verdicts) {
      const key = `${member.name} ${slot} ${where}`;
      const flaw = type === 'logical' && verdict.kind === 'ready' ? this.#flaw(member, slot) : null;
      if (flaw === null) {
        this.#wrongSinceMs.delete(key);
        continue;
      }
      const now = this.#world.time.nowMs();
      const before = this.#wrongSinceMs.get(key);
      // A flaw that nobody could know of does not use up the time in which another one is to be noticed.
      const since = before?.kind === flaw.kind ? before.atMs : now;
      this.#wrongSinceMs.set(key, { kind: flaw.kind, atMs: since });
      if (now - since < this.#allowedMs(member, flaw) + extraMs) continue;
      this.#fail(new Violation('S2', `${member.name} says ${where} that ${slot} is ready, but ${flaw.what}`));
    }
  }

  #flaw(member: SlotMember, slot: string): Flaw | null {
    const { server } = member;
    if (server.state !== 'up') return null;
    const root = this.#world.cluster.rootOf(server);
    const source = (root.role === 'primary' ? root : this.#world.ha.primary).logical(slot);
    const consumed: Lsn = this.#world.workload.consumers.get(slot)?.position ?? 0n;
    const confirmed = source !== undefined && source.confirmed > consumed ? source.confirmed : consumed;
    const flaw = flawOf(server, slot, source?.creating === true ? undefined : source, confirmed);
    if (flaw?.kind !== 'rows' || source === undefined) return flaw;
    const isLostThere = this.#world.ha.primary.catalogHorizon > source.needsRowsFrom;
    // A file copy of a slot that somebody has made anew since: what it was a copy of may have been of no use either.
    const isOfEarlierSlot = this.#world.major < 16 && server.logical(slot)?.origin !== source.origin;
    return isLostThere ? null : isOfEarlierSlot ? { kind: 'outside', what: flaw.what } : flaw;
  }

  /**
   * What happens to the primary's slot is known only through Consul. What is on the standby itself, and the protection
   * of its catalog rows, must be right at every moment, but for the time in which a change of the chain is noticed. That
   * the standby above a cascade lost its slots (it was rebuilt, say) is told by that standby's agent, through Consul.
   */
  #allowedMs(member: SlotMember, flaw: Flaw): number {
    if (flaw.kind === 'outside' || flaw.kind === 'absent') return this.#world.knowledgeMs();
    // PostgreSQL has made the slot anew by itself: the next look shows it.
    if (flaw.kind === 'temporary') return chainReactionMs;
    const { changedAtMs } = this.#world.ha;
    const chain = [member.name, this.#world.ha.primary.name, member.server.upstream?.name ?? ''];
    const changed = Math.max(...chain.map((name) => changedAtMs.get(name) ?? -Infinity));
    const isCascade = member.server.upstream?.role === 'standby';
    const reactionMs = isCascade ? Math.max(chainReactionMs, this.#world.knowledgeMs()) : chainReactionMs;
    return this.#world.time.nowMs() - changed < 2 * reactionMs ? reactionMs : 0;
  }
}

/** What the key says; it is looked at again and again while it stays the same. */
function memberIn(entry: KvEntry): MemberValue | null {
  const known = members.get(entry);
  if (known !== undefined) return known;
  const value = decodeMember(entry.value ?? '', () => undefined);
  members.set(entry, value);
  return value;
}
