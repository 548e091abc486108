import { describe, expect, test } from 'vitest';
import type { ServerLook } from '../../../src/domain/server.ts';
import type { View } from '../../../src/view/view.ts';
import {
  aConfig,
  actionsOf,
  after,
  done,
  failed,
  holdOf,
  inTrouble,
  kindsOf,
  later,
  reports,
  statusKey,
  withKeys,
  withLook,
  withSettings,
} from '../../support/situations.ts';
import {
  aKey,
  aLogicalReport,
  aLogicalSlot,
  aMember,
  aPhysicalSlot,
  aSelf,
  aStandbyLook,
  aStatus,
  aView,
  nowMs,
  sessionOf,
  someKeys,
} from '../../support/turns.ts';

const turn = (session: string) => ({ restartTurn: aKey('beta', { session, modifyIndex: 70 }) });
const oursTurn = { consul: { contact: { kind: 'good', atMs: 0 } as const, keys: someKeys(turn(sessionOf('beta'))) } };
const longMissing = { memory: { ...aView('beta').memory, missing: { names: 'orders', sinceMs: nowMs - 1_000 } } };
const none: Partial<ServerLook> = { slots: [] };
/** `beta`, which lacks `orders` and whose turn it is. */
const ready = (look: Partial<ServerLook> = none, over: Partial<View> = {}) =>
  withLook('beta', look, { ...oursTurn, ...longMissing, ...over });

const request = {
  primaryUrl: 'postgres://alpha.test:5432/postgres',
  slots: [{ name: 'orders', database: 'shop', plugin: 'pgoutput' }],
  replace: [],
};

test('a missing slot is copied when it is our turn', () => {
  expect(actionsOf(ready(), 'copy_slots')).toEqual([{ kind: 'copy_slots', session: sessionOf('beta'), request }]);
});

test('the turn is taken first', () => {
  expect(kindsOf(withLook('beta', none, longMissing))).toEqual(
    ['publish_member', 'register_service', 'take_turn'].sort(),
  );
});

test("nothing is copied in somebody else's turn", () => {
  const view = ready(none, { consul: { contact: { kind: 'good', atMs: 0 }, keys: someKeys(turn('session-gamma')) } });
  expect(kindsOf(view)).not.toContain('copy_slots');
  expect(kindsOf(view)).not.toContain('take_turn');
  expect(holdOf(view, 'copy of orders')).toBe('it is the turn of beta to restart');
});

test('slots that are made together are copied together', () => {
  const view = ready(none, { memory: { ...aView('beta').memory, missing: { names: 'orders', sinceMs: nowMs - 100 } } });
  expect(kindsOf(view)).not.toContain('copy_slots');
});

describe('what keeps a slot from being copied', () => {
  const standby = aStandbyLook().settings;
  const cases: readonly (readonly [string, View, string, RegExp])[] = [
    [
      'restart: never',
      ready(none, { config: aConfig({}, { restart: 'never' }) }),
      'copy of orders',
      /restart does not allow/,
    ],
    ['pause', ready(none, { config: aConfig({ pause: true }) }), 'copy of orders', /paused/],
    ['no means to restart', ready(none, { self: aSelf('beta', { canRestart: false }) }), 'copy of orders', /bin_dir/],
    [
      'no physical slot',
      ready({ ...none, settings: { ...standby, primarySlotName: '' } }),
      'copy of orders',
      /primary_slot_name/,
    ],
    [
      'no feedback',
      ready({ ...none, settings: { ...standby, hotStandbyFeedback: false } }),
      'copy of orders',
      /hot_standby_feedback/,
    ],
    ['replay is paused', ready({ ...none, replayPaused: true }), 'copy of orders', /paused/],
    ['not replayed that far', ready({ ...none, replayedLsn: 0x1fffn }), 'slot orders', /has replayed to 0\/1FFF/],
    ['another major version', ready({ ...none, versionNum: 140_011 }), 'copy of orders', /slot files differ/],
    [
      'no room',
      ready({ ...none, settings: { ...standby, maxReplicationSlots: 0 } }),
      'slot orders',
      /max_replication_slots/,
    ],
    [
      'Consul does not answer',
      ready(none, { consul: { ...oursTurn.consul, contact: { kind: 'broken', sinceMs: 0, why: '' } } }),
      'copy of orders',
      /Consul/,
    ],
    ['no session', ready(none, { session: { kind: 'none', why: '' } }), 'copy of orders', /no Consul session/],
    ['another timeline', ready({ ...none, timeline: 2 }), 'slots', /timeline/],
    [
      'wal_level, with which the server would not start again',
      ready({ ...none, settings: { ...standby, walLevel: 'replica' } }),
      'server',
      /wal_level/,
    ],
  ];
  test.each(cases)('%s', (_name, view, subject, why) => {
    expect(kindsOf(view)).not.toContain('copy_slots');
    expect(kindsOf(view)).not.toContain('take_turn');
    expect(holdOf(view, subject)).toMatch(why);
  });
});

test("one slot's trouble does not keep the others from being copied (S5)", () => {
  const logical = reports(
    ['orders', aLogicalReport()],
    ['late', aLogicalReport({ restartLsn: 0x9000n })],
    ['gone', aLogicalReport({ invalidation: 'wal_removed' })],
  );
  const slots = new Map([
    ['orders', 0x3000n],
    ['late', 0x9100n],
    ['gone', 1n],
  ]);
  const keys = { ...turn(sessionOf('beta')), status: statusKey({ logical }, { slots }) };
  const view = ready(none, { consul: { contact: { kind: 'good', atMs: 0 }, keys: someKeys(keys) } });
  expect(actionsOf(view, 'copy_slots')[0]?.request.slots.map((slot) => slot.name)).toEqual(['orders']);
  expect(holdOf(view, 'slot late')).toContain('the slot starts at 0/9000');
});

test('as many slots are copied as there is room for', () => {
  const logical = reports(['orders', aLogicalReport()], ['sales', aLogicalReport()]);
  const slots = new Map([
    ['orders', 0x3000n],
    ['sales', 0x3000n],
  ]);
  const keys = { ...turn(sessionOf('beta')), status: statusKey({ logical }, { slots }) };
  const consul = { contact: { kind: 'good', atMs: 0 } as const, keys: someKeys(keys) };
  const settings = { ...aStandbyLook().settings, maxReplicationSlots: 1 };
  const view = ready({ ...none, settings }, { consul });
  expect(actionsOf(view, 'copy_slots')[0]?.request.slots.map((slot) => slot.name)).toEqual(['orders']);
  expect(holdOf(view, 'slot sales')).toContain('max_replication_slots');
});

describe('slots that are replaced', () => {
  const cases: readonly (readonly [string, Parameters<typeof aLogicalSlot>[0], boolean])[] = [
    ['another plugin', { plugin: 'test_decoding' }, true],
    ['another database', { database: 'crm' }, true],
    ['another two_phase', { twoPhase: true }, true],
    ['invalidated', { invalidation: 'rows_removed' }, true],
    ['its WAL was removed', { walStatus: 'lost' }, true],
    ['its WAL is not here', { walOnDisk: false }, true],
    ['damaged but in use', { walOnDisk: false, active: true }, false],
    ['whole', {}, false],
  ];
  test.each(cases)('%s', (_name, over, isReplaced) => {
    const copies = actionsOf(ready({ slots: [aLogicalSlot(over)] }), 'copy_slots');
    expect(copies.map((copy) => copy.request.replace)).toEqual(isReplaced ? [['orders']] : []);
  });

  test('a damaged slot that is in use says so', () => {
    expect(holdOf(ready({ slots: [aLogicalSlot({ walOnDisk: false, active: true })] }), 'slot orders')).toContain(
      'in use',
    );
  });

  test('a physical slot of that name is in the way', () => {
    const view = ready({ slots: [aPhysicalSlot({ name: 'orders' })] });
    expect(kindsOf(view)).not.toContain('copy_slots');
    expect(holdOf(view, 'slot orders')).toBe('a physical slot has its name here');
  });

  test('one that stays older than the slot on the primary, a copy whose agent died before it knew', () => {
    const older = (consumerMovedAtMs: number) => {
      const logical = reports(['orders', aLogicalReport({ incarnation: 0x2800n })]);
      const keys = someKeys({ ...turn(sessionOf('beta')), status: statusKey({ logical }) });
      const consumers = new Map([['orders', { position: 0x3000n, movedAtMs: consumerMovedAtMs }]]);
      const memory = { ...aView('beta').memory, consumers };
      return ready({ slots: [aLogicalSlot()] }, { consul: { contact: { kind: 'good', atMs: 0 }, keys }, memory });
    };
    expect(kindsOf(older(nowMs - 9_999))).not.toContain('copy_slots');
    expect(actionsOf(older(nowMs - 10_000), 'copy_slots')[0]?.request.replace).toEqual(['orders']);
  });

  test('one that stays ahead for a minute', () => {
    const ahead = (sinceMs: number) => {
      const memory = {
        ...aView('beta').memory,
        slots: new Map([
          ['orders', { protectedFrom: 700, protectedSinceLsn: 0x3000n, aheadSinceMs: sinceMs, lastAdvance: null }],
        ]),
      };
      return ready({ slots: [aLogicalSlot({ confirmedFlushLsn: 0x3800n })] }, { memory });
    };
    expect(kindsOf(ahead(nowMs - 59_999))).not.toContain('copy_slots');
    expect(kindsOf(ahead(nowMs - 60_000))).toContain('copy_slots');
  });
});

describe('a cascade', () => {
  const keys = (upstreamHas: boolean) => {
    const beta = aMember('beta', upstreamHas ? {} : { slots: new Map() });
    const gamma = aMember('gamma', { extras: { ...aMember('gamma').extras!, upstream: 'beta' } });
    return someKeys({
      restartTurn: aKey('gamma', { session: sessionOf('gamma') }),
      members: new Map([
        ...someKeys().members,
        ['beta', aKey(beta, { session: 's' })],
        ['gamma', aKey(gamma, { session: 's' })],
      ]),
    });
  };
  const look = { slots: [], receiver: { ...aStandbyLook().receiver!, senderHost: 'beta.test' } };
  const gamma = (upstreamHas: boolean, sinceMs: number) =>
    withLook('gamma', look, {
      consul: { contact: { kind: 'good', atMs: 0 }, keys: keys(upstreamHas) },
      memory: { ...aView('gamma').memory, missing: { names: 'orders', sinceMs } },
    });

  test('waits a while for its upstream to have the slot, and gives the turn to it meanwhile', () => {
    const view = gamma(false, nowMs - 1_000);
    expect(kindsOf(view)).not.toContain('copy_slots');
    expect(kindsOf(view)).toContain('give_turn');
    expect(kindsOf(gamma(true, nowMs - 1_000))).toContain('copy_slots');
    expect(kindsOf(gamma(false, nowMs - 10_000))).toContain('copy_slots');
  });
});

describe('the turn to restart is given back', () => {
  const copy = { kind: 'copy_slots', session: sessionOf('beta'), request } as const;
  const cases: readonly (readonly [string, View])[] = [
    ['when nothing is missing', withKeys('beta', turn(sessionOf('beta')))],
    ['by a standby that must not copy', ready(none, { config: aConfig({ pause: true }) })],
    ['by a standby that is stuck on an old timeline', ready({ ...none, timeline: 9 })],
    [
      'by a standby that does not know the slots any more',
      withKeys('beta', { ...turn(sessionOf('beta')), leader: null }),
    ],
    ['by a primary', withKeys('alpha', { restartTurn: aKey('alpha', { session: sessionOf('alpha') }) })],
    ['by a server that is down for another reason', inTrouble('beta', { trouble: 'not_running' }, oursTurn)],
    [
      'between the attempts of a copy that fails',
      after(ready(), [failed(copy), { kind: 'look', startedAtMs: nowMs + 200, look: aStandbyLook(none) }]),
    ],
    [
      'by a server that does not come up after a copy',
      later(inTrouble('beta', { trouble: 'not_running', copyInterrupted: true }, oursTurn), 60_000),
    ],
  ];
  test.each(cases)('%s', (_name, view) => {
    expect(kindsOf(view)).toContain('give_turn');
    expect(kindsOf(view)).not.toContain('copy_slots');
  });

  test('but not while the server is down for the copy', () => {
    const running = after(ready(), [{ kind: 'started', action: copy }]);
    expect(kindsOf(running)).not.toContain('give_turn');
    const down = inTrouble('beta', { trouble: 'not_running', copyInterrupted: true }, oursTurn);
    expect(kindsOf(down)).not.toContain('give_turn');
    expect(kindsOf(down)).toContain('start_after_copy');
  });

  test('the server is not started while our own copy keeps it down', () => {
    const down = after(ready(), [
      { kind: 'started', action: copy },
      { kind: 'server_trouble', trouble: 'not_running', why: 'gone', copyInterrupted: true },
    ]);
    expect(kindsOf(down)).not.toContain('start_after_copy');
  });
});

describe('a slot that was copied', () => {
  const copy = { kind: 'copy_slots', session: sessionOf('beta'), request } as const;
  const copied = {
    copied: [{ name: 'orders', restartLsn: 0x2000n, snapshot: 'copied' as const }],
    skipped: [],
    downMs: 200,
  };
  const skipped = { copied: [], skipped: [{ name: 'orders', why: 'permission denied' }], downMs: 0 };
  const missingAgain = (view: View): View =>
    after(view, [{ kind: 'look', startedAtMs: view.nowMs + 50, look: aStandbyLook({ slots: [] }) }]);
  const times = (result: typeof copied | typeof skipped, count: number): View =>
    Array.from({ length: count }).reduce<View>(
      (view) => missingAgain(after(view, [done(copy, result as never)])),
      ready(),
    );

  test('is not copied again at once, and less and less often', () => {
    expect(kindsOf(later(times(copied, 1), 4_000))).not.toContain('copy_slots');
    expect(kindsOf(later(times(copied, 1), 10_000))).toContain('copy_slots');
    expect(kindsOf(later(times(copied, 4), 300_000))).not.toContain('copy_slots');
    expect(kindsOf(later(times(copied, 9), 3_600_000))).toContain('copy_slots');
  });

  test('is copied again at once into data that was brought anew', () => {
    const source = { member: 'alpha', host: 'alpha.test', port: 5432, slot: 'beta' };
    const url = 'postgres://alpha.test:5432/postgres';
    const cloned = done({ kind: 'clone', source, url, methods: [] }, null);
    expect(kindsOf(missingAgain(after(times(copied, 4), [cloned])))).toContain('copy_slots');
    const rewound = done({ kind: 'rewind', source, url }, null);
    expect(kindsOf(missingAgain(after(times(copied, 4), [rewound])))).toContain('copy_slots');
  });

  test('a slot that was left out says why, and waits a few minutes at most: nothing was restarted for it', () => {
    expect(holdOf(times(skipped, 1), 'slot orders')).toBe('it could not be copied: permission denied');
    expect(kindsOf(later(times(skipped, 9), 160_000))).toContain('copy_slots');
  });

  test('a slot that was left out is tried again soon once it begins elsewhere on the primary', () => {
    const tried = times(skipped, 9);
    expect(kindsOf(later(tried, 15_000))).not.toContain('copy_slots');
    const moved = aStatus();
    const logical = new Map([['orders', aLogicalReport({ restartLsn: 0x2800n })]]);
    const status = aKey({ ...moved, extras: { ...moved.extras!, logical } }, { modifyIndex: 61 });
    const keys = someKeys({ ...turn(sessionOf('beta')), status });
    const later15s = later(tried, 15_000);
    expect(kindsOf({ ...later15s, consul: { ...later15s.consul, keys } })).toContain('copy_slots');
  });

  test('is in the ledger before that is saved: what was known before must not go over what the copy wrote', () => {
    const started = after(ready(), [{ kind: 'started', action: copy }]);
    // The server is up again, and the look shows the slot before the copy has told that it is done.
    const slots = [aLogicalSlot({ snapshotOnDisk: false })];
    const seen = after(started, [{ kind: 'look', startedAtMs: started.nowMs, look: aStandbyLook({ slots }) }]);
    expect(seen.ledger).not.toEqual(seen.savedLedger);
    expect(kindsOf(seen)).not.toContain('save_ledger');
    const [save] = actionsOf(after(seen, [done(copy, copied)]), 'save_ledger');
    expect(save?.ledger.slots.get('orders')).toMatchObject({ decodable: true, firstRestartLsn: 0x2000n });
  });

  test('its verdict says why it is not there', () => {
    const [verdict] = times(skipped, 1).verdicts;
    expect(verdict?.verdict).toEqual({ kind: 'not_ready', reason: 'not on this standby yet: permission denied' });
  });
});

test('feedback comes before the copy', () => {
  const view = withSettings('beta', { hotStandbyFeedback: false }, { ...oursTurn, ...longMissing });
  expect(kindsOf(view)).toContain('set_feedback');
});
