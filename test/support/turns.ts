import type { Key, KeyStamp, Member, Status } from '../../src/domain/cluster.ts';
import { noKeys, type ClusterKeys, type LogicalSlotReport } from '../../src/domain/cluster.ts';
import { noTags } from '../../src/domain/config.ts';
import type { Ledger } from '../../src/domain/local.ts';
import type { ServerLook } from '../../src/domain/server.ts';
import type { LogicalSlot, PhysicalSlot } from '../../src/domain/slot.ts';
import { plan, type Plan, type Turn } from '../../src/plan/plan.ts';
import { initialView } from '../../src/view/fold.ts';
import { defaultConfig } from '../../src/domain/default-config.ts';
import { verdictsOf } from '../../src/view/verdict.ts';
import type { Self, View } from '../../src/view/view.ts';

/**
 * A cluster at rest, seen by one of its members: `alpha` is the primary, `beta` streams from it, and both have the
 * logical slot `orders`, ready everywhere. Each builder makes one valid piece of it; a test names the field that it
 * is about and leaves the rest.
 */
export const scope = 'demo';
export const systemIdentifier = '7300000000000000001';
export const nowMs = 1_000_000;
export const nowWallMs = Date.UTC(2026, 0, 2, 3, 4, 5);

export const sessionOf = (member: string): string => `session-${member}`;

export function aSelf(name: string, over: Partial<Self> = {}): Self {
  return {
    scope,
    name,
    connUrl: `postgres://${name}.test:5432/postgres`,
    apiUrl: `http://${name}.test:8008/patroni`,
    tags: noTags,
    agentVersion: '0.1.0',
    canRestart: true,
    registerService: true,
    ha: 'observe',
    managed: null,
    ...over,
  };
}

export function aKey<T>(value: T | null, stamp: Partial<KeyStamp> & { readonly problem?: string } = {}): Key<T> {
  return { createIndex: 10, modifyIndex: 20, session: null, problem: null, ...stamp, value };
}

export function aLogicalSlot(over: Partial<LogicalSlot> = {}): LogicalSlot {
  return {
    type: 'logical',
    name: 'orders',
    database: 'shop',
    plugin: 'pgoutput',
    confirmedFlushLsn: 0x3000n,
    restartLsn: 0x2000n,
    catalogXmin: 700,
    active: false,
    temporary: false,
    twoPhase: false,
    walStatus: 'reserved',
    invalidation: null,
    failover: false,
    synced: false,
    identity: 'orders#1',
    snapshotOnDisk: true,
    startsWithoutSnapshot: null,
    walOnDisk: true,
    ...over,
  };
}

export function aPhysicalSlot(over: Partial<PhysicalSlot> = {}): PhysicalSlot {
  return {
    type: 'physical',
    name: 'beta',
    restartLsn: 0x4000n,
    xmin: 700,
    catalogXmin: 700,
    active: true,
    temporary: false,
    walStatus: 'reserved',
    ...over,
  };
}

/** What a running primary (`alpha`) tells. */
export function aPrimaryLook(over: Partial<ServerLook> = {}): ServerLook {
  return {
    systemIdentifier,
    versionNum: 150_018,
    role: 'primary',
    timeline: 1,
    startedAtWallMs: nowWallMs - 3_600_000,
    currentLsn: 0x5000n,
    receivedLsn: null,
    replayedLsn: null,
    replayPaused: false,
    replayedAtWallMs: null,
    receiver: null,
    settings: {
      walLevel: 'logical',
      maxReplicationSlots: 10,
      maxWalSenders: 10,
      hotStandbyFeedback: false,
      primarySlotName: '',
      restoresFromArchive: false,
      upstreamHost: null,
      upstreamPort: null,
      upstreamDatabase: null,
      conninfoHasPassword: false,
      syncReplicationSlots: null,
      synchronizedStandbySlots: null,
      failoverSlotsExtension: null,
      maxSlotWalKeepBytes: null,
    },
    privileges: { superuser: true, replication: true, readBinaryFile: true, monitor: true, logStandbySnapshot: false },
    slots: [aPhysicalSlot(), aLogicalSlot()],
    replication: [
      {
        applicationName: 'beta',
        clientAddress: '10.0.0.2',
        state: 'streaming',
        syncState: 'async',
        sentLsn: 0x5000n,
        replayLsn: 0x4f00n,
        slotName: 'beta',
      },
    ],
    databases: ['postgres', 'shop'],
    ...over,
  };
}

/** What a running standby (`beta`, streaming from `alpha`) tells. */
export function aStandbyLook(over: Partial<ServerLook> = {}): ServerLook {
  const primary = aPrimaryLook();
  return {
    ...primary,
    role: 'standby',
    currentLsn: null,
    receivedLsn: 0x5000n,
    replayedLsn: 0x4f00n,
    replayedAtWallMs: nowWallMs - 500,
    receiver: {
      status: 'streaming',
      senderHost: 'alpha.test',
      senderPort: 5432,
      slotName: 'beta',
      receivedTimeline: 1,
    },
    settings: {
      ...primary.settings,
      hotStandbyFeedback: true,
      primarySlotName: 'beta',
      upstreamHost: 'alpha.test',
      upstreamPort: 5432,
    },
    slots: [aLogicalSlot()],
    replication: [],
    ...over,
  };
}

export function aLogicalReport(over: Partial<LogicalSlotReport> = {}): LogicalSlotReport {
  return {
    database: 'shop',
    plugin: 'pgoutput',
    twoPhase: false,
    failover: false,
    restartLsn: 0x2000n,
    catalogXmin: 700,
    incarnation: 0x1000n,
    made: false,
    invalidation: null,
    ...over,
  };
}

/** The key `status` as `alpha` wrote it in its present term. */
export function aStatus(over: Partial<Status> = {}): Status {
  return {
    optime: 0x5000n,
    slots: new Map([
      ['beta', 0x4000n],
      ['orders', 0x3000n],
    ]),
    retainSlots: [],
    extras: {
      term: 30,
      timeline: 1,
      membersIndex: 50,
      logical: new Map([['orders', aLogicalReport()]]),
      physical: new Map([['beta', { restartLsn: 0x4000n, xmin: 700, catalogXmin: 700, active: true }]]),
      lost: new Map(),
      templateLsn: 0x5000n,
      gate: null,
    },
    ...over,
  };
}

/** The member key of `name`: `alpha` is a primary, everybody else a replica that streams from `alpha`. */
export function aMember(name: string, over: Partial<Member> = {}): Member {
  const primary = name === 'alpha';
  return {
    connUrl: `postgres://${name}.test:5432/postgres`,
    apiUrl: `http://${name}.test:8008/patroni`,
    state: 'running',
    role: primary ? 'primary' : 'replica',
    version: '4.1.0',
    xlogLocation: primary ? 0x5000n : 0x4f00n,
    receiveLsn: primary ? null : 0x5000n,
    replayLsn: primary ? null : 0x4f00n,
    replicationState: primary ? null : 'streaming',
    timeline: 1,
    tags: noTags,
    pendingRestart: false,
    pendingRestartReason: new Map(),
    scheduledRestart: null,
    pause: false,
    slots: new Map([['orders', { slot: 'orders', type: 'logical', verdict: { kind: 'ready' }, position: 0x3000n }]]),
    extras: {
      agentVersion: '0.1.0',
      serverVersionNum: 150_018,
      systemIdentifier,
      upstream: primary ? null : 'alpha',
      primarySlotName: primary ? null : name,
      physical: new Map(),
      needsFeedback: !primary,
      hotStandbyFeedback: !primary,
      templates: new Map(),
      wantsSnapshot: false,
      bid: null,
      problems: [],
    },
    ...over,
  };
}

/** Everything under the scope's prefix: `alpha` leads, `beta` follows. */
export function someKeys(over: Partial<ClusterKeys> = {}): ClusterKeys {
  return {
    ...noKeys,
    index: 100,
    initialize: aKey(systemIdentifier),
    config: aKey(defaultConfig, { modifyIndex: 21 }),
    configText: '{"ttl":30,"loop_wait":10,"retry_timeout":10}',
    leader: aKey('alpha', { modifyIndex: 30, session: sessionOf('alpha') }),
    members: new Map([
      ['alpha', aKey(aMember('alpha'), { modifyIndex: 40, session: sessionOf('alpha') })],
      ['beta', aKey(aMember('beta'), { modifyIndex: 41, session: sessionOf('beta') })],
    ]),
    status: aKey(aStatus(), { modifyIndex: 60 }),
    ...over,
  };
}

export function aLedger(member: string, over: Partial<Ledger> = {}): Ledger {
  const ready = { made: false, decodable: true, firstRestartLsn: 0x1000n, incarnation: 0x1000n, identity: null };
  return { member, systemIdentifier, slots: new Map([['orders', ready]]), feedbackSet: true, settingsSet: [], ...over };
}

/**
 * The whole View of `alpha` (a primary) or of any other member (a standby). Verdicts follow from the rest, as in the
 * real thing, unless they are given.
 */
export function aView(name: string, over: Partial<View> = {}): View {
  const blank = initialView(aSelf(name), nowMs, nowWallMs);
  const view: View = {
    ...blank,
    consul: { contact: { kind: 'good', atMs: nowMs - 100 }, keys: someKeys() },
    session: { kind: 'held', id: sessionOf(name), ttlSeconds: 15, clampedFrom: null, renewedAtMs: nowMs - 1_000 },
    config: defaultConfig,
    local: {
      contact: { kind: 'good', atMs: nowMs - 50 },
      trouble: null,
      look: name === 'alpha' ? aPrimaryLook() : aStandbyLook(),
      lookedAtMs: nowMs - 60,
      copyInterrupted: false,
      disk: null,
      history: name === 'alpha' ? { timeline: 1, switches: [] } : null,
    },
    ledger: aLedger(name),
    savedLedger: aLedger(name),
    memory: {
      ...blank.memory,
      slots: new Map([
        ['orders', { protectedFrom: 700, protectedSinceLsn: 0x3000n, aheadSinceMs: null, lastAdvance: null }],
      ]),
    },
    ...over,
  };
  return over.verdicts === undefined ? { ...view, verdicts: verdictsOf(view) } : view;
}

/** A turn of the named member: its View and what is really planned from it, except for what is given. */
export function aTurn(name: string, over: { readonly view?: Partial<View>; readonly plan?: Partial<Plan> } = {}): Turn {
  const view = aView(name, over.view);
  return { view, plan: { ...plan(view), ...over.plan } };
}
