import { describe, expect, test } from 'vitest';
import { anchorName } from '../../../src/domain/template.ts';
import { plan } from '../../../src/plan/plan.ts';
import type { View } from '../../../src/view/view.ts';
import { aSyncedSlot, nativeKeys, nativeLook, onStandby, type NativeSituation } from '../../support/native.ts';
import { actionsOf, after, done, failed, holdOf, kindsOf, later } from '../../support/situations.ts';
import { aLogicalSlot, aPhysicalSlot } from '../../support/turns.ts';

const changesOf = (view: View) => actionsOf(view, 'alter_settings').flatMap((action) => action.changes);
const problemsOf = (view: View): readonly string[] => plan(view).problems.map((problem) => problem.code);
const withLook = (view: View, situation: NativeSituation): View =>
  after(view, [{ kind: 'look', startedAtMs: view.nowMs, look: nativeLook(situation) }]);
const on = { name: 'sync_replication_slots', value: 'on' } as const;
const orphan = aLogicalSlot({ failover: true });
const anchor = aLogicalSlot({ name: anchorName });

describe('a slot that stops the synchronisation of all', () => {
  const held: readonly (readonly [string, NativeSituation, string, string | null])[] = [
    ['in use', { slots: [{ ...orphan, active: true }] }, 'it is in use', 'native_orphan_in_use'],
    ['temporary', { slots: [{ ...orphan, temporary: true }] }, 'it is in use', 'native_orphan_in_use'],
    ['physical', { slots: [aPhysicalSlot({ name: 'orders', active: false })] }, 'physical', 'native_orphan'],
    [
      'ignored',
      { slots: [orphan], config: { ignoreSlots: [{ database: 'shop' }] } },
      'ignore_slots covers it',
      'native_orphan',
    ],
    ['there in pause', { slots: [orphan], config: { pause: true } }, 'the cluster is paused', null],
  ];

  test('is dropped once a copy holds what it held, whatever drop_extra_slots says', () => {
    for (const dropExtraSlots of [true, false]) {
      const view = onStandby({ slots: [orphan], failoverSlots: { dropExtraSlots } });
      expect(actionsOf(view, 'copy_from_template')).toEqual([
        {
          kind: 'copy_from_template',
          slot: anchorName,
          template: 'orders',
          database: 'shop',
          plugin: 'pgoutput',
          target: 0x3000n,
        },
      ]);
      expect(kindsOf(view)).not.toContain('drop_slot');

      const anchored = withLook(view, { slots: [orphan, anchor] });
      expect(actionsOf(anchored, 'drop_slot')).toMatchObject([{ slot: 'orders', type: 'logical' }]);
      expect(kindsOf(anchored)).not.toContain('sync_slots');
      expect(problemsOf(anchored)).not.toContain('native_orphan');
    }
  });

  test.each(held)('is left alone when it is %s', (_name, situation, why, problem) => {
    const view = onStandby(situation);
    for (const kind of ['drop_slot', 'copy_from_template']) expect(kindsOf(view)).not.toContain(kind);
    expect(holdOf(view, 'slot orders')).toContain(why);
    if (problem !== null) expect(problemsOf(view)).toContain(problem);
  });

  test('is left alone while Consul does not answer, or says nothing certain', () => {
    const silent = after(onStandby({ slots: [orphan, anchor] }), [{ kind: 'consul_trouble', why: 'no answer' }]);
    expect(actionsOf(silent, 'drop_slot').map(({ slot }) => slot)).not.toContain('orders');
    expect(holdOf(silent, 'slot orders')).toBe('Consul does not answer');
    expect(kindsOf(onStandby({ slots: [orphan, anchor], timeline: 2 }))).not.toContain('drop_slot');
  });

  test('is dropped before the worker is started that would end at it, where that is sure to be allowed', () => {
    const notYet = { slots: [orphan, anchor], settings: { syncReplicationSlots: false } };
    const view = onStandby(notYet);
    expect(actionsOf(view, 'drop_slot')).toHaveLength(1);
    expect(changesOf(view)).toEqual([]);
    const gone = withLook(view, { ...notYet, slots: [anchor] });
    expect(changesOf(gone)).toMatchObject([{ name: 'sync_replication_slots', value: 'on' }]);
  });

  const switchOn = { kind: 'alter_settings', changes: [on], why: '' } as const;
  test.each([
    [
      'a role that may be refused',
      { look: { privileges: { ...nativeLook().privileges, superuser: false } } },
      (view: View) => view,
    ],
    ['a server that has refused', {}, (view: View) => after(view, [failed(switchOn)])],
    ['a setting that has no effect', {}, (view: View) => after(view, [done(switchOn, null)])],
    [
      'another setting missing',
      { settings: { syncReplicationSlots: false, upstreamDatabase: null } },
      (view: View) => view,
    ],
  ])('is a good copy as long as PostgreSQL may not begin, and stays: %s', (_name, situation, then) => {
    const notYet = { slots: [orphan, anchor], settings: { syncReplicationSlots: false }, ...situation };
    expect(kindsOf(then(onStandby(notYet)))).not.toContain('drop_slot');
  });

  test('is nobody else’s to advance or replace', () => {
    const view = onStandby({ slots: [aLogicalSlot({ confirmedFlushLsn: 0x2800n, invalidation: 'rows_removed' })] });
    const kinds = kindsOf(view);
    for (const kind of ['advance_logical_slot', 'copy_slots', 'copy_from_template', 'take_turn'])
      expect(kinds).not.toContain(kind);
  });
});

describe('the copy that holds what a dropped slot held', () => {
  const isMade = (situation: NativeSituation): boolean => kindsOf(onStandby(situation)).includes('copy_from_template');
  const isDropped = (view: View): boolean => actionsOf(view, 'drop_slot').some((action) => action.slot === anchorName);

  test('is of the oldest one', () => {
    const older = aLogicalSlot({ name: 'sales', catalogXmin: 4_294_967_290 });
    const report = { ...onStandby().consul.keys!.status!.value!.extras!.logical.get('orders')! };
    const view = onStandby({ slots: [orphan] });
    const status = view.consul.keys!.status!;
    const logical = new Map([
      ['orders', report],
      ['sales', report],
    ]);
    const slots = new Map([...status.value!.slots, ['sales', 0x3000n] as const]);
    const value = { ...status.value!, slots, extras: { ...status.value!.extras!, logical } };
    const both = after(view, [
      { kind: 'keys', keys: { ...view.consul.keys!, status: { ...status, value } } },
      { kind: 'look', startedAtMs: view.nowMs, look: nativeLook({ slots: [orphan, older] }) },
    ]);
    expect(actionsOf(both, 'copy_from_template')).toMatchObject([{ slot: anchorName, template: 'sales' }]);
  });

  test('is not made of what holds nothing, or where there is no room', () => {
    expect(isMade({ slots: [{ ...orphan, invalidation: 'rows_removed' }] })).toBe(false);
    expect(isMade({ slots: [{ ...orphan, walOnDisk: false }] })).toBe(false);
    expect(isMade({ slots: [{ ...orphan, catalogXmin: null }] })).toBe(false);
    expect(isMade({ slots: [orphan], settings: { maxReplicationSlots: 1 } })).toBe(false);
    expect(actionsOf(onStandby({ slots: [orphan], settings: { maxReplicationSlots: 1 } }), 'drop_slot')).toHaveLength(
      1,
    );
  });

  test('is done without where making it fails', () => {
    const view = onStandby({ slots: [orphan] });
    const refused = after(view, [failed(actionsOf(view, 'copy_from_template')[0]!)]);
    expect(actionsOf(refused, 'drop_slot')).toMatchObject([{ slot: 'orders' }]);
  });

  test('stays until its successor is there, or nothing has changed for a minute', () => {
    const waiting = onStandby({ slots: [anchor] });
    expect(isDropped(waiting)).toBe(false);
    expect(isDropped(later(waiting, 60_000))).toBe(true);
    expect(isDropped(withLook(waiting, { slots: [anchor, aSyncedSlot({ temporary: true })] }))).toBe(false);
    expect(isDropped(withLook(waiting, { slots: [anchor, aSyncedSlot()] }))).toBe(true);
    // Something else may keep PostgreSQL from making any slot here for as long as nobody looks after it.
    const moving = after(later(waiting, 59_000), [
      { kind: 'keys', keys: nativeKeys({ report: { restartLsn: 0x2f00n }, position: 0x3f00n }) },
    ]);
    expect(isDropped(moving)).toBe(false);
    expect(isDropped(later(moving, 1_000))).toBe(true);
    const busy = withLook(waiting, { slots: [anchor, { ...orphan, active: true }] });
    expect(isDropped(later(busy, 60_000))).toBe(true);
  });

  test('is never told of as a slot of anybody’s', () => {
    expect(onStandby({ slots: [anchor, aSyncedSlot()] }).verdicts.map(({ slot }) => slot)).toEqual(['orders']);
  });
});
