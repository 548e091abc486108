import fc from 'fast-check';
import type { Action } from '../../src/domain/action.ts';
import { leaderName, type ClusterKeys } from '../../src/domain/cluster.ts';
import type { ClusterState, DiskState } from '../../src/domain/disk.ts';
import type { Term } from '../../src/domain/lead.ts';
import type { ServerTrouble } from '../../src/domain/server.ts';
import { noLeadMemory } from '../../src/view/lead-memory.ts';
import type { LeadMemory, LocalView, View } from '../../src/view/view.ts';
import { aDisk, aRequest, aTerm, bidding, down, leadConfig, managed, managedKeys, memberKeyOf } from './lead.ts';
import { aKey, aPrimaryLook, aStandbyLook, nowMs, sessionOf, systemIdentifier } from './turns.ts';

/** Any View of a member whose server slotkeeper manages: sane pieces in every combination. */

const flag = fc.boolean();
const seldom = fc.nat({ max: 8 }).map((n) => n === 0);
const lsn = fc.constantFrom(0x4000n, 0x5000n, 0x6000n);
const termNumber = fc.constantFrom(29, 30, 40);
/** Mostly null. */
const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
  fc.tuple(seldom, arbitrary).map(([is, value]) => (is ? value : null));
const member = fc.constantFrom('alpha', 'beta', 'gamma');

const listed: fc.Arbitrary<Term> = fc
  .record({ term: termNumber, leader: member, timeline: fc.constantFrom(null, 1, 2), from: fc.option(lsn) })
  .map((over) => aTerm(over));

const disk: fc.Arbitrary<DiskState | null> = fc.oneof(
  fc.constantFrom<(DiskState | null)[]>(null, { kind: 'empty' }, { kind: 'unfinished', what: 'clone' }),
  fc
    .record({
      state: fc.constantFrom<ClusterState[]>(
        'shut down',
        'shut down in recovery',
        'in production',
        'in crash recovery',
      ),
      timeline: fc.constantFrom(1, 2),
      checkpointLsn: lsn,
      minRecoveryEndLsn: fc.option(lsn),
      isRewindable: flag,
      isStandby: flag,
      term: fc.option(termNumber),
      by: member,
    })
    .map(({ isStandby, term, by, ...control }) =>
      aDisk(control, { isStandby, term: term === null ? null : { member: by, systemIdentifier, term } }),
    ),
);

/** Keys of a cluster: `holder` has the leader key, by its own session or by one of an earlier run. */
export const anyKeys: fc.Arbitrary<ClusterKeys> = fc
  .record({
    index: fc.integer({ min: 100, max: 300 }),
    holder: fc.option(member, { freq: 4 }),
    isFormer: seldom,
    isUnlisted: seldom,
    term: termNumber,
    createIndex: fc.constantFrom(10, 11),
    terms: fc.option(fc.array(listed, { maxLength: 3 }), { freq: 8 }),
    bids: fc.uniqueArray(member, { maxLength: 3 }),
    gone: fc.uniqueArray(member, { maxLength: 1 }),
    request: rarely(fc.constantFrom('alpha', 'beta')),
    branch: fc.option(lsn),
    sync: fc.option(fc.constantFrom('alpha', 'beta')),
    initialize: rarely(fc.constantFrom('99', '')).map((other) => other ?? systemIdentifier),
  })
  .map((pick) => {
    const session = (name: string): string => (pick.isFormer ? `former-${name}` : sessionOf(name));
    const { holder, term: modifyIndex, createIndex } = pick;
    const members = (['alpha', 'beta', 'gamma'] as const).filter((name) => !pick.gone.includes(name));
    const keyOf = (name: (typeof members)[number]) => (pick.bids.includes(name) ? bidding(name) : memberKeyOf(name));
    const own = holder === null || pick.isUnlisted ? [] : [aTerm({ term: modifyIndex, leader: holder })];
    const history = { timeline: 1, lsn: pick.branch ?? 0n, reason: '', timestamp: null, newLeader: null };
    return managedKeys({
      index: pick.index,
      leader: holder === null ? null : aKey(holder, { createIndex, modifyIndex, session: session(holder) }),
      terms: pick.terms === null ? null : aKey([...pick.terms, ...own].toSorted((a, b) => a.term - b.term)),
      members: new Map(members.map((name) => [name, keyOf(name)])),
      failover: pick.request === null ? null : aRequest({ leader: null, candidate: pick.request }),
      history: pick.branch === null ? null : aKey([history]),
      sync: pick.sync === null ? null : aKey({ leader: pick.sync, standbys: [] }),
      initialize: aKey(pick.initialize),
    });
  });

const local: fc.Arbitrary<Partial<LocalView>> = fc.oneof(
  flag.map((isPrimary) => ({ look: isPrimary ? aPrimaryLook() : aStandbyLook() })),
  disk.map((found) => down(found)),
  fc
    .constantFrom<ServerTrouble[]>('starting', 'stopping', 'timeout', 'other')
    .map((trouble) => ({ ...down(null), trouble })),
);

const lead: fc.Arbitrary<Partial<LeadMemory>> = fc
  .record({
    deposed: rarely(termNumber),
    why: fc.constantFrom('lease', 'session', 'key', 'released'),
    vacantAgoMs: fc.constantFrom(0, 1_500, 20_000),
    mayWriteAgoMs: rarely(fc.constantFrom(100, 20_000)),
    handover: rarely(termNumber),
    guardMs: fc.option(fc.constantFrom(-100, 5_000)),
    streamlessAgoMs: rarely(fc.constantFrom(1_000, 9_000)),
    remoteEnd: rarely(lsn),
    downAgoMs: fc.constantFrom(1_000, 400_000),
    wrote: fc.option(fc.record({ term: termNumber, member: fc.constantFrom('alpha', 'beta') })),
    checkpointedAgoMs: rarely(fc.constantFrom(100, 20_000)),
  })
  .map((pick) => ({
    ...noLeadMemory(nowMs),
    deposed: pick.deposed === null ? null : { term: pick.deposed, why: pick.why as 'lease' },
    // Where somebody leads it is taken out again.
    vacant: { sinceMs: nowMs - pick.vacantAgoMs, after: 30 },
    openSinceMs: nowMs - pick.vacantAgoMs,
    mayWriteSinceMs: pick.mayWriteAgoMs === null ? null : nowMs - pick.mayWriteAgoMs,
    handover: pick.handover === null ? null : { term: pick.handover },
    guard: pick.guardMs === null ? null : { term: 30, deadlineMs: nowMs + pick.guardMs, session: 'x' },
    streamlessSinceMs: pick.streamlessAgoMs === null ? null : nowMs - pick.streamlessAgoMs,
    downSinceMs: nowMs - pick.downAgoMs,
    remoteLine:
      pick.remoteEnd === null
        ? null
        : {
            line: {
              timeline: 2,
              switches: [{ timeline: 1, lsn: pick.remoteEnd, reason: '' }],
              isPrimary: true,
              beganHere: null,
            },
            atMs: nowMs - 100,
          },
    writtenUnder: pick.wrote === null ? null : { ...pick.wrote, systemIdentifier },
    checkpointedAtMs: pick.checkpointedAgoMs === null ? null : nowMs - pick.checkpointedAgoMs,
  }));

const stop: Action = { kind: 'stop_server', mode: 'fast', why: '' };

const remote = { host: 'far.test', port: 5433, primarySlotName: null, recovery: {}, createReplicaMethods: [] };

export const anyManagedView: fc.Arbitrary<View> = fc
  .record({
    name: fc.constantFrom('alpha', 'beta'),
    keys: anyKeys,
    renewedAgoMs: fc.constantFrom(0, 100, 100, 100, 4_000, 8_400, 8_600, 20_000),
    pause: seldom,
    synchronousMode: seldom,
    isStandbyCluster: seldom,
    local,
    lead,
    busy: seldom,
    isSessionless: seldom,
  })
  .map(({ name, keys, renewedAgoMs, pause, synchronousMode, isStandbyCluster, busy, isSessionless, ...pick }) =>
    managed(name, {
      keys,
      renewedAgoMs,
      config: leadConfig({ synchronousMode, standbyCluster: isStandbyCluster ? remote : null }, { pause }),
      local: pick.local,
      lead: leaderName(keys) === null ? pick.lead : { ...pick.lead, vacant: null },
      view: {
        running: new Map(busy ? [['server', { action: stop, sinceMs: nowMs }]] : []),
        ...(isSessionless ? { session: { kind: 'none', why: 'x' } } : {}),
      },
    }),
  );
