import { describe, expect, test } from 'vitest';
import { followedSlots } from '../../../src/view/select.ts';
import type { View } from '../../../src/view/view.ts';
import {
  aConfig,
  actionsOf,
  after,
  done,
  failed,
  holdOf,
  kindsOf,
  later,
  reports,
  statusKey,
  withKeys,
  withLook,
} from '../../support/situations.ts';
import {
  aKey,
  aLogicalReport,
  aLogicalSlot,
  aMember,
  aPhysicalSlot,
  aSelf,
  aStandbyLook,
  aView,
  nowMs,
  someKeys,
} from '../../support/turns.ts';
import { noTags } from '../../../src/domain/config.ts';

const behind = { slots: [aLogicalSlot({ confirmedFlushLsn: 0x2800n })] };
const advance = { kind: 'advance_logical_slot', slot: 'orders', database: 'shop', target: 0x3000n } as const;

describe('advancing a slot', () => {
  const cases: readonly (readonly [string, View, boolean])[] = [
    ['that is behind', withLook('beta', behind), true],
    ['that is there already', aView('beta'), false],
    ['that is ahead', withLook('beta', { slots: [aLogicalSlot({ confirmedFlushLsn: 0x3800n })] }), false],
    ['without a position', withLook('beta', { slots: [aLogicalSlot({ confirmedFlushLsn: null })] }), false],
    [
      'that is in use',
      withLook('beta', { slots: [aLogicalSlot({ confirmedFlushLsn: 0x2800n, active: true })] }),
      false,
    ],
    [
      'that PostgreSQL keeps itself',
      withLook('beta', { slots: [aLogicalSlot({ confirmedFlushLsn: 0x2800n, synced: true })] }),
      false,
    ],
    [
      'that is damaged',
      withLook('beta', { slots: [aLogicalSlot({ confirmedFlushLsn: 0x2800n, walOnDisk: false })] }),
      false,
    ],
    ['on another timeline', withLook('beta', { ...behind, timeline: 2 }), false],
    [
      'that is invalidated on the primary',
      withLook('beta', behind, {
        consul: {
          contact: { kind: 'good', atMs: 0 },
          keys: someKeys({
            status: statusKey({ logical: reports(['orders', aLogicalReport({ invalidation: 'wal_removed' })]) }),
          }),
        },
      }),
      false,
    ],
    [
      'of a leader that has not published yet',
      withLook('beta', behind, {
        consul: {
          contact: { kind: 'good', atMs: 0 },
          keys: someKeys({ leader: aKey('alpha', { modifyIndex: 31, session: 's' }) }),
        },
      }),
      false,
    ],
    [
      'while Consul does not answer, to what is known',
      withLook('beta', behind, { consul: { contact: { kind: 'broken', sinceMs: 0, why: '' }, keys: someKeys() } }),
      true,
    ],
    ['before the ledger was read', withLook('beta', behind, { ledger: null }), false],
    ['in pause', withLook('beta', behind, { config: aConfig({ pause: true }) }), true],
  ];
  test.each(cases)('%s', (_name, view, isPlanned) => {
    expect(actionsOf(view, 'advance_logical_slot')).toEqual(isPlanned ? [advance] : []);
  });

  test('the next one waits as long as the last one took, though never very long', () => {
    const view = (tookMs: number) => {
      const lastAdvance = { endedAtMs: nowMs, tookMs, target: 0x2800n, reached: 0x2800n };
      const memory = {
        ...aView('beta').memory,
        slots: new Map([
          ['orders', { protectedFrom: 700, protectedSinceLsn: 0x3000n, aheadSinceMs: null, lastAdvance }],
        ]),
      };
      return withLook('beta', behind, { memory });
    };
    expect(kindsOf(view(0))).toContain('advance_logical_slot');
    expect(kindsOf(view(500))).not.toContain('advance_logical_slot');
    expect(kindsOf(later(view(500), 500))).toContain('advance_logical_slot');
    expect(kindsOf(later(view(600_000), 10_000))).toContain('advance_logical_slot');
  });

  test('what was out of reach is tried again only when more is replayed', () => {
    const look = aStandbyLook({ ...behind, replayedLsn: 0x2800n });
    const tried = after(withLook('beta', { ...behind, replayedLsn: 0x2800n }), [
      done(advance, 0x2800n),
      { kind: 'look', startedAtMs: nowMs + 200, look },
    ]);
    expect(kindsOf(tried)).not.toContain('advance_logical_slot');
    expect(holdOf(tried, 'slot orders')).toContain('has not replayed that far');
    const replayed = after(tried, [
      { kind: 'look', startedAtMs: tried.nowMs, look: { ...look, replayedLsn: 0x4000n } },
    ]);
    expect(kindsOf(replayed)).toContain('advance_logical_slot');
  });

  test("S5: one slot's failing advance does not hold up another's", () => {
    const logical = reports(['orders', aLogicalReport()], ['sales', aLogicalReport()]);
    const slots = new Map([
      ['orders', 0x3000n],
      ['sales', 0x3000n],
    ]);
    const local = { slots: [...behind.slots, aLogicalSlot({ name: 'sales', confirmedFlushLsn: 0x2800n })] };
    const view = withLook('beta', local, {
      consul: { contact: { kind: 'good', atMs: 0 }, keys: someKeys({ status: statusKey({ logical }, { slots }) }) },
    });
    expect(actionsOf(view, 'advance_logical_slot').map((action) => action.slot)).toEqual(['orders', 'sales']);
    const stuck = after(view, [{ kind: 'started', action: advance }]);
    expect(actionsOf(stuck, 'advance_logical_slot').map((action) => action.slot)).toEqual(['sales']);
    const broken = after(view, [
      failed(advance),
      { kind: 'look', startedAtMs: nowMs + 200, look: aStandbyLook(local) },
    ]);
    expect(actionsOf(broken, 'advance_logical_slot').map((action) => action.slot)).toEqual(['sales']);
    expect(holdOf(broken, 'advance logical slot:orders')).toContain('it did not work');
  });
});

describe('dropping what nobody follows (S4)', () => {
  test("a subscription's first copy is never followed, whoever lists it: it would be dropped to be made anew", () => {
    const names = ['orders', firstCopy];
    const status = statusKey(
      { logical: new Map(names.map((name) => [name, aLogicalReport()])) },
      { slots: new Map(names.map((name) => [name, 0x3000n])) },
    );
    const view = aView('beta', { consul: { ...consul, keys: { ...keys, status } } });
    expect(followedSlots(view)?.map(({ name }) => name)).toEqual(['orders']);
  });

  const config = aConfig({ slots: new Map() });
  const keys = someKeys({ status: statusKey({ logical: new Map() }, { slots: new Map() }) });
  const consul = { contact: { kind: 'good', atMs: 0 } as const, keys };
  const left = (over: Parameters<typeof aLogicalSlot>[0] = {}, view: Partial<View> = {}) =>
    withLook('beta', { slots: [aLogicalSlot(over)] }, { config, consul, ...view });
  const firstCopy = 'pg_16389_sync_16384_7300000000000000001';
  const cases: readonly (readonly [string, View, boolean])[] = [
    ['a leftover', left(), true],
    ['a followed slot', aView('beta'), false],
    ['an active one', left({ active: true }), false],
    ['a temporary one', left({ temporary: true }), false],
    [
      'an ignored one',
      left({}, { config: aConfig({ slots: new Map(), ignoreSlots: [{ plugin: 'pgoutput' }] }) }),
      false,
    ],
    ["one of a subscription's first copy", left({ name: firstCopy }), false],
    ['one that PostgreSQL keeps', left({ synced: true }), false],
    ['drop_extra_slots off', left({}, { config: aConfig({ slots: new Map() }, { dropExtraSlots: false }) }), false],
    ['in pause', left({}, { config: aConfig({ slots: new Map(), pause: true }) }), false],
    ['no configuration was read yet', left({}, { config: null }), false],
    ['there is no leader', left({}, { consul: { ...consul, keys: { ...keys, leader: null } } }), false],
    [
      'the leader has not published in its term',
      left({}, { consul: { ...consul, keys: { ...keys, leader: aKey('alpha', { session: 's', modifyIndex: 31 }) } } }),
      false,
    ],
    [
      'the leader is not a slotkeeper',
      left({}, { consul: { ...consul, keys: { ...keys, status: aKey({ ...keys.status!.value!, extras: null }) } } }),
      false,
    ],
    [
      'Consul does not answer',
      left({}, { consul: { ...consul, contact: { kind: 'broken', sinceMs: 0, why: '' } } }),
      false,
    ],
    [
      'the last copy of a lost slot',
      left(
        {},
        {
          consul: {
            ...consul,
            keys: {
              ...keys,
              status: statusKey({
                logical: new Map(),
                lost: new Map([['orders', { from: 1n, why: '', atWallMs: 0 }]]),
              }),
            },
          },
        },
      ),
      false,
    ],
    ['another timeline', withLook('beta', { slots: [aLogicalSlot()], timeline: 2 }, { config, consul }), false],
    [
      'another cluster',
      withLook('beta', { slots: [aLogicalSlot()], systemIdentifier: '99' }, { config, consul }),
      false,
    ],
    ['a physical slot that is not ours', withLook('beta', { slots: [aPhysicalSlot()] }, { config, consul }), false],
  ];
  test.each(cases)('%s', (_name, view, isDropped) => {
    expect(kindsOf(view).includes('drop_slot')).toBe(isDropped);
  });

  test.each(['nofailover', 'nostream'])('a member tagged %s has none', (tag) => {
    const view = aView('beta', { self: aSelf('beta', { tags: { ...noTags, [tag]: true } }), config: aConfig() });
    expect(actionsOf(view, 'drop_slot')).toEqual([
      { kind: 'drop_slot', slot: 'orders', type: 'logical', role: 'standby', why: 'nobody follows it' },
    ]);
    expect(holdOf(view, 'slots')).toBe(`this member is tagged ${tag}`);
  });

  test.each([
    ['nofailover', undefined],
    ['nostream', 'gamma, which this member streams from, is tagged nostream'],
  ])('one that streams from a member tagged %s', (tag, why) => {
    const gamma = aMember('gamma', { tags: { ...noTags, [tag]: true } });
    const receiver = { ...aStandbyLook().receiver!, senderHost: 'gamma.test' };
    const keys = { members: new Map([...someKeys().members, ['gamma', aKey(gamma)]]) };
    const consul = { contact: { kind: 'good', atMs: 0 } as const, keys: someKeys(keys) };
    expect(holdOf(withLook('beta', { receiver }, { config: aConfig(), consul }), 'slots')).toBe(why);
  });
});

test('a standby says why it does nothing', () => {
  expect(holdOf(withKeys('beta', { leader: null }), 'slots')).toContain("the primary's slots are not known");
  expect(holdOf(withLook('beta', { timeline: 2 }), 'slots')).toBe('this standby is on timeline 2, the primary on 1');
});
