import { describe, expect, test } from 'vitest';
import type { Member } from '../../../src/domain/cluster.ts';
import type { Lsn } from '../../../src/domain/lsn.ts';
import type { Method, Verdict } from '../../../src/domain/slot.ts';
import type { View } from '../../../src/view/view.ts';
import { nativeKeys, onPrimary, type NativeSituation } from '../../support/native.ts';
import { actionsOf, after, declared, done, failed, holdOf, kindsOf, later } from '../../support/situations.ts';
import { aLedger, aLogicalSlot, aMember, aPhysicalSlot } from '../../support/turns.ts';

const native = { failoverSlots: { method: 'native' } } as const;
const plain = aLogicalSlot();
const marked = aLogicalSlot({ failover: true });
const report = { failover: false };

describe('the mark for synchronisation', () => {
  const marks = (view: View) => actionsOf(view, 'set_failover').map(({ slot, failover }) => [slot, failover]);
  const cases: readonly (readonly [string, NativeSituation, readonly unknown[]])[] = [
    ['is set on idle slots under method native', { ...native, slots: [plain] }, [['orders', true]]],
    [
      'is set on a slot that is declared with it',
      { slots: [plain], config: { slots: new Map([['orders', { ...declared, failover: true }]]) } },
      [['orders', true]],
    ],
    ['is not set where nobody asks for it', { slots: [plain] }, []],
    ['is not set twice', { ...native, slots: [marked] }, []],
    ['is not taken away', { slots: [marked], failoverSlots: { method: 'template' } }, []],
    ['is not set on PostgreSQL 16', { ...native, slots: [plain], look: { versionNum: 160_010 } }, []],
    [
      'is not set on what is not followed',
      { ...native, slots: [plain], config: { ignoreSlots: [{ name: 'orders' }] } },
      [],
    ],
    ['is not set on a dead slot', { ...native, slots: [aLogicalSlot({ invalidation: 'wal_removed' })] }, []],
    ['is not set before a configuration was read', { ...native, slots: [plain], view: { config: null } }, []],
    ['is not set before the ledger was read', { ...native, slots: [plain], view: { ledger: null } }, []],
  ];
  test.each(cases)('%s', (_name, situation, expected) => {
    expect(marks(onPrimary({ report, ...situation }))).toEqual(expected);
  });

  test('waits while the slot is in use, since PostgreSQL would wait', () => {
    const view = onPrimary({ ...native, slots: [{ ...plain, active: true }], report });
    expect(marks(view)).toEqual([]);
    expect(holdOf(view, 'slot orders')).toBe('it is to be marked for synchronisation by PostgreSQL, but it is in use');
  });

  test('that the slot had before a promotion is set again, and one that is taken away later is not', () => {
    const look = { timeline: 2 };
    const promoted = onPrimary({ slots: [plain], look });
    const before = after(promoted, [{ kind: 'keys', keys: nativeKeys() }]);
    expect(marks(before)).toEqual([['orders', true]]);
    // nor does its own first status, which tells of no mark, make it forget
    const published = after(before, [{ kind: 'keys', keys: nativeKeys({ report, timeline: 2 }) }]);
    expect(marks(published)).toEqual([['orders', true]]);

    const set = onPrimary({ slots: [marked], look, view: { memory: published.memory } });
    expect(marks(set)).toEqual([]);
    const taken = onPrimary({ slots: [plain], look, timeline: 2, view: { memory: set.memory } });
    expect(marks(taken)).toEqual([]);
  });

  test('is what a declared slot is made with', () => {
    const withTemplate = { ...aMember('beta').extras!, templates: new Map([['shop', 0x1000n]]) };
    const made = (situation: NativeSituation) =>
      actionsOf(
        onPrimary({ ...situation, slots: [], members: [['beta', { slots: new Map(), extras: withTemplate }]] }),
        'create_logical_slot',
      );
    const withMark = { config: { slots: new Map([['orders', { ...declared, failover: true }]]) } };
    const nobody = { view: { memory: { ...onPrimary().memory, lastStatus: null } } };
    expect(made({ ...native, ...nobody })).toMatchObject([{ slot: 'orders', failover: true }]);
    expect(made({ ...withMark, ...nobody })).toMatchObject([{ slot: 'orders', failover: true }]);
    expect(made({ ...withMark, ...nobody, look: { versionNum: 150_018 } })).toMatchObject([{ failover: false }]);
    expect(made({ ...nobody, look: { versionNum: 150_018 } })).toMatchObject([{ failover: false }]);
  });
});

describe('an idle slot that a standby waits for', () => {
  type Extras = NonNullable<Member['extras']>;
  const saying = (verdict: Verdict, method: Method = 'native'): readonly (readonly [string, Partial<Member>])[] => {
    const found = { slot: 'orders', type: 'logical', position: null, verdict, method } as const;
    const slots: Member['slots'] = new Map([['orders', found]]);
    return [['beta', { slots }]];
  };
  const waiting = saying({ kind: 'not_ready', reason: 'temporary' });
  const idle: NativeSituation = { slots: [marked], members: waiting };
  const moves = (view: View): boolean => kindsOf(view).includes('move_idle_slot');
  const move = {
    kind: 'move_idle_slot',
    slot: 'orders',
    database: 'shop',
    plugin: 'pgoutput',
    waiting: ['beta'],
  } as const;
  const withSlot = (view: View, over: Parameters<typeof aLogicalSlot>[0]): View => {
    const look = { ...view.local.look!, slots: [aPhysicalSlot(), aLogicalSlot({ failover: true, ...over })] };
    return after(view, [{ kind: 'look', startedAtMs: view.nowMs, look }]);
  };

  test('is moved once it has been idle for a second', () => {
    const view = onPrimary(idle);
    expect(moves(view)).toBe(false);
    expect(actionsOf(later(view, 1_000), 'move_idle_slot')).toEqual([move]);
  });

  test('is moved without a mark, too: a template can be as new as PostgreSQL’s own copy', () => {
    expect(actionsOf(later(onPrimary({ ...idle, slots: [plain] }), 1_000), 'move_idle_slot')).toEqual([move]);
  });

  test('is moved for a standby on which it was invalidated, too: it is made anew there', () => {
    const lost: NativeSituation = { ...idle, members: saying({ kind: 'lost', reason: 'invalidated' }, 'template') };
    expect(actionsOf(later(onPrimary(lost), 1_000), 'move_idle_slot')).toEqual([move]);
  });

  test('is moved on PostgreSQL 16, which has templates only', () => {
    const sixteen = { ...idle, slots: [plain], look: { versionNum: 160_010 } };
    expect(actionsOf(later(onPrimary(sixteen), 1_000), 'move_idle_slot')).toEqual([move]);
  });

  const nothing: readonly (readonly [string, NativeSituation])[] = [
    ['is in use', { ...idle, slots: [{ ...marked, active: true }] }],
    ['is ready there', { slots: [marked], members: saying({ kind: 'ready' }) }],
    ['is ahead there', { slots: [marked], members: saying({ kind: 'ahead', reason: '' }) }],
    ['is to be marked first', { ...idle, ...native, slots: [plain] }],
    ['is dead', { ...idle, slots: [aLogicalSlot({ failover: true, invalidation: 'wal_removed' })] }],
  ];
  test.each(nothing)('is left alone when it %s', (_name, situation) => {
    expect(moves(later(onPrimary(situation), 5_000))).toBe(false);
  });

  test('is moved for a direct standby with a usable copy from a template: PostgreSQL cannot take that over yet', () => {
    const copied = (over: Partial<Extras>, failover = true): boolean => {
      const extras = { ...aMember('beta').extras!, ...over };
      const members = saying({ kind: 'ready' }, 'template').map(
        ([name, member]) => [name, { ...member, extras }] as const,
      );
      return moves(later(onPrimary({ slots: [aLogicalSlot({ failover })], members }), 1_000));
    };
    expect(copied({})).toBe(true);
    // On a cascade it stays what it is, and so it does where nothing is left to PostgreSQL.
    expect(copied({ upstream: 'gamma' })).toBe(false);
    expect(copied({ upstream: null })).toBe(false);
    expect(copied({}, false)).toBe(false);
  });

  test('is moved past a record of the running transactions that is logged for it first, where that may be logged', () => {
    const privileges = { ...onPrimary().local.look!.privileges, logStandbySnapshot: true };
    const logs = (view: View): boolean => kindsOf(view).includes('log_standby_snapshot');
    const early = onPrimary({ ...idle, look: { privileges } });
    expect(logs(early)).toBe(false);
    const due = later(early, 1_000);
    expect([logs(due), moves(due)]).toEqual([true, false]);
    const logged = after(due, [done({ kind: 'log_standby_snapshot' }, null)]);
    expect([logs(logged), moves(logged)]).toEqual([false, false]);
    const flushed = later(logged, 300);
    expect([logs(flushed), moves(flushed)]).toEqual([false, true]);
    // That record is behind it then: the next attempt needs another one.
    const look = { ...due.local.look!, slots: [aPhysicalSlot(), { ...marked, confirmedFlushLsn: 0x4000n }] };
    const moved = after(flushed, [done(move, 0x4000n), { kind: 'look', startedAtMs: flushed.nowMs, look }]);
    expect([logs(later(moved, 800)), logs(later(moved, 1_000))]).toEqual([false, true]);
  });

  test('is moved again when that was not enough: soon, and then later and later', () => {
    const again = (view: View): View => withSlot(after(view, [done(move, 0x4000n)]), { confirmedFlushLsn: 0x4000n });
    const once = again(later(onPrimary(idle), 1_000));
    expect(moves(later(once, 900))).toBe(false);
    expect(moves(later(once, 1_000))).toBe(true);
    const twice = again(later(once, 1_000));
    expect(moves(later(twice, 9_000))).toBe(false);
    expect(moves(later(twice, 10_000))).toBe(true);
    const often = [1, 2, 3].reduce((now) => again(later(now, 300_000)), twice);
    expect(moves(later(often, 200_000))).toBe(false);
    expect(moves(later(often, 300_000))).toBe(true);
  });

  test('is moved again soon once the template is there that it is too old for', () => {
    const moved = { ...move, waiting: ['beta shop'] };
    const again = (view: View): View => withSlot(after(view, [done(moved, 0x4000n)]), { confirmedFlushLsn: 0x4000n });
    const missing = saying({ kind: 'not_ready', reason: 'not on this standby yet' }, 'template');
    const often = (template: Lsn): View => {
      const extras = { ...aMember('beta').extras!, templates: new Map([['shop', template]]) };
      const members = missing.map(([name, member]) => [name, { ...member, extras }] as const);
      return [1, 2, 3].reduce((now) => again(later(now, 300_000)), onPrimary({ slots: [marked], members }));
    };
    expect(moves(later(often(0x4001n), 800))).toBe(false);
    expect(moves(later(often(0x4001n), 900))).toBe(true);
    expect(moves(later(often(0x4000n), 99_000))).toBe(false);
  });

  test('is moved soon for whom it was not moved before: a standby that has come, or has a template now', () => {
    const again = (view: View): View => withSlot(after(view, [done(move, 0x4000n)]), { confirmedFlushLsn: 0x4000n });
    const often = [1, 2, 3].reduce((now) => again(later(now, 300_000)), onPrimary(idle));
    const joined = (name: string, templates: readonly string[]): View => {
      const extras = { ...aMember(name).extras!, templates: new Map(templates.map((database) => [database, 0x100n])) };
      const members = waiting.map(([, member]) => [name, { ...member, extras }] as const);
      return after(often, [{ kind: 'keys', keys: nativeKeys({ members }) }]);
    };
    const soon = (view: View): boolean => moves(later(view, 1_000));
    expect(soon(joined('beta', []))).toBe(false);
    expect(soon(joined('gamma', []))).toBe(true);
    expect(soon(joined('beta', ['other']))).toBe(true);
    expect(moves(later(joined('gamma', []), 700))).toBe(false);
    const moved = { ...move, waiting: ['gamma'] };
    const first = withSlot(after(later(joined('gamma', []), 1_000), [done(moved, 0x5000n)]), {
      confirmedFlushLsn: 0x5000n,
    });
    expect(moves(later(first, 1_000))).toBe(true);
    const second = withSlot(after(later(first, 1_000), [done(moved, 0x6000n)]), { confirmedFlushLsn: 0x6000n });
    expect(moves(later(second, 9_000))).toBe(false);
  });

  test('is left alone for a minute when changes wait for its consumer, and says so', () => {
    const tried = after(later(onPrimary(idle), 1_000), [done(move, null)]);
    const late = later(withSlot(tried, {}), 59_000);
    expect(moves(late)).toBe(false);
    expect(holdOf(late, 'slot orders')).toBe(
      'beta cannot take it over before it moves, but changes from 0/3000 on wait for its consumer',
    );
    expect(moves(later(late, 1_000))).toBe(true);
  });

  test('is tried again soon when its consumer was there meanwhile', () => {
    const tried = after(later(onPrimary(idle), 1_000), [done(move, null)]);
    const moved = withSlot(tried, { confirmedFlushLsn: 0x3800n });
    expect(holdOf(moved, 'slot orders')).toBeUndefined();
    expect(moves(later(moved, 1_000))).toBe(true);
  });

  test('waits longer each time when moving it fails', () => {
    const broken = after(later(onPrimary(idle), 1_000), [failed(move)]);
    expect(moves(later(broken, 5_000))).toBe(true);
    const often = [1, 2, 3, 4, 5, 6, 7].reduce((now) => after(later(now, 30_000), [failed(move)]), broken);
    expect(moves(later(often, 10_000))).toBe(false);
  });
});

describe('sync_replication_slots on a primary', () => {
  const syncedSet = { ledger: aLedger('alpha', { settingsSet: ['sync_replication_slots'] }) };
  const on = { syncReplicationSlots: true };
  const taken = (situation: NativeSituation): boolean =>
    actionsOf(onPrimary({ settings: on, report, view: syncedSet, ...situation }), 'alter_settings')
      .flatMap((action) => action.changes)
      .some(({ name, value }) => name === 'sync_replication_slots' && value === null);

  test('is taken back when no slot is left to PostgreSQL', () => {
    expect(taken({ slots: [plain] })).toBe(true);
    expect(taken({ slots: [] })).toBe(true);
  });

  test('stays while it will be needed after the next switch, or is somebody else’s', () => {
    expect(taken({ slots: [marked] })).toBe(false);
    expect(taken({ ...native, slots: [] })).toBe(false);
    expect(taken({ slots: [plain], config: { slots: new Map([['orders', { ...declared, failover: true }]]) } })).toBe(
      false,
    );
    expect(taken({ slots: [plain], view: {} })).toBe(false);
    expect(taken({ slots: [plain], settings: {} })).toBe(false);
  });
});
