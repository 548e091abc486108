import { describe, expect, test } from 'vitest';
import type { Verdict } from '../../../src/domain/slot.ts';
import { templateName } from '../../../src/domain/template.ts';
import { plan } from '../../../src/plan/plan.ts';
import { nativeWantsSnapshot } from '../../../src/view/native.ts';
import type { View } from '../../../src/view/view.ts';
import { after, later } from '../../support/situations.ts';
import { aSyncedSlot, nativeKeys, nativeLook, onStandby, type NativeSituation } from '../../support/native.ts';
import { aLedger, aLogicalSlot, aPhysicalSlot } from '../../support/turns.ts';

function verdictOf(view: View): Verdict {
  const found = view.verdicts.find((verdict) => verdict.slot === 'orders')!;
  expect(found.method).toBe('native');
  return found.verdict;
}
const reasonOf = (view: View): string => {
  const verdict = verdictOf(view);
  return verdict.kind === 'ready' ? 'ready' : `${verdict.kind}: ${verdict.reason}`;
};
const withLook = (view: View, situation: NativeSituation): View =>
  after(view, [{ kind: 'look', startedAtMs: view.nowMs, look: nativeLook(situation) }]);
const withKeys = (view: View, situation: NativeSituation): View =>
  after(view, [{ kind: 'keys', keys: nativeKeys(situation) }]);
const temporary = { temporary: true, active: true, confirmedFlushLsn: null };

describe('a slot that PostgreSQL synchronises', () => {
  test('is ready when it is persistent, whole and not past the consumer', () => {
    expect(reasonOf(onStandby())).toBe('ready');
    expect(reasonOf(onStandby({ slots: [aSyncedSlot({ confirmedFlushLsn: 0x2800n })] }))).toBe('ready');
  });

  test('is ready only when decoding is known to start right: being persistent is no proof (FACTS 2)', () => {
    const unproven = { ledger: aLedger('beta', { slots: new Map() }) };
    const made = onStandby({ slots: [aSyncedSlot({ snapshotOnDisk: false })], view: unproven });
    expect(reasonOf(made)).toBe(
      'not_ready: decoding may start too late: the snapshot 0-2000.snap is not here, and restart_lsn has not moved yet',
    );
    expect(nativeWantsSnapshot(made)).toBe(true);
    const moved = withLook(made, { slots: [aSyncedSlot({ snapshotOnDisk: false, restartLsn: 0x2400n })] });
    expect(reasonOf(moved)).toBe('ready');
    expect(reasonOf(onStandby({ slots: [aSyncedSlot()], view: unproven }))).toBe('ready');
    const bare = (startsWithoutSnapshot: boolean): View =>
      onStandby({ slots: [aSyncedSlot({ snapshotOnDisk: false, startsWithoutSnapshot })], view: unproven });
    expect(reasonOf(bare(true))).toBe('ready');
    expect(reasonOf(bare(false))).toMatch(/^not_ready: decoding may start too late/);
  });

  test('is not ready when rows that it needs may be gone: a former primary comes back with it', () => {
    const old = aSyncedSlot({ catalogXmin: 650 });
    expect(reasonOf(onStandby({ slots: [old] }))).toBe(
      'not_ready: the physical slot beta on alpha protects catalog rows only from xid 700',
    );
  });

  const cases: readonly (readonly [string, NativeSituation, string])[] = [
    [
      'that is not here names the settings that it waits for',
      { slots: [], settings: { syncReplicationSlots: false, upstreamDatabase: null } },
      "not_ready: PostgreSQL's slot synchronisation needs dbname in primary_conninfo, sync_replication_slots",
    ],
    [
      'that is not here waits for PostgreSQL when all settings are there',
      { slots: [] },
      'not_ready: PostgreSQL has not synchronised it to this standby yet',
    ],
    [
      'is not ready while a slot of its name that PostgreSQL did not make is here',
      { slots: [aLogicalSlot({ failover: true })] },
      "not_ready: PostgreSQL's slot synchronisation is stopped by slots here that it did not make: orders",
    ],
    [
      'is not ready while a physical slot has its name',
      { slots: [aPhysicalSlot({ name: 'orders' })] },
      "not_ready: PostgreSQL's slot synchronisation is stopped by slots here that it did not make: orders",
    ],
    [
      'is not ready while it is temporary because it would begin too early',
      {
        slots: [aSyncedSlot({ ...temporary, restartLsn: 0x2400n, catalogXmin: 744 })],
        report: { restartLsn: 0x2000n, catalogXmin: 739 },
      },
      'not_ready: temporary until its consumer goes on: on the primary it needs WAL from 0/2000 and catalog rows from xid 739, here it begins at 0/2400 and xid 744',
    ],
    [
      'is not ready while it is temporary for no reason that is known',
      { slots: [aSyncedSlot(temporary)] },
      'not_ready: PostgreSQL has not made it persistent yet',
    ],
    [
      'is lost when PostgreSQL invalidated it here',
      { slots: [aSyncedSlot({ invalidation: 'rows_removed' })] },
      'lost: PostgreSQL invalidated it here: rows_removed',
    ],
    [
      'is lost when its WAL is not here',
      { slots: [aSyncedSlot({ walOnDisk: false })] },
      'lost: the WAL at its restart position is not on this standby',
    ],
    [
      'is not ready on another timeline than the primary',
      { timeline: 2 },
      'not_ready: this standby is on timeline 1, the primary on 2',
    ],
  ];
  test.each(cases)('%s', (_name, situation, reason) => {
    expect(reasonOf(onStandby(situation))).toBe(reason);
  });

  test('the xids that it needs are compared on their circle', () => {
    const slots = [aSyncedSlot({ ...temporary, catalogXmin: 5 })];
    expect(reasonOf(onStandby({ slots, report: { catalogXmin: 4_294_967_290 } }))).toContain('xid 4294967290');
    expect(reasonOf(onStandby({ slots, report: { catalogXmin: 6 } }))).toContain('has not made it persistent');
  });
});

describe('a synchronised slot that may be from before', () => {
  const early = { position: 0x2800n };
  const rejoined = onStandby(early);

  test('is not ready while it is past the published position, and ahead when it stays there', () => {
    expect(reasonOf(rejoined)).toContain('not_ready: at 0/3000, while the consumer has confirmed 0/2800');
    expect(verdictOf(later(rejoined, 2_500)).kind).toBe('not_ready');
    expect(reasonOf(later(rejoined, 3_000))).toContain('ahead: at 0/3000, while the consumer has confirmed 0/2800');
  });

  test('is ready when the primary is published to have been where it was first seen', () => {
    expect(verdictOf(withKeys(later(rejoined, 5_000), { position: 0x2fffn })).kind).toBe('ahead');
    const passed = withKeys(rejoined, { position: 0x3000n });
    expect(reasonOf(passed)).toBe('ready');
    // published later than synchronised, and no reason to doubt it again
    expect(reasonOf(withLook(passed, { slots: [aSyncedSlot({ confirmedFlushLsn: 0x3800n })] }))).toBe('ready');
  });

  test('is ready when PostgreSQL moves it on, which it does only when the primary is further', () => {
    expect(reasonOf(withLook(rejoined, { slots: [aSyncedSlot({ confirmedFlushLsn: 0x3001n })] }))).toBe('ready');
  });

  test('is ready at once when it was seen to be made', () => {
    const made = withLook(onStandby({ ...early, slots: [] }), {});
    expect(reasonOf(made)).toBe('ready');
    const persistent = withLook(onStandby({ ...early, slots: [aSyncedSlot(temporary)] }), {});
    expect(reasonOf(persistent)).toBe('ready');
  });

  test('has to be proven again on each timeline', () => {
    const ready = onStandby();
    const switched = withKeys(withLook(ready, { look: { timeline: 2 } }), { timeline: 2, position: 0x2800n });
    expect(reasonOf(switched)).toContain('not_ready: at 0/3000');
    expect(reasonOf(withKeys(switched, { timeline: 2, position: 0x3000n }))).toBe('ready');
  });

  test('stays proven while nobody publishes for a moment', () => {
    const quiet = after(onStandby(), [{ kind: 'keys', keys: { ...nativeKeys(), leader: null } }]);
    expect(quiet.verdicts).toEqual([]);
    expect(reasonOf(withKeys(quiet, early))).toBe('ready');
  });

  test('is forgotten when it is dropped: one of its name that comes later has to be proven too', () => {
    const gone = withLook(onStandby(), { slots: [] });
    expect(gone.memory.native.synced.has('orders')).toBe(false);
  });
});

describe('a record of the running transactions', () => {
  const missing = onStandby({ slots: [] });

  test('is wanted while a slot is missing or temporary, but not for ever', () => {
    expect(nativeWantsSnapshot(missing)).toBe(true);
    expect(nativeWantsSnapshot(onStandby({ slots: [aSyncedSlot(temporary)] }))).toBe(true);
    expect(nativeWantsSnapshot(onStandby())).toBe(false);
    expect(nativeWantsSnapshot(later(missing, 4_900))).toBe(true);
    expect(nativeWantsSnapshot(later(missing, 5_000))).toBe(false);
  });

  test('is wanted again when the slot on the primary begins elsewhere', () => {
    const tired = later(missing, 60_000);
    expect(nativeWantsSnapshot(withKeys(tired, {}))).toBe(false);
    expect(nativeWantsSnapshot(withKeys(tired, { report: { catalogXmin: 701 } }))).toBe(true);
  });

  test('helps nothing while PostgreSQL does not synchronise at all', () => {
    expect(nativeWantsSnapshot(onStandby({ slots: [], settings: { syncReplicationSlots: false } }))).toBe(false);
    expect(nativeWantsSnapshot(onStandby({ slots: [aLogicalSlot()] }))).toBe(false);
    expect(nativeWantsSnapshot(onStandby({ slots: [], report: { failover: false } }))).toBe(false);
    expect(nativeWantsSnapshot(onStandby({ slots: [], report: { invalidation: 'wal_removed' } }))).toBe(false);
  });

  test('is what the member key asks for', () => {
    expect(plan(missing).member.extras?.wantsSnapshot).toBe(true);
    const template = aLogicalSlot({ name: templateName('shop') });
    const made = onStandby({ slots: [aSyncedSlot(), template], config: { slots: new Map() } });
    expect(plan(made).member.extras?.wantsSnapshot).toBe(false);
  });
});
