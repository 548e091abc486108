import { describe, expect, test } from 'vitest';
import type { SlotHistoryEntry } from '../../../src/domain/cluster.ts';
import type { Verdict } from '../../../src/domain/slot.ts';
import { wantedSlotHistory } from '../../../src/plan/slot-history.ts';
import type { View } from '../../../src/view/view.ts';
import {
  aConfig,
  actionsOf,
  after,
  done,
  failed,
  holdOf,
  kindsOf,
  statusKey,
  withKeys,
  type Undated,
} from '../../support/situations.ts';
import {
  aKey,
  aLedger,
  aLogicalSlot,
  aMember,
  aPhysicalSlot,
  aPrimaryLook,
  aStandbyLook,
  aView,
  nowMs,
  sessionOf,
  someKeys,
} from '../../support/turns.ts';

const look = (over: Parameters<typeof aPrimaryLook>[0] = {}, atMs = nowMs + 10): Undated => ({
  kind: 'look',
  startedAtMs: atMs,
  look: aPrimaryLook(over),
});

/** `beta`, a standby with `orders`, after it was promoted to timeline 2 and holds the leader key. */
function promoted(verdict: Verdict | null, slots = [aLogicalSlot()], known = aLedger('beta')): View {
  const usual = aView('beta', { config: aConfig() });
  const standing = {
    timeline: 1,
    verdicts: verdict === null ? [] : [{ slot: 'orders', type: 'logical', verdict, position: 0x3000n } as const],
    published: new Map([['orders', 0x3000n]]),
  };
  const keys = someKeys({
    index: 110,
    leader: aKey('beta', { modifyIndex: 109, session: sessionOf('beta') }),
    members: new Map([['beta', someKeys().members.get('beta')!]]),
  });
  const before = { ...usual, ledger: known, memory: { ...usual.memory, standing } };
  return after(before, [look({ slots, timeline: 2 }), { kind: 'keys', keys }]);
}

const lastOf = (entries: readonly SlotHistoryEntry[] | null) => entries?.at(-1);

describe('the record of a promotion', () => {
  test('a ready slot leaves no gap', () => {
    const entry = lastOf(wantedSlotHistory(promoted({ kind: 'ready' })));
    expect(entry).toMatchObject({ timeline: 2, leader: 'beta', gaps: [] });
    expect(entry?.slots.map((slot) => slot.slot)).toEqual(['orders']);
  });

  test('a look into the promotion, the old role on the new timeline, is no verdict', () => {
    const ready = { slot: 'orders', type: 'logical', verdict: { kind: 'ready' }, position: 0x3000n } as const;
    const standing = { timeline: 1, verdicts: [ready], published: new Map([['orders', 0x3000n]]) };
    const usual = aView('beta', { config: aConfig() });
    const halfway = after({ ...usual, memory: { ...usual.memory, standing } }, [
      { kind: 'look', startedAtMs: nowMs + 10, look: aStandbyLook({ timeline: 2, receiver: null }) },
    ]);
    expect(halfway.verdicts).toMatchObject([{ slot: 'orders', verdict: { kind: 'not_ready' } }]);
    expect(halfway.memory.standing).toEqual(standing);
  });

  test('a slot that was not proved usable may have lost everything from its position on', () => {
    const entry = lastOf(wantedSlotHistory(promoted({ kind: 'not_ready', reason: 'no snapshot' })));
    expect(entry?.gaps).toEqual([
      {
        slot: 'orders',
        from: 0x3000n,
        to: null,
        why: 'it was not proved usable when its server was promoted: no snapshot',
      },
    ]);
  });

  test('a slot that was ahead has lost what lies between', () => {
    const entry = lastOf(
      wantedSlotHistory(
        promoted({ kind: 'ahead', reason: 'at 0/3800' }, [aLogicalSlot({ confirmedFlushLsn: 0x3800n })]),
      ),
    );
    expect(entry?.gaps).toMatchObject([{ slot: 'orders', from: 0x3000n, to: 0x3800n }]);
  });

  test('a slot that somebody has made anew before its server was looked at has lost what lies between', () => {
    const slots = [aLogicalSlot({ confirmedFlushLsn: 0x4800n, identity: 'orders#2' })];
    const ledger = aLedger('beta');
    const orders = { ...ledger.slots.get('orders')!, identity: 'orders#1' };
    const known = { ...ledger, slots: new Map([['orders', orders]]) };
    const entry = lastOf(wantedSlotHistory(promoted({ kind: 'ready' }, slots, known)));
    const why = 'it was dropped and made again on the primary';
    expect(entry?.gaps).toEqual([{ slot: 'orders', from: 0x3000n, to: 0x4800n, why }]);
    const same = slots.map((slot) => ({ ...slot, identity: 'orders#1' }));
    expect(lastOf(wantedSlotHistory(promoted({ kind: 'ready' }, same, known)))?.gaps).toEqual([]);
  });

  test('a slot that is missing is lost, recorded once and not made anew', () => {
    const view = promoted({ kind: 'not_ready', reason: 'not on this standby yet' }, []);
    const entry = lastOf(wantedSlotHistory(view));
    expect(entry?.gaps).toEqual([
      { slot: 'orders', from: 0x3000n, to: null, why: 'it was not on the server that was promoted' },
    ]);
    expect(kindsOf(view)).toContain('publish_slot_history');
    expect(kindsOf(view)).not.toContain('create_logical_slot');
  });

  test('a slot that was invalidated by what was replayed last has lost everything, ready as it was', () => {
    const slots = [aLogicalSlot({ invalidation: 'rows_removed' })];
    const entry = lastOf(wantedSlotHistory(promoted({ kind: 'ready' }, slots)));
    expect(entry?.gaps).toEqual([
      { slot: 'orders', from: 0x3000n, to: null, why: 'PostgreSQL invalidated it: rows_removed' },
    ]);
  });

  test('once written it is not written again', () => {
    const view = promoted({ kind: 'not_ready', reason: 'not on this standby yet' }, []);
    const action = actionsOf(view, 'publish_slot_history')[0]!;
    const keys = { ...view.consul.keys!, index: 120, slotHistory: aKey(action.slotHistory, { modifyIndex: 120 }) };
    const written = after(view, [done(action, { createIndex: 120, modifyIndex: 120 }), { kind: 'keys', keys }]);
    expect(wantedSlotHistory(written)).toBeNull();
    expect(actionsOf(written, 'publish_status')[0]?.status.extras?.lost.has('orders')).toBe(true);
  });

  test('of a run of the agent that did not see it is made from what the earlier run has told', () => {
    const former = aMember('beta', {
      slots: new Map([
        [
          'orders',
          { slot: 'orders', type: 'logical', verdict: { kind: 'not_ready', reason: 'no snapshot' }, position: 0x2000n },
        ],
      ]),
    });
    const keys = someKeys({
      index: 110,
      leader: aKey('beta', { modifyIndex: 109, session: sessionOf('beta') }),
      members: new Map([['beta', aKey(former, { session: 'former' })]]),
    });
    const started = aView('beta', { config: aConfig() });
    const blank = { ...started, consul: { ...started.consul, keys: null }, local: { ...started.local, look: null } };
    const view = after(blank, [{ kind: 'keys', keys }, look({ slots: [aLogicalSlot()], timeline: 2 })]);
    const entry = lastOf(wantedSlotHistory(view));
    expect(entry?.slots).toMatchObject([{ slot: 'orders', position: 0x2000n }]);
    expect(entry?.gaps).toMatchObject([{ slot: 'orders', from: 0x3000n, to: null, why: /no snapshot/ }]);
    const action = actionsOf(view, 'publish_slot_history')[0]!;
    const next = { ...keys, index: 120, slotHistory: aKey(action.slotHistory, { modifyIndex: 120 }) };
    const written = after(view, [done(action, { createIndex: 120, modifyIndex: 120 }), { kind: 'keys', keys: next }]);
    expect(wantedSlotHistory(written)).toBeNull();
  });

  test('a demotion before it was written takes it back', () => {
    const view = after(promoted({ kind: 'ready' }), [{ kind: 'look', startedAtMs: nowMs + 500, look: aStandbyLook() }]);
    expect(view.memory.promotion).toBeNull();
  });
});

describe('a slot that was made anew on the primary', () => {
  /** The leader with `orders` declared, which looks again and again. */
  const leader = (): View =>
    after(aView('alpha', { config: aConfig() }), [
      { kind: 'keys', keys: someKeys({ config: aKey(aConfig()) }) },
      look(),
    ]);
  const gone = look({ slots: [aPhysicalSlot()] });
  const again = look({ slots: [aPhysicalSlot(), aLogicalSlot({ confirmedFlushLsn: 0x4800n, restartLsn: 0x4700n })] });
  const building = look({ slots: [aPhysicalSlot(), aLogicalSlot({ confirmedFlushLsn: null, active: true })] });
  const gap = { slot: 'orders', from: 0x3000n, to: 0x4800n, why: 'it was dropped and made again on the primary' };
  const recorded = (view: View): View => {
    const keys = { ...view.consul.keys!, index: 130, slotHistory: aKey(wantedSlotHistory(view)) };
    return after(view, [{ kind: 'keys', keys }]);
  };

  test('leaves a gap from the last position to the first new one', () => {
    expect(lastOf(wantedSlotHistory(after(leader(), [gone, again])))?.gaps).toEqual([gap]);
  });

  test('leaves a gap also when making it takes longer than a look', () => {
    expect(lastOf(wantedSlotHistory(after(leader(), [gone, building, building, again])))?.gaps).toEqual([gap]);
  });

  const otherSlots = [
    aPhysicalSlot(),
    aLogicalSlot({ confirmedFlushLsn: 0x4800n, restartLsn: 0x4700n, identity: 'orders#2' }),
  ];
  const other = look({ slots: otherSlots });

  test('is recognised by what it is, not by its name: between two looks, and while the agent was down', () => {
    expect(lastOf(wantedSlotHistory(after(leader(), [other])))?.gaps).toEqual([gap]);
    const remembered = aLedger('alpha');
    const orders = { ...remembered.slots.get('orders')!, identity: 'orders#1' };
    const started = aView('alpha', { config: aConfig(), ledger: null, savedLedger: null });
    const informed = after({ ...started, local: { ...started.local, look: null } }, [
      { kind: 'keys', keys: someKeys({ config: aKey(aConfig()) }) },
      other,
      { kind: 'ledger', ledger: { ...remembered, slots: new Map([['orders', orders]]) } },
    ]);
    const view = after(informed, [other]);
    for (const each of [informed, view]) expect(lastOf(wantedSlotHistory(each))?.gaps).toEqual([gap]);
    // Until the cluster has been told, the agent's next run must be able to tell as well.
    expect(view.ledger?.slots.get('orders')?.identity).toBe('orders#1');
    const { status } = actionsOf(recorded(view), 'publish_status')[0]!;
    const told = after(view, [{ kind: 'keys', keys: someKeys({ status: aKey(status) }) }, other]);
    expect(told.ledger?.slots.get('orders')?.identity).toBe('orders#2');
  });

  test('is not taken for what the ledger knew by a run that never reads anything from Consul', () => {
    const remembered = aLedger('alpha');
    const orders = { ...remembered.slots.get('orders')!, identity: 'orders#1' };
    const started = aView('alpha', { config: null, ledger: null, savedLedger: null });
    const cutOff = { ...started, local: { ...started.local, look: null }, consul: { ...started.consul, keys: null } };
    const ledger = { ...remembered, slots: new Map([['orders', orders]]) };
    const view = after(cutOff, [other, { kind: 'ledger', ledger }, other, gone]);
    expect(view.ledger?.slots.get('orders')?.identity).toBe('orders#1');
  });

  test('is not told of in the status before its gap is on record, also when recording it fails', () => {
    const view = after(leader(), [other]);
    const [record] = actionsOf(view, 'publish_slot_history');
    const refused = after(view, [failed(record!), look({ slots: otherSlots }, view.nowMs + 200)]);
    expect(kindsOf(refused)).not.toContain('publish_slot_history');
    for (const each of [view, refused]) {
      expect(kindsOf(each)).not.toContain('publish_status');
      expect(holdOf(each, 'status')).toContain('slot_history');
    }
    expect(kindsOf(recorded(refused))).toContain('publish_status');
  });

  test('whose identity cannot be looked at is taken for the same', () => {
    const unseen = look({ slots: [aPhysicalSlot(), aLogicalSlot({ confirmedFlushLsn: 0x4800n, identity: null })] });
    expect(wantedSlotHistory(after(leader(), [unseen]))).toBeNull();
  });

  test('has an incarnation of its own that stays the same while it moves', () => {
    const moved = look({ slots: [aLogicalSlot({ confirmedFlushLsn: 0x4900n })] });
    const view = recorded(after(leader(), [gone, building, again, moved]));
    expect(actionsOf(view, 'publish_status')[0]?.status.extras?.logical.get('orders')?.incarnation).toBe(0x4800n);
  });

  test('a slot that only moved leaves none', () => {
    const moved = look({ slots: [aPhysicalSlot(), aLogicalSlot({ confirmedFlushLsn: 0x4900n })] });
    expect(wantedSlotHistory(after(leader(), [moved]))).toBeNull();
  });

  test('after PostgreSQL invalidated it: shown, recorded, and dropped for a new one only when asked to', () => {
    const dead = look({ slots: [aPhysicalSlot(), aLogicalSlot({ invalidation: 'wal_removed' })] });
    const invalidated = (config: ReturnType<typeof aConfig>): View =>
      after(aView('alpha', { config }), [
        { kind: 'keys', keys: someKeys({ config: aKey(config) }) },
        dead,
        { kind: 'ledger', ledger: aLedger('alpha', { slots: new Map() }) },
      ]);
    const kept = invalidated(aConfig());
    expect(kept.verdicts).toMatchObject([{ slot: 'orders', verdict: { kind: 'lost' } }]);
    const lost = { slot: 'orders', from: 0x3000n, to: null, why: 'PostgreSQL invalidated it: wal_removed' };
    expect(lastOf(wantedSlotHistory(kept))?.gaps).toEqual([lost]);
    expect(kindsOf(kept)).not.toContain('drop_slot');
    const recreating = invalidated(aConfig({}, { recreateLost: true }));
    expect(kindsOf(recreating)).not.toContain('drop_slot');
    const [record] = actionsOf(recreating, 'publish_slot_history');
    const keys = { ...recreating.consul.keys!, index: 130, slotHistory: aKey(record!.slotHistory) };
    expect(actionsOf(after(recreating, [{ kind: 'keys', keys }]), 'drop_slot')).toMatchObject([{ slot: 'orders' }]);
  });

  test('is made by slotkeeper only when asked to, and only after the loss is on record', () => {
    const recreate = aConfig({}, { recreateLost: true });
    const lost = new Map([['orders', { from: 0x3000n, why: 'it was dropped on the primary', atWallMs: 0 }]]);
    const situation = (config: View['config'], slotHistory: readonly SlotHistoryEntry[]) => {
      const keys = someKeys({
        status: statusKey({ logical: new Map(), lost }),
        slotHistory: aKey(slotHistory),
        config: aKey(config),
      });
      const view = withKeys('alpha', keys, { config });
      return after(view, [{ kind: 'keys', keys }, gone]);
    };
    const record = {
      timeline: 1,
      leader: 'alpha',
      timestamp: '2026-01-02T03:04:05.000Z',
      slots: [],
      gaps: [{ slot: 'orders', from: 0x3000n, to: null, why: 'it was dropped on the primary' }],
    };
    expect(kindsOf(situation(aConfig(), [record]))).not.toContain('create_logical_slot');
    expect(kindsOf(situation(recreate, []))).not.toContain('create_logical_slot');
    expect(kindsOf(situation(recreate, []))).toContain('publish_slot_history');
    expect(kindsOf(situation(recreate, [record]))).toContain('create_logical_slot');
  });
});
