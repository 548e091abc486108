import type { ClusterKeys, Key, Member } from '../../src/domain/cluster.ts';
import type { DynamicConfig, LeadConfig } from '../../src/domain/config.ts';
import { defaultConfig } from '../../src/domain/default-config.ts';
import type { ControlData, DiskState } from '../../src/domain/disk.ts';
import type { Bid, FailoverRequest, Term } from '../../src/domain/lead.ts';
import type { ManagedSelf } from '../../src/domain/managed.ts';
import type { ServerLook } from '../../src/domain/server.ts';
import { wantedServerPlan } from '../../src/plan/lead/server-plan.ts';
import { noLeadMemory } from '../../src/view/lead-memory.ts';
import { verdictsOf } from '../../src/view/verdict.ts';
import type { LeadMemory, LocalView, Self, View } from '../../src/view/view.ts';
import { aKey, aMember, aSelf, aView, nowMs, sessionOf, someKeys, systemIdentifier } from './turns.ts';

/**
 * The cluster of `turns.ts` where slotkeeper manages the servers: `alpha` leads in term 30 on timeline 1, `beta` streams
 * from it, `gamma` where a test asks for it.
 */
export const term = 30;

export function aManagedSelf(over: Partial<ManagedSelf> = {}): ManagedSelf {
  return {
    listen: '*',
    port: 5432,
    parameters: {},
    hba: null,
    ident: null,
    useSlots: null,
    usePgRewind: null,
    removeDataOnRewindFailure: null,
    removeDataOnDivergedTimelines: null,
    canBootstrap: true,
    canRestore: false,
    bootstrapDcs: '{"ttl":30}',
    bootstrapConfig: null,
    ...over,
  };
}

export function aTerm(over: Partial<Term> = {}): Term {
  return { term, leader: 'alpha', timeline: 1, from: null, ...over };
}

export function managedKeys(over: Partial<ClusterKeys> = {}): ClusterKeys {
  return someKeys({ terms: aKey([aTerm()]), ...over });
}

/** The keys while nobody leads: the former leader, `alpha`, is gone with its session. */
export function vacantKeys(over: Partial<ClusterKeys> = {}): ClusterKeys {
  return managedKeys({ index: 200, leader: null, members: membersKey('beta'), ...over });
}

/** The keys of these members only. */
export function membersKey(...names: readonly string[]): ReadonlyMap<string, Key<Member>> {
  return new Map(names.map((name) => [name, memberKeyOf(name)]));
}

export function memberKeyOf(name: string, over: Partial<Member> = {}): Key<Member> {
  return aKey(aMember(name, over), { modifyIndex: 41, session: sessionOf(name) });
}

/** A member that bids in the race. */
export function bidding(name: string, over: Partial<Bid> = {}, member: Partial<Member> = {}): Key<Member> {
  const usual = aMember(name, member);
  return memberKeyOf(name, { ...member, extras: { ...usual.extras!, bid: aBid(over) } });
}

export function aBid(over: Partial<Bid> = {}): Bid {
  return { after: term, position: 0x5000n, timeline: 1, unreadySlots: 0, priority: 1, unfit: null, ...over };
}

export function aRequest(over: Partial<FailoverRequest> = {}): Key<FailoverRequest> {
  const value = { leader: 'alpha', candidate: 'beta', scheduledAt: null, force: false, ...over };
  return aKey<FailoverRequest>(value, { modifyIndex: 150 });
}

export function leadConfig(lead: Partial<LeadConfig>, over: Partial<DynamicConfig> = {}): DynamicConfig {
  return { ...defaultConfig, ...over, lead: { ...defaultConfig.lead, ...lead } };
}

interface Pieces {
  readonly self?: Partial<Self>;
  readonly keys?: ClusterKeys;
  readonly look?: Partial<ServerLook>;
  readonly local?: Partial<LocalView>;
  readonly lead?: Partial<LeadMemory>;
  readonly config?: DynamicConfig;
  /** How long ago the session was renewed. */
  readonly renewedAgoMs?: number;
  readonly view?: Partial<View>;
}

/** The View of a member that is at rest: configured as it is to be, and known for what it is. */
export function managed(name: string, pieces: Pieces = {}): View {
  const usual = aView(name);
  const isPrimary = name === 'alpha';
  const lead: LeadMemory = {
    ...noLeadMemory(nowMs - 60_000),
    mayWriteSinceMs: isPrimary ? nowMs - 60_000 : null,
    lastLeader: { name: 'alpha', term },
    recordedTerm: isPrimary ? term : null,
    guard: isPrimary ? { term, deadlineMs: nowMs + 8_000, session: sessionOf(name) } : null,
  };
  const view: View = {
    ...usual,
    self: aSelf(name, { ha: 'manage', managed: aManagedSelf(), ...pieces.self }),
    consul: { contact: { kind: 'good', atMs: nowMs - 100 }, keys: pieces.keys ?? managedKeys() },
    session: {
      kind: 'held',
      id: sessionOf(name),
      ttlSeconds: 10,
      clampedFrom: null,
      renewedAtMs: nowMs - (pieces.renewedAgoMs ?? 500),
    },
    config: pieces.config ?? defaultConfig,
    local: { ...usual.local, look: { ...usual.local.look!, ...pieces.look }, ...pieces.local },
    memory: { ...usual.memory, lead },
    ...pieces.view,
  };
  const applied = { applied: wantedServerPlan(view), ...pieces.lead };
  const whole = { ...view, memory: { ...view.memory, lead: { ...view.memory.lead, ...applied } } };
  return { ...whole, verdicts: verdictsOf(whole) };
}

/** A server that is known not to run, with this on its disk. */
export function down(disk: DiskState | null): Partial<LocalView> {
  const contact = { kind: 'broken', sinceMs: nowMs - 100, why: 'connection refused' } as const;
  return { contact, trouble: 'not_running', disk };
}

/** A data directory: of a primary that was stopped in order, unless it is said otherwise. */
export function aDisk(
  control: Partial<ControlData> = {},
  over: Partial<Extract<DiskState, { kind: 'cluster' }>> = {},
): Extract<DiskState, { kind: 'cluster' }> {
  return {
    kind: 'cluster',
    control: {
      systemIdentifier,
      state: 'shut down',
      timeline: 1,
      checkpointLsn: 0x5000n,
      minRecoveryEndLsn: null,
      minRecoveryEndTimeline: null,
      isRewindable: true,
      ...control,
    },
    isStandby: false,
    term: null,
    isUnled: false,
    switches: [],
    ...over,
  };
}
