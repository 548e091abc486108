import { describe, expect, test } from 'vitest';
import type { PhysicalSlotReport } from '../../../src/domain/cluster.ts';
import { noTags } from '../../../src/domain/config.ts';
import type { View } from '../../../src/view/view.ts';
import {
  aConfig,
  after,
  reports,
  statusKey,
  withKeys,
  withLook,
  withSettings,
  type Undated,
} from '../../support/situations.ts';
import {
  aKey,
  aLedger,
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

const verdictOf = (view: View, slot = 'orders') => view.verdicts.find((verdict) => verdict.slot === slot)?.verdict;
const link = (over: Partial<PhysicalSlotReport> = {}) => ({
  physical: new Map([['beta', { restartLsn: 0x4000n, xmin: 700, catalogXmin: 700, active: true, ...over }]]),
});
const remembering = (protectedFrom: number | null) => ({
  memory: {
    ...aView('beta').memory,
    slots: new Map([['orders', { protectedFrom, protectedSinceLsn: null, aheadSinceMs: null, lastAdvance: null }]]),
  },
});
const forgotten = { ledger: aLedger('beta', { slots: new Map() }) };

describe('the verdict on a standby (S2): ready only when all of it is known', () => {
  const local = (over: Parameters<typeof aLogicalSlot>[0], more: Partial<View> = {}) =>
    withLook('beta', { slots: [aLogicalSlot(over)] }, more);
  const cases: readonly (readonly [string, View, string, RegExp | null])[] = [
    ['everything is known', aView('beta'), 'ready', null],
    ['behind its consumer is no harm', local({ confirmedFlushLsn: 0x2800n }), 'ready', null],
    ['missing', withLook('beta', { slots: [] }), 'not_ready', /not on this standby yet/],
    ['ahead of its consumer', local({ confirmedFlushLsn: 0x3001n }), 'ahead', /0\/3001/],
    ['another plugin', local({ plugin: 'wal2json' }), 'not_ready', /another slot of that name/],
    ['invalidated here', local({ invalidation: 'rows_removed' }), 'lost', /rows_removed/],
    [
      'invalidated there',
      withKeys('beta', {
        status: statusKey({ logical: reports(['orders', aLogicalReport({ invalidation: 'wal_removed' })]) }),
      }),
      'lost',
      /on the primary/,
    ],
    ['its WAL is gone', local({ walOnDisk: false }), 'lost', /WAL/],
    ['no proof that decoding starts right', aView('beta', forgotten), 'not_ready', /0-2000\.snap/],
    [
      'older than the slot on the primary',
      withKeys('beta', {
        status: statusKey({ logical: reports(['orders', aLogicalReport({ incarnation: 0x2800n })]) }),
      }),
      'not_ready',
      /was here before the slot was made/,
    ],
    ['no catalog_xmin', local({ catalogXmin: null }), 'not_ready', /no position/],
    ['temporary', local({ temporary: true }), 'not_ready', /temporary/],
    ['another timeline', withLook('beta', { timeline: 2 }), 'not_ready', /timeline/],
    ['feedback off', withSettings('beta', { hotStandbyFeedback: false }), 'not_ready', /hot_standby_feedback is off/],
    ['no physical slot', withSettings('beta', { primarySlotName: '' }), 'not_ready', /without a physical slot/],
    [
      'the physical slot has no catalog_xmin',
      withKeys('beta', { status: statusKey(link({ catalogXmin: null })) }),
      'not_ready',
      /no catalog_xmin/,
    ],
    [
      'the physical slot protects less',
      withKeys('beta', { status: statusKey(link({ catalogXmin: 701 })) }),
      'not_ready',
      /only from xid 701/,
    ],
    [
      'the physical slot protects more',
      withKeys('beta', { status: statusKey(link({ catalogXmin: 699 })) }),
      'ready',
      null,
    ],
    ['protected from a later xid on', aView('beta', remembering(701)), 'not_ready', /older than 701/],
    ['not known since when it is protected', aView('beta', remembering(null)), 'not_ready', /not confirmed/],
    [
      'across the end of the xid circle',
      local(
        { catalogXmin: 5 },
        {
          ...remembering(4_294_967_290),
          consul: {
            contact: { kind: 'good', atMs: 0 },
            keys: someKeys({ status: statusKey(link({ catalogXmin: 4_294_967_290 })) }),
          },
        },
      ),
      'ready',
      null,
    ],
    [
      'before the end of the xid circle',
      local(
        { catalogXmin: 4_294_967_290 },
        {
          ...remembering(5),
          consul: {
            contact: { kind: 'good', atMs: 0 },
            keys: someKeys({ status: statusKey(link({ catalogXmin: 4_294_967_290 })) }),
          },
        },
      ),
      'not_ready',
      /older than 5/,
    ],
  ];
  test.each(cases)('%s', (_name, view, kind, reason) => {
    const verdict = verdictOf(view);
    expect(verdict?.kind).toBe(kind);
    if (reason !== null) expect(verdict).toMatchObject({ reason: expect.stringMatching(reason) as string });
  });

  test('what nobody follows is an orphan, what is ignored is nothing', () => {
    const view = withLook('beta', { slots: [aLogicalSlot(), aLogicalSlot({ name: 'old' })] });
    expect(verdictOf(view, 'old')?.kind).toBe('orphan');
    const ignoring = withLook(
      'beta',
      { slots: [aLogicalSlot({ name: 'old' })] },
      { config: aConfig({ ignoreSlots: [{ name: 'old' }] }) },
    );
    expect(verdictOf(ignoring, 'old')).toBeUndefined();
  });

  test('a member that is to have none calls what it has an orphan', () => {
    const view = aView('beta', { self: aSelf('beta', { tags: { ...noTags, nofailover: true } }) });
    expect(verdictOf(view)).toEqual({ kind: 'orphan', reason: 'this member is tagged nofailover' });
  });

  test('nothing is said while the primary is not known', () => {
    expect(withKeys('beta', { leader: null }).verdicts).toEqual([]);
  });
});

describe('the verdict on the primary', () => {
  const local = (over: Parameters<typeof aLogicalSlot>[0]) => withLook('alpha', { slots: [aLogicalSlot(over)] });
  test('says what a consumer would find', () => {
    expect(verdictOf(aView('alpha'))?.kind).toBe('ready');
    expect(verdictOf(local({ walStatus: 'lost' }))?.kind).toBe('lost');
    expect(verdictOf(local({ confirmedFlushLsn: null }))).toEqual({ kind: 'not_ready', reason: 'it is being made' });
    expect(verdictOf(withLook('alpha', { slots: [] }))?.kind).toBe('not_ready');
  });

  test('a physical slot that reserves nothing is not ready', () => {
    const config = aConfig({ slots: new Map([['beta', { type: 'physical' as const }]]) });
    const view = (restartLsn: bigint | null) =>
      withLook('alpha', { slots: [aPhysicalSlot({ restartLsn })] }, { config });
    expect(verdictOf(view(null), 'beta')?.kind).toBe('not_ready');
    expect(verdictOf(view(1n), 'beta')?.kind).toBe('ready');
  });
});

describe('since when catalog rows are protected', () => {
  const look = (over: Parameters<typeof aStandbyLook>[0] = {}): Undated => ({
    kind: 'look',
    startedAtMs: nowMs + 10,
    look: aStandbyLook(over),
  });
  const keys = (over: Parameters<typeof someKeys>[0] = {}): Undated => ({ kind: 'keys', keys: someKeys(over) });
  const markOf = (view: View) => view.memory.slots.get('orders')?.protectedFrom;
  const moved = { logical: reports(['orders', aLogicalReport({ catalogXmin: 750 })]) };
  const ready = after(aView('beta'), [keys(), look()]);

  test("it starts with the primary slot's catalog_xmin of that moment", () => {
    expect(markOf(ready)).toBe(700);
    expect(markOf(after(ready, [keys({ status: statusKey(moved) })]))).toBe(700);
    const late = after(aView('beta', remembering(null)), [keys({ status: statusKey(moved) })]);
    expect(markOf(late)).toBe(750);
    expect(verdictOf(late)?.kind).toBe('not_ready');
    expect(verdictOf(after(late, [look({ slots: [aLogicalSlot({ catalogXmin: 750 })] })]))?.kind).toBe('ready');
  });

  test.each([
    ['feedback is switched off', look({ settings: { ...aStandbyLook().settings, hotStandbyFeedback: false } })],
    ['the link loses its catalog_xmin', keys({ status: statusKey(link({ catalogXmin: null })) })],
  ])('it starts again when %s', (_name, broken) => {
    const again = after(ready, [broken, keys({ status: statusKey(moved) }), look()]);
    expect(markOf(again)).toBe(750);
  });

  test('it goes on while the agent of the primary is restarted', () => {
    const restarted = {
      leader: aKey('alpha', { modifyIndex: 90, session: 'new' }),
      status: statusKey({ ...moved, term: 90 }),
    };
    const back = after(ready, [keys({ leader: null }), look(), keys(restarted), look()]);
    expect(markOf(back)).toBe(700);
    expect(verdictOf(back)?.kind).toBe('ready');
  });

  test('it does not go on when the standby did not stream meanwhile', () => {
    const restarted = {
      leader: aKey('alpha', { modifyIndex: 90, session: 'new' }),
      status: statusKey({ ...moved, term: 90 }),
    };
    expect(markOf(after(ready, [keys({ leader: null }), look({ receiver: null }), keys(restarted), look()]))).toBe(750);
  });

  test('it starts again under another primary', () => {
    const promoted = {
      leader: aKey('gamma', { modifyIndex: 90, session: 'g' }),
      status: statusKey({ ...moved, term: 90, timeline: 2 }),
    };
    const receiver = { ...aStandbyLook().receiver!, senderHost: 'gamma.test' };
    const gamma = aMember('gamma', { role: 'primary' });
    const members = new Map([...someKeys().members, ['gamma', aKey(gamma, { session: 'g' })]]);
    const follows = after(ready, [
      keys({ leader: null }),
      keys({ ...promoted, members }),
      look({ receiver, timeline: 2 }),
    ]);
    expect(markOf(follows)).toBe(750);
  });
});

describe('a cascade', () => {
  const beta = (over: Partial<PhysicalSlotReport> = {}) => {
    const report = { restartLsn: 0x4000n, xmin: 700, catalogXmin: 700, active: true, ...over };
    return aMember('beta', { extras: { ...aMember('beta').extras!, physical: new Map([['gamma', report]]) } });
  };
  const keys = (betaIndex: number, membersIndex: number, over: Partial<PhysicalSlotReport> = {}): Undated => ({
    kind: 'keys',
    keys: someKeys({
      members: new Map([...someKeys().members, ['beta', aKey(beta(over), { modifyIndex: betaIndex, session: 's' })]]),
      status: statusKey({ membersIndex }),
    }),
  });
  const settings = { ...aStandbyLook().settings, primarySlotName: 'gamma' };
  const receiver = { ...aStandbyLook().receiver!, senderHost: 'beta.test', slotName: 'gamma' };
  const look: Undated = { kind: 'look', startedAtMs: nowMs + 10, look: aStandbyLook({ settings, receiver }) };
  const start = aView('gamma', { memory: { ...aView('gamma').memory, slots: new Map() } });

  test('is not ready before the primary has confirmed what its upstream reports', () => {
    const view = after(start, [look, keys(200, 199)]);
    expect(verdictOf(view)).toMatchObject({
      kind: 'not_ready',
      reason: expect.stringContaining('not confirmed') as string,
    });
    expect(verdictOf(after(view, [keys(200, 200)]))?.kind).toBe('ready');
  });

  test('stays ready while its upstream reports again and again', () => {
    const view = after(start, [look, keys(200, 200), keys(210, 200)]);
    expect(verdictOf(view)?.kind).toBe('ready');
  });

  test('is not ready when a link further up protects less', () => {
    const view = after(start, [look, keys(200, 200), keys(210, 200, { catalogXmin: null })]);
    expect(verdictOf(view)?.kind).toBe('not_ready');
  });
});
