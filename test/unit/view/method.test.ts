import { describe, expect, test } from 'vitest';
import { isNativePossible, methodOf } from '../../../src/view/method.ts';
import type { ServerSettings } from '../../../src/domain/server.ts';
import type { Slot } from '../../../src/domain/slot.ts';
import { followedSlots } from '../../../src/view/select.ts';
import type { View } from '../../../src/view/view.ts';
import { aSyncedSlot, nativeLook, onStandby, type NativeSituation } from '../../support/native.ts';
import { actionsOf, after, aStatusWith, kindsOf, later, reports } from '../../support/situations.ts';
import { aKey, aLogicalReport, aLogicalSlot, aStandbyLook, someKeys } from '../../support/turns.ts';

function methodFor(view: View): string {
  const slot = followedSlots(view)?.find(({ name }) => name === 'orders');
  return methodOf(view, view.local.look!, slot!);
}

describe('a former cascade, whose copies are from templates', () => {
  /** It begins later than the marked slot on the primary, of which it is a copy. */
  const copy = aLogicalSlot({ restartLsn: 0x2800n, catalogXmin: 720 });
  const older = aLogicalSlot({ name: 'older', restartLsn: 0x1800n, catalogXmin: 690 });

  test('keeps them as they are while a marked slot on the primary begins before everything that is here', () => {
    const view = onStandby({ slots: [copy] });
    expect(methodFor(view)).toBe('template');
    expect(isNativePossible(view, view.local.look!)).toBe(false);
    for (const kind of ['alter_settings', 'drop_slot', 'sync_slots']) expect(kindsOf(view)).not.toContain(kind);
  });

  test('gives them up once the consumers on the primary have passed the oldest of them', () => {
    const passed = onStandby({ slots: [copy], report: { restartLsn: 0x2800n, catalogXmin: 720 } });
    expect(methodFor(passed)).toBe('native');
    // what they held is held by the anchor before they make way
    expect(actionsOf(passed, 'copy_from_template')).toMatchObject([{ template: 'orders' }]);
  });

  const tooEarly: readonly (readonly [string, NativeSituation])[] = [
    ['it needs older WAL only', { slots: [copy], report: { restartLsn: 0x2000n, catalogXmin: 720 } }],
    ['it needs older catalog rows only', { slots: [copy], report: { restartLsn: 0x2800n, catalogXmin: 719 } }],
    [
      'it needs older rows, on the circle of xids',
      { slots: [copy], report: { restartLsn: 0x2800n, catalogXmin: 4_294_967_290 } },
    ],
    ['it does not say what WAL it needs', { slots: [older, copy], report: { restartLsn: null } }],
    ['it does not say what rows it needs', { slots: [older, copy], report: { catalogXmin: null } }],
    ['an older slot here is dead', { slots: [copy, { ...older, invalidation: 'rows_removed' }] }],
    ['the WAL of an older slot here is gone', { slots: [copy, { ...older, walOnDisk: false }] }],
  ];
  test.each(tooEarly)('%s: too early', (_name, situation) => {
    expect(methodFor(onStandby(situation))).toBe('template');
  });

  const inTime: readonly (readonly [string, NativeSituation])[] = [
    ['any older slot here holds what it needs', { slots: [copy, older] }],
    [
      'PostgreSQL has synchronised some of them already',
      { slots: [copy, aSyncedSlot({ ...copy, name: 'other', synced: true })] },
    ],
    ['there is no copy of it here', { slots: [{ ...copy, name: 'other' }] }],
    ['its copy here is dead', { slots: [{ ...copy, invalidation: 'rows_removed' }] }],
    ['the WAL of its copy is gone', { slots: [{ ...copy, walOnDisk: false }] }],
    ['it is dead on the primary', { slots: [copy], report: { invalidation: 'wal_removed' } }],
  ];
  test.each(inTime)('%s: PostgreSQL takes over', (_name, situation) => {
    expect(methodFor(onStandby(situation))).toBe('native');
  });

  /** It streams from the primary now, and streamed from `gamma` before. */
  const promotedAbove = (
    settings: Partial<ServerSettings>,
    slots: readonly Slot[] = [copy],
    cascadeForMs = 5_000,
  ): View => {
    const now: NativeSituation = { slots, settings, report: { restartLsn: 0x2800n, catalogXmin: 720 } };
    const streaming = aStandbyLook().receiver!;
    const receiver = { ...streaming, senderHost: 'gamma.test' };
    const cascade = onStandby({ ...now, members: [['gamma', {}]], look: { receiver } });
    const lasting = after(later(cascade, 100), [{ kind: 'tick' }], cascadeForMs);
    return after(lasting, [{ kind: 'look', startedAtMs: 0, look: nativeLook(now) }]);
  };

  test('stays as it is for half a minute: it may be a cascade again before long', () => {
    const view = promotedAbove({ syncReplicationSlots: false });
    expect(methodFor(view)).toBe('template');
    expect(methodFor(later(view, 29_000))).toBe('template');
    expect(methodFor(later(view, 30_000))).toBe('native');
  });

  test('one that only had to be told of another primary was none', () => {
    expect(methodFor(promotedAbove({ syncReplicationSlots: false }, [copy], 4_000))).toBe('native');
  });

  test('unless PostgreSQL synchronises already', () => {
    expect(methodFor(promotedAbove({ syncReplicationSlots: true }))).toBe('native');
    const other = aSyncedSlot({ ...copy, name: 'other', synced: true });
    expect(methodFor(promotedAbove({ syncReplicationSlots: false }, [copy, other]))).toBe('native');
  });

  test('a slot that is not marked for PostgreSQL keeps no other from it', () => {
    const logical = reports(
      ['orders', aLogicalReport({ failover: true, restartLsn: 0x2800n, catalogXmin: 720 })],
      ['plain', aLogicalReport({ restartLsn: 0x1000n, catalogXmin: 600 })],
    );
    const positions = new Map([...logical.keys()].map((name) => [name, 0x3000n]));
    const status = aKey(aStatusWith({ logical }, { slots: positions }), { modifyIndex: 60 });
    const look = nativeLook({ slots: [copy, { ...copy, name: 'plain' }] });
    const keys = someKeys({ status });
    const view = after(onStandby(), [
      { kind: 'keys', keys },
      { kind: 'look', startedAtMs: 0, look },
    ]);
    expect(methodFor(view)).toBe('native');
  });
});
