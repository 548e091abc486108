import { describe, expect, test } from 'vitest';
import type { ServerLook } from '../../../src/domain/server.ts';
import { statusChange, wantedStatus } from '../../../src/plan/status.ts';
import type { View } from '../../../src/view/view.ts';
import {
  aConfig,
  aStatusWith,
  actionsOf,
  holdOf,
  reports,
  statusKey,
  withKeys,
  withLook,
} from '../../support/situations.ts';
import { aKey, aLogicalReport, aLogicalSlot, aPhysicalSlot, aStatus, aView, someKeys } from '../../support/turns.ts';

const filter = { synchronizeSlotNames: [{ key: 'name_like', value: '%' }] } as const;

/** A View of the leader that remembers the status in Consul, as one that was folded does. */
function remembering(view: View): View {
  return { ...view, memory: { ...view.memory, lastStatus: view.consul.keys?.status?.value ?? null } };
}

describe('which logical slots the leader publishes', () => {
  const named = (over: Parameters<typeof aLogicalSlot>[0]) =>
    withLook('alpha', { slots: [aLogicalSlot(over)] }, { config: aConfig({}, filter) });
  const cases: readonly (readonly [string, View, readonly string[]])[] = [
    ['declared', aView('alpha', { config: aConfig() }), ['orders']],
    [
      'declared with another plugin',
      withLook('alpha', { slots: [aLogicalSlot({ plugin: 'test_decoding' })] }, { config: aConfig() }),
      [],
    ],
    [
      'declared in another database',
      withLook('alpha', { slots: [aLogicalSlot({ database: 'crm' })] }, { config: aConfig() }),
      [],
    ],
    ['neither declared nor filtered', aView('alpha', { config: aConfig({ slots: new Map() }) }), []],
    ['found by the filter', named({ name: 'found' }), ['found']],
    ['temporary', named({ name: 'found', temporary: true }), []],
    ["of a subscription's first copy", named({ name: 'pg_16_sync_17_7300' }), []],
    ['still being made', named({ name: 'found', confirmedFlushLsn: null }), []],
    [
      'ignored',
      withLook(
        'alpha',
        { slots: [aLogicalSlot({ name: 'found' })] },
        { config: aConfig({ ignoreSlots: [{ name: 'found' }] }, filter) },
      ),
      [],
    ],
  ];
  test.each(cases)('%s', (_name, view, expected) => {
    expect([...(wantedStatus(view)?.extras?.logical.keys() ?? [])]).toEqual(expected);
  });

  test('without a configuration, what was followed stays followed', () => {
    const invalid = someKeys({ config: aKey<never>(null, { problem: 'not JSON' }) });
    const view = remembering(
      aView('alpha', { config: null, consul: { contact: { kind: 'good', atMs: 0 }, keys: invalid } }),
    );
    expect(view.config).toBeNull();
    expect([...(wantedStatus(view)?.extras?.logical.keys() ?? [])]).toEqual(['orders']);
    const deleted = remembering(withKeys('alpha', { config: null }, { config: null }));
    expect([...(wantedStatus(deleted)?.extras?.logical.keys() ?? [])]).toEqual(['orders']);
  });

  test('what is not known is not published', () => {
    expect(wantedStatus(aView('alpha', { ledger: null }))).toBeNull();
    expect(actionsOf(aView('alpha', { ledger: null }), 'publish_status')).toEqual([]);
  });
});

test('physical slots: declared ones have a position unless they reserve nothing', () => {
  const slots = [aPhysicalSlot(), aPhysicalSlot({ name: 'gamma', restartLsn: null }), aPhysicalSlot({ name: 'other' })];
  const physical = { type: 'physical' } as const;
  const config = aConfig({
    slots: new Map([
      ['beta', physical],
      ['gamma', physical],
    ]),
  });
  const status = wantedStatus(withLook('alpha', { slots }, { config }))!;
  expect([...status.slots]).toEqual([['beta', 0x4000n]]);
  expect([...status.extras!.physical.keys()]).toEqual(['beta', 'gamma', 'other']);
});

describe('which slots are lost', () => {
  const gone: Partial<ServerLook> = { slots: [aPhysicalSlot()] };
  const lostIn = (view: View) => Object.fromEntries(wantedStatus(remembering(view))?.extras?.lost ?? []);
  const atTerm = (term: number, timeline: number, over = {}) => ({
    consul: {
      contact: { kind: 'good', atMs: 0 } as const,
      keys: someKeys({ status: statusKey({ term, timeline, ...over }) }),
    },
  });

  test('a declared slot that was dropped', () => {
    expect(lostIn(withLook('alpha', gone, { config: aConfig() }))).toMatchObject({
      orders: { from: 0x3000n, why: 'it was dropped on the primary' },
    });
  });

  test('one that is not declared was dropped on purpose', () => {
    expect(lostIn(withLook('alpha', gone, { config: aConfig({ slots: new Map() }, filter) }))).toEqual({});
  });

  test('one that was dropped while the agent was restarted is not the victim of a promotion', () => {
    const view = withLook('alpha', gone, { config: aConfig({ slots: new Map() }, filter), ...atTerm(29, 1) });
    expect(lostIn(view)).toEqual({});
    expect(lostIn(withLook('alpha', gone, { config: aConfig(), ...atTerm(29, 1) }))).toMatchObject({
      orders: { why: 'it was dropped on the primary' },
    });
  });

  test('all that a promotion left behind, declared or not', () => {
    const view = withLook(
      'alpha',
      { ...gone, timeline: 2 },
      { config: aConfig({ slots: new Map() }, filter), ...atTerm(29, 1) },
    );
    expect(lostIn(view)).toMatchObject({
      orders: { from: 0x3000n, why: 'it was not on the server that was promoted' },
    });
  });

  test('one that is not declared, too, while another is being made under its name', () => {
    const slots = [aPhysicalSlot(), aLogicalSlot({ confirmedFlushLsn: null, active: true })];
    const config = aConfig({ slots: new Map() }, filter);
    expect(lostIn(withLook('alpha', { slots }, { config }))).toMatchObject({ orders: { from: 0x3000n } });
  });

  test('one that is being made again is lost until it has a position', () => {
    const slots = [aLogicalSlot({ confirmedFlushLsn: null, active: true })];
    expect(lostIn(withLook('alpha', { slots }, { config: aConfig() }))).toHaveProperty('orders');
  });

  test('without a configuration nothing is known to be dropped on purpose', () => {
    const keys = someKeys({ config: null });
    const view = withLook('alpha', gone, { config: null, consul: { contact: { kind: 'good', atMs: 0 }, keys } });
    expect(lostIn(view)).toHaveProperty('orders');
  });

  test('one that is declared stays lost, one that is not is shown for a day', () => {
    const entry = {
      from: 1n,
      why: 'it was dropped on the primary',
      atWallMs: aView('alpha').nowWallMs - 2 * 86_400_000,
    };
    const lost = {
      logical: new Map(),
      lost: new Map([
        ['orders', entry],
        ['old', entry],
      ]),
    };
    expect(Object.keys(lostIn(withLook('alpha', gone, { config: aConfig(), ...atTerm(30, 1, lost) })))).toEqual([
      'orders',
    ]);
  });
});

describe('how soon a change of the status is written', () => {
  const at = (over: Partial<View['memory']>, look: Partial<ServerLook>) => {
    const usual = aView('alpha');
    return withLook('alpha', look, {
      config: aConfig(),
      memory: {
        ...usual.memory,
        lastStatus: published,
        statusWrittenAtMs: usual.nowMs - 1_000,
        ...over,
      },
      consul: { contact: { kind: 'good', atMs: 0 }, keys: someKeys({ status: aKey(published) }) },
    });
  };
  const published = wantedStatus(remembering(aView('alpha', { config: aConfig() })))!;
  const physical = aPhysicalSlot();
  const orders = aLogicalSlot();
  const spent = { statusBudget: { tokens: 0.4, atMs: aView('alpha').nowMs } };
  const ago = (ms: number) => ({ statusWrittenAtMs: aView('alpha').nowMs - ms });
  const cases: readonly (readonly [string, Partial<View['memory']>, Partial<ServerLook>, number])[] = [
    ['nothing', {}, {}, 0],
    ['a position', {}, { slots: [physical, aLogicalSlot({ confirmedFlushLsn: 0x3100n })] }, 1],
    ['a position, budget spent', spent, { slots: [physical, aLogicalSlot({ confirmedFlushLsn: 0x3100n })] }, 0],
    ['a slot more, budget spent', spent, { slots: [physical, orders, aPhysicalSlot({ name: 'new' })] }, 1],
    ['a slot invalidated, budget spent', spent, { slots: [physical, aLogicalSlot({ walStatus: 'lost' })] }, 1],
    ['a standby that came or went', spent, { slots: [aPhysicalSlot({ active: false }), orders] }, 1],
    ['a standby that lost its feedback', spent, { slots: [aPhysicalSlot({ catalogXmin: null }), orders] }, 1],
    ['an xid, soon', {}, { slots: [physical, aLogicalSlot({ catalogXmin: 701 })] }, 0],
    ['an xid, later', ago(5_000), { slots: [physical, aLogicalSlot({ catalogXmin: 701 })] }, 1],
    ['only the optime, soon', ago(9_999), { currentLsn: 0x5001n }, 0],
    ['only the optime, later', ago(10_000), { currentLsn: 0x5001n }, 1],
    ['a timeline', spent, { timeline: 2 }, 1],
  ];
  test.each(cases)('%s', (_name, memory, look, writes) => {
    expect(actionsOf(at(memory, look), 'publish_status')).toHaveLength(writes);
  });

  test('a status that is gone or unreadable is written at once', () => {
    expect(actionsOf(withKeys('alpha', { status: null }), 'publish_status')).toHaveLength(1);
    expect(actionsOf(withKeys('alpha', { status: aKey<never>(null) }), 'publish_status')).toHaveLength(1);
  });

  test('any part that standbys act on is a change', () => {
    const usual = aStatus();
    expect(statusChange(usual, usual)).toBe('none');
    expect(statusChange(null, usual)).toBe('slots');
    expect(statusChange(usual, aStatusWith({ membersIndex: 51 }))).toBe('slots');
    expect(statusChange(usual, aStatusWith({ logical: reports(['orders', aLogicalReport({ made: true })]) }))).toBe(
      'slots',
    );
    expect(
      statusChange(usual, aStatusWith({ logical: reports(['orders', aLogicalReport({ incarnation: 2n })]) })),
    ).toBe('slots');
  });
});

test('S6: only the holder of the leader key publishes', () => {
  const keys = { leader: aKey('gamma', { session: 'other', modifyIndex: 31 }) };
  for (const kind of ['publish_status', 'publish_history', 'publish_slot_history'] as const) {
    expect(actionsOf(withKeys('alpha', keys), kind)).toEqual([]);
  }
  const stopped = aView('alpha', {
    local: { ...aView('alpha').local, contact: { kind: 'broken', sinceMs: 0, why: '' } },
  });
  expect(actionsOf(stopped, 'publish_status')).toEqual([]);
  expect(holdOf(stopped, 'status')).toBe('this server is not known to be the primary now');
});

test('optime/leader is written only where a member cannot read status', () => {
  const patroni = (version: string | null) => {
    const usual = someKeys().members;
    const member = { ...usual.get('beta')!.value!, extras: null, version };
    return withKeys('alpha', { status: null, members: new Map([...usual, ['old', aKey(member)]]) });
  };
  const legacy = (view: View) => actionsOf(view, 'publish_status')[0]?.legacyOptime;
  expect(legacy(withKeys('alpha', { status: null }))).toBe(false);
  expect(legacy(patroni('2.0.2'))).toBe(true);
  expect(legacy(patroni(null))).toBe(true);
  expect(legacy(patroni('2.1.0'))).toBe(false);
});
