import { describe, expect, test } from 'vitest';
import { noTags } from '../../../src/domain/config.ts';
import { problemsOf } from '../../../src/plan/problems.ts';
import type { View } from '../../../src/view/view.ts';
import {
  aConfig,
  actionsOf,
  after,
  declared,
  done,
  failed,
  holdOf,
  kindsOf,
  withLook,
} from '../../support/situations.ts';
import {
  aKey,
  aLedger,
  aLogicalSlot,
  aPhysicalSlot,
  aPrimaryLook,
  aSelf,
  aView,
  nowMs,
  someKeys,
} from '../../support/turns.ts';

const neverFollowed = { consul: { contact: { kind: 'good', atMs: 0 } as const, keys: someKeys({ status: null }) } };
const empty = (over: Partial<View> = {}, look = {}) =>
  withLook('alpha', { slots: [], ...look }, { config: aConfig(), ...neverFollowed, ...over });
const create = {
  kind: 'create_logical_slot',
  slot: 'orders',
  database: 'shop',
  plugin: 'pgoutput',
  failover: false,
} as const;
const made = (name: string, over = {}) => ({
  ledger: aLedger('alpha', {
    slots: new Map([[name, { made: true, decodable: true, firstRestartLsn: null, incarnation: null, identity: null }]]),
  }),
  ...over,
});

describe('a declared logical slot that is missing', () => {
  const settings = aPrimaryLook().settings;
  const cases: readonly (readonly [string, View, boolean])[] = [
    ['is made', empty(), true],
    ['is there', aView('alpha', { config: aConfig() }), false],
    [
      'is there under another plugin',
      withLook('alpha', { slots: [aLogicalSlot({ plugin: 'test_decoding' })] }, { config: aConfig() }),
      false,
    ],
    ['belongs to a database that is not there', empty({}, { databases: ['postgres'] }), false],
    ['has no room', empty({}, { settings: { ...settings, maxReplicationSlots: 0 } }), false],
    ['cannot be made with that wal_level', empty({}, { settings: { ...settings, walLevel: 'replica' } }), false],
    ['waits for the configuration', empty({ config: null }), false],
    ['waits for the ledger', empty({ ledger: null }), false],
    [
      'waits for the leader key',
      empty({ consul: { contact: { kind: 'good', atMs: 0 }, keys: someKeys({ leader: null }) } }),
      false,
    ],
  ];
  test.each(cases)('%s', (_name, view, isMade) => {
    expect(actionsOf(view, 'create_logical_slot')).toEqual(isMade ? [create] : []);
  });

  test('is tried again at once when the configuration is put right', () => {
    const view = after(empty(), [
      failed(create),
      { kind: 'look', startedAtMs: nowMs + 150, look: aPrimaryLook({ slots: [] }) },
    ]);
    expect(kindsOf(view)).not.toContain('create_logical_slot');
    expect(problemsOf(view).map((problem) => problem.code)).toContain('slot_creation_failed');
    const corrected = aConfig({ slots: new Map([['orders', { ...declared, plugin: 'wal2json' }]]) });
    const keys = { ...view.consul.keys!, index: 130, config: aKey(corrected, { modifyIndex: 130 }) };
    const again = after(view, [{ kind: 'keys', keys }]);
    expect(actionsOf(again, 'create_logical_slot')[0]?.plugin).toBe('wal2json');
  });

  test('is ours once it is made, also when a look has shown it before it was done', () => {
    const started = after(empty(), [{ kind: 'started', action: create }]);
    const seen = after(started, [
      {
        kind: 'look',
        startedAtMs: nowMs + 150,
        look: aPrimaryLook({ slots: [aLogicalSlot({ confirmedFlushLsn: null, active: true })] }),
      },
      done(create, null),
    ]);
    expect(seen.ledger?.slots.get('orders')?.made).toBe(true);
  });
});

describe('what is dropped on a primary (S4)', () => {
  const undeclared = aConfig({ slots: new Map() });
  const knownAs = (identity: string) =>
    aLedger('alpha', {
      slots: new Map([['orders', { made: true, decodable: true, firstRestartLsn: null, incarnation: null, identity }]]),
    });
  const cases: readonly (readonly [string, View, boolean])[] = [
    [
      'a slot that slotkeeper made and that is declared no more',
      aView('alpha', made('orders', { config: undeclared })),
      true,
    ],
    ['one that is declared', aView('alpha', made('orders', { config: aConfig() })), false],
    [
      'one that the filter asks for',
      aView(
        'alpha',
        made('orders', {
          config: aConfig({ slots: new Map() }, { synchronizeSlotNames: [{ key: 'name', value: 'orders' }] }),
        }),
      ),
      false,
    ],
    [
      'one that somebody made anew under its name',
      withLook(
        'alpha',
        { slots: [aLogicalSlot({ identity: 'another' })] },
        { config: undeclared, ledger: knownAs('orders#1'), savedLedger: knownAs('orders#1') },
      ),
      false,
    ],
    ['one that slotkeeper did not make', aView('alpha', { config: undeclared }), false],
    [
      'one in use',
      withLook('alpha', { slots: [aLogicalSlot({ active: true })] }, made('orders', { config: undeclared })),
      false,
    ],
    ['in pause', aView('alpha', made('orders', { config: aConfig({ slots: new Map(), pause: true }) })), false],
    ['without a configuration', aView('alpha', made('orders', { config: null })), false],
    [
      'a physical one that slotkeeper made',
      withLook('alpha', { slots: [aPhysicalSlot({ active: false })] }, made('beta', { config: undeclared })),
      true,
    ],
    ['a physical one that it did not make', aView('alpha', { config: undeclared }), false],
  ];
  test.each(cases)('%s', (_name, view, isDropped) => {
    expect(kindsOf(view).includes('drop_slot')).toBe(isDropped);
  });
});

test('declared physical slots are made everywhere but on the member that they are for', () => {
  const physical = { type: 'physical' } as const;
  const config = aConfig({
    slots: new Map([
      ['alpha', physical],
      ['beta', physical],
      ['archive', physical],
    ]),
  });
  const names = (view: View) => actionsOf(view, 'create_physical_slot').map((action) => action.slot);
  expect(names(withLook('alpha', { slots: [] }, { config }))).toEqual(['archive', 'beta']);
  expect(names(withLook('beta', { slots: [] }, { config }))).toEqual(['alpha', 'archive']);
  const last = aSelf('beta', { tags: { ...noTags, nofailover: true } });
  expect(names(withLook('beta', { slots: [] }, { config, self: last }))).toEqual([]);
});

test('a slot of another kind under a declared name is a conflict that is told', () => {
  const codes = (slots: View['local']['look'] extends infer L ? (L extends { slots: infer S } ? S : never) : never) =>
    problemsOf(withLook('alpha', { slots }, { config: aConfig() })).map((problem) => problem.code);
  expect(codes([aLogicalSlot({ plugin: 'test_decoding' })])).toContain('slot_conflict');
  expect(codes([aPhysicalSlot({ name: 'orders' })])).toContain('slot_conflict');
  expect(
    holdOf(withLook('alpha', { slots: [] }, { config: aConfig(), ...neverFollowed }), 'slot orders'),
  ).toBeUndefined();
});
