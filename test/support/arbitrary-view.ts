import fc from 'fast-check';
import type { Action } from '../../src/domain/action.ts';
import type { ClusterKeys, Status } from '../../src/domain/cluster.ts';
import { type FailoverSlotsConfig, noTags } from '../../src/domain/config.ts';
import type { LedgerSlot } from '../../src/domain/local.ts';
import type { ServerTrouble } from '../../src/domain/server.ts';
import type { Slot, WalStatus } from '../../src/domain/slot.ts';
import { verdictsOf } from '../../src/view/verdict.ts';
import type { Failure, View } from '../../src/view/view.ts';
import { aConfig, declared } from './situations.ts';
import {
  aKey,
  aLedger,
  aLogicalReport,
  aLogicalSlot,
  aMember,
  aPhysicalSlot,
  aPrimaryLook,
  aSelf,
  aStandbyLook,
  aStatus,
  aView,
  nowMs,
  sessionOf,
  someKeys,
  systemIdentifier,
} from './turns.ts';

/** Any View of a small cluster: mostly sane pieces in every combination, so that rules meet all their exceptions. */

const names = ['orders', 'sales', 'beta', 'archive', 'pg_1_sync_2_3', 'slotkeeper_template_shop'] as const;
const templates = ['slotkeeper_template_shop', 'slotkeeper_template_crm'] as const;
const name = fc.constantFrom(...names);
const lsn = fc.constantFrom(0x1000n, 0x2000n, 0x3000n, 0x4000n, 0x6000n);
/** Mostly the first. */
function usually<T>(usual: T, ...others: readonly T[]): fc.Arbitrary<T> {
  return fc.oneof(
    { arbitrary: fc.constant(usual), weight: 12 },
    { arbitrary: fc.constantFrom(...others), weight: others.length },
  );
}
const xid = fc.constantFrom(null, 5, 699, 700, 701, 4_294_967_290);
/** True once in a while: most Views are sane but for one or two things, else nothing would ever be planned. */
const maybe = (chance = 15): fc.Arbitrary<boolean> => fc.nat({ max: chance }).map((n) => n === 0);

const slot: fc.Arbitrary<Slot> = fc.oneof(
  fc
    .record({
      name,
      database: usually('shop', 'crm'),
      plugin: usually('pgoutput', 'test_decoding'),
      confirmedFlushLsn: fc.option(lsn, { freq: 9 }),
      restartLsn: fc.option(lsn, { freq: 9 }),
      catalogXmin: xid,
      active: maybe(),
      temporary: maybe(20),
      walStatus: usually<WalStatus | null>('reserved', 'lost', 'unreserved', null),
      synced: maybe(20),
      failover: maybe(),
      walOnDisk: usually<boolean | null>(true, false, null),
      snapshotOnDisk: fc.constantFrom(true, false, null),
      startsWithoutSnapshot: fc.constantFrom(true, false, null),
    })
    .map((over) => aLogicalSlot(over)),
  fc
    .record({ name, restartLsn: fc.option(lsn), active: fc.boolean(), catalogXmin: xid, temporary: maybe(20) })
    .map((over) => aPhysicalSlot(over)),
);
const template: fc.Arbitrary<Slot> = fc
  .record({
    name: fc.constantFrom(...templates),
    confirmedFlushLsn: fc.option(lsn, { freq: 9 }),
    active: maybe(),
    invalidation: usually<string | null>(null, 'rows_removed'),
  })
  .map((over) => aLogicalSlot({ ...over, database: over.name.endsWith('shop') ? 'shop' : 'crm' }));
const slots = fc
  .tuple(fc.array(slot, { maxLength: 4 }), fc.array(template, { maxLength: 1 }))
  .map(([some, one]) => [...new Map([...some, ...one].map((each) => [each.name, each])).values()]);

const config = fc
  .record({
    pause: maybe(),
    names: fc.uniqueArray(name, { maxLength: 3 }),
    ignored: fc.uniqueArray(name, { maxLength: 1 }),
    dropExtraSlots: fc.boolean(),
    recreateLost: fc.boolean(),
    restart: usually<'allow' | 'never' | null>(null, 'allow', 'never'),
    method: usually<FailoverSlotsConfig['method']>('auto', 'file_copy', 'template', 'native'),
    filter: fc.boolean(),
  })
  .map(({ pause, names: wanted, ignored, dropExtraSlots, recreateLost, restart, method, filter }) =>
    aConfig(
      {
        pause,
        slots: new Map(
          wanted.map((one) => [one, one === 'beta' || one === 'archive' ? { type: 'physical' } : declared]),
        ),
        ignoreSlots: ignored.map((one) => ({ name: one })),
      },
      {
        dropExtraSlots,
        recreateLost,
        restart,
        method,
        synchronizeSlotNames: filter ? [{ key: 'name_like', value: '%' }] : null,
      },
    ),
  );

const status: fc.Arbitrary<Status> = fc
  .record({
    logical: fc.uniqueArray(name, { maxLength: 3 }),
    positions: fc.dictionary(name, lsn, { minKeys: 3 }),
    lost: fc.uniqueArray(name, { maxLength: 2 }),
    term: usually(30, 29),
    timeline: usually(1, 2),
    catalogXmin: xid,
    made: fc.boolean(),
    failover: maybe(),
    slotkeeper: maybe(20).map((no) => !no),
  })
  .map(({ logical, positions, lost, term, timeline, catalogXmin, made, failover, slotkeeper }) => ({
    ...aStatus(),
    slots: new Map(Object.entries(positions)),
    extras: slotkeeper
      ? {
          ...aStatus().extras!,
          term,
          timeline,
          logical: new Map(logical.map((one) => [one, aLogicalReport({ catalogXmin, made, failover })])),
          lost: new Map(lost.map((one) => [one, { from: 0x2000n, why: 'gone', atWallMs: 0 }])),
        }
      : null,
  }));

const keys: fc.Arbitrary<ClusterKeys> = fc
  .record({
    status: fc.option(status, { freq: 9 }),
    leader: usually<string | null>('alpha', 'beta', null),
    turn: fc.constantFrom('alpha', 'beta', 'gamma', null),
    betaIsPrimary: maybe(20),
    ownSession: usually('same', 'former', 'none'),
    initialize: usually<string | null>(systemIdentifier, null, '99'),
  })
  .map(({ status: value, leader, turn, betaIsPrimary, ownSession, initialize }) => {
    const session = (of: string): string | null =>
      ownSession === 'same' ? sessionOf(of) : ownSession === 'none' ? null : 'former';
    return someKeys({
      status: value === null ? null : aKey(value, { modifyIndex: 60 }),
      leader: leader === null ? null : aKey(leader, { modifyIndex: 30, session: sessionOf(leader) }),
      restartTurn: turn === null ? null : aKey(turn, { session: sessionOf(turn) }),
      initialize: initialize === null ? null : aKey(initialize),
      members: new Map([
        ['alpha', aKey(aMember('alpha'), { modifyIndex: 40, session: session('alpha') })],
        [
          'beta',
          aKey(aMember('beta', betaIsPrimary ? { role: 'primary' } : {}), {
            modifyIndex: 41,
            session: session('beta'),
          }),
        ],
      ]),
    });
  });

const failure: Failure = { count: 3, sinceMs: nowMs - 9_000, lastAtMs: nowMs - 200, message: 'no', sqlstate: null };
const running: Action = { kind: 'copy_slots', session: '', request: { primaryUrl: '', slots: [], replace: [] } };

export const anyView: fc.Arbitrary<View> = fc
  .record({
    self: fc.constantFrom('alpha', 'alpha', 'beta', 'beta', 'gamma'),
    tagged: maybe(20),
    slots,
    keys: fc.option(keys, { freq: 20 }),
    contact: maybe(20),
    server: usually('good', 'broken', 'broken', 'never'),
    trouble: fc.constantFrom<(ServerTrouble | null)[]>('not_running', 'timeout', null),
    copyInterrupted: maybe(),
    config: fc.option(config, { freq: 20 }),
    made: fc.uniqueArray(name, { maxLength: 3 }),
    ledger: maybe(20).map((no) => !no),
    session: maybe(20).map((no) => !no),
    feedback: maybe().map((no) => !no),
    native: fc.boolean(),
    versionNum: fc.oneof(usually(150_018, 100_023), fc.constantFrom(160_010, 170_010)),
    walLevel: usually('logical', 'replica'),
    timeline: usually(1, 2),
    replayedLsn: usually<bigint | null>(0x4f00n, 0x1000n, null),
    busy: maybe(20),
    failing: fc.uniqueArray(
      fc.constantFrom('copy_slots', 'publish_status', 'drop_slot:orders', 'advance_logical_slot:orders'),
      { maxLength: 2 },
    ),
    mark: xid,
    aheadSinceMs: fc.constantFrom(null, nowMs - 100, nowMs - 70_000),
    missingSinceMs: fc.constantFrom(nowMs, nowMs - 1_000, nowMs - 20_000),
  })
  .map((pick) => {
    const usual = aView(pick.self);
    const settings = {
      walLevel: pick.walLevel,
      hotStandbyFeedback: pick.feedback,
      syncReplicationSlots: pick.versionNum >= 170_000 ? pick.native : null,
      upstreamDatabase: pick.native ? 'postgres' : null,
    };
    const base = pick.self === 'alpha' ? aPrimaryLook() : aStandbyLook({ replayedLsn: pick.replayedLsn });
    const { versionNum, timeline } = pick;
    const look = { ...base, slots: pick.slots, versionNum, timeline, settings: { ...base.settings, ...settings } };
    const ledgerSlot: LedgerSlot = {
      made: true,
      decodable: true,
      firstRestartLsn: null,
      incarnation: null,
      identity: null,
    };
    const ledger = aLedger(pick.self, { slots: new Map(pick.made.map((one) => [one, ledgerSlot])) });
    const broken = { kind: 'broken', sinceMs: nowMs - 100, why: 'no answer' } as const;
    const view: View = {
      ...usual,
      self: aSelf(pick.self, { tags: { ...noTags, nofailover: pick.tagged } }),
      consul: { contact: pick.contact ? broken : { kind: 'good', atMs: nowMs }, keys: pick.keys },
      session: pick.session ? usual.session : { kind: 'none', why: 'gone' },
      config: pick.config,
      local: {
        ...usual.local,
        contact:
          pick.server === 'good' ? { kind: 'good', atMs: nowMs } : pick.server === 'never' ? { kind: 'never' } : broken,
        trouble: pick.server === 'broken' ? pick.trouble : null,
        look: pick.server === 'never' ? null : look,
        copyInterrupted: pick.server === 'broken' && pick.copyInterrupted,
      },
      ledger: pick.ledger ? ledger : null,
      savedLedger: pick.ledger ? ledger : null,
      running: new Map(pick.busy ? [['server', { action: running, sinceMs: nowMs - 100 }]] : []),
      failures: new Map(pick.failing.map((key) => [key, failure])),
      memory: {
        ...usual.memory,
        lastStatus: pick.keys?.status?.value ?? null,
        missing: { names: 'orders', sinceMs: pick.missingSinceMs },
        slots: new Map([
          [
            'orders',
            {
              protectedFrom: pick.mark,
              protectedSinceLsn: pick.mark === null ? null : 0x4000n,
              aheadSinceMs: pick.aheadSinceMs,
              lastAdvance: null,
            },
          ],
        ]),
      },
    };
    return { ...view, verdicts: verdictsOf(view) };
  });
