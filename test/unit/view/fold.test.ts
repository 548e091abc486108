import { describe, expect, test } from 'vitest';
import type { View } from '../../../src/view/view.ts';
import { isUnconfirmed } from '../../../src/view/select.ts';
import {
  aConfig,
  after,
  done,
  failed,
  kindsOf,
  later,
  withKeys,
  withLook,
  type Undated,
} from '../../support/situations.ts';
import {
  aKey,
  aLogicalSlot,
  aMember,
  aStandbyLook,
  aStatus,
  aView,
  nowMs,
  sessionOf,
  someKeys,
} from '../../support/turns.ts';

const status = { kind: 'publish_status', session: sessionOf('alpha'), status: aStatus(), legacyOptime: false } as const;
const member = {
  kind: 'publish_member',
  session: sessionOf('alpha'),
  former: null,
  member: aMember('alpha'),
} as const;
const keysAt = (index: number): Undated => ({ kind: 'keys', keys: someKeys({ index }) });
const look = (startedAtMs: number): Undated => ({ kind: 'look', startedAtMs, look: aStandbyLook() });
const leaderLane = (view: View): boolean => isUnconfirmed(view, 'consul:leader');

describe('what was done is left alone until it is seen', () => {
  test('a write to Consul, until keys at least as new', () => {
    const written = after(aView('alpha'), [done(status, { createIndex: 60, modifyIndex: 120 })]);
    expect(leaderLane(written)).toBe(true);
    expect(leaderLane(after(written, [keysAt(119)]))).toBe(true);
    expect(leaderLane(after(written, [look(written.nowMs + 1)]))).toBe(true);
    expect(leaderLane(after(written, [keysAt(120)]))).toBe(false);
  });

  test('a write that the watch told of before its own answer came is seen already', () => {
    expect(leaderLane(after(aView('alpha'), [keysAt(120), done(status, { createIndex: 60, modifyIndex: 120 })]))).toBe(
      false,
    );
  });

  test('an index that the watch had passed before proves nothing: a Consul without its data counts anew', () => {
    const before = later(after(aView('alpha'), [keysAt(500)]), 1_000);
    const written = after(before, [done(status, { createIndex: 7, modifyIndex: 7 }, 2, before.nowMs)]);
    expect(leaderLane(written)).toBe(true);
    expect(leaderLane(after(written, [keysAt(8)]))).toBe(false);
  });

  test('a write whose index is not known is confirmed by the next look', () => {
    const written = after(aView('alpha'), [done(status, { createIndex: 0, modifyIndex: 0 })]);
    expect(leaderLane(written)).toBe(true);
    expect(leaderLane(after(written, [look(written.nowMs + 1)]))).toBe(false);
  });

  test('nothing is waited for longer than five seconds', () => {
    const written = after(aView('alpha'), [done(status, { createIndex: 60, modifyIndex: 120 })]);
    expect(leaderLane(later(written, 4_999))).toBe(true);
    expect(leaderLane(later(written, 5_000))).toBe(false);
  });

  test('a change of the server, until a look that began after it', () => {
    const advance = { kind: 'advance_logical_slot', slot: 'orders', database: 'shop', target: 1n } as const;
    const moved = after(aView('beta'), [done(advance, 1n)]);
    expect(isUnconfirmed(after(moved, [look(moved.nowMs - 1)]), 'slot:orders')).toBe(true);
    expect(isUnconfirmed(after(moved, [look(moved.nowMs)]), 'slot:orders')).toBe(false);
  });
});

describe('a transaction that was refused', () => {
  const refused = after(aView('alpha'), [failed(status, { refused: true })]);

  test('is no failure: newer keys decide again', () => {
    expect(refused.failures.size).toBe(0);
    expect(leaderLane(refused)).toBe(true);
    expect(leaderLane(after(refused, [look(refused.nowMs + 1)]))).toBe(true);
    expect(leaderLane(after(refused, [keysAt(101)]))).toBe(false);
  });

  test('is tried once a second when no key says why (a lock delay)', () => {
    expect(leaderLane(later(refused, 900))).toBe(true);
    expect(leaderLane(later(refused, 1_000))).toBe(false);
  });

  test('five times a second when nobody holds the leader key', () => {
    const acquire = { kind: 'acquire_leader', session: sessionOf('alpha'), initialize: null } as const;
    const delayed = after(aView('alpha'), [failed(acquire, { refused: true })]);
    expect(leaderLane(later(delayed, 100))).toBe(true);
    expect(leaderLane(later(delayed, 200))).toBe(false);
  });
});

describe('a session that Consul does not know', () => {
  test('is ours no more', () => {
    expect(after(aView('alpha'), [failed(member, { refused: true, sessionDead: true })]).session.kind).toBe('none');
  });

  test('is not ours when it is an earlier one', () => {
    const former = { ...member, session: 'former' };
    expect(after(aView('alpha'), [failed(former, { refused: true, sessionDead: true })]).session.kind).toBe('held');
  });
});

describe('a configuration', () => {
  const config = aConfig();
  const keysWith = (key: ReturnType<typeof aKey<typeof config>> | null): Undated => ({
    kind: 'keys',
    keys: someKeys({ config: key }),
  });
  const configured = after(aView('alpha'), [keysWith(aKey(config))]);

  test('that is wrong changes nothing', () => {
    expect(after(configured, [keysWith(aKey<typeof config>(null, { problem: 'not JSON' }))]).config).toBe(config);
  });

  test('that is gone changes nothing', () => {
    expect(after(configured, [keysWith(null)]).config).toBe(config);
  });
});

test('a promotion is seen once, with what the standby knew last', () => {
  const standby = after(aView('beta'), [look(nowMs + 10)]);
  const primary = aView('alpha').local.look!;
  const promoted = after(standby, [{ kind: 'look', startedAtMs: nowMs + 500, look: { ...primary, timeline: 2 } }]);
  expect(promoted.memory.promotion).toMatchObject({ timeline: 2, before: { timeline: 1 } });
  expect(promoted.memory.promotion?.before.published).toEqual(new Map([['orders', 0x3000n]]));
});

test('contact that breaks keeps the look as a stale one, and says since when', () => {
  const trouble: Undated = { kind: 'server_trouble', trouble: 'timeout', why: 'slow', copyInterrupted: false };
  const broken = after(aView('beta'), [trouble, trouble]);
  expect(broken.local.contact).toEqual({ kind: 'broken', sinceMs: nowMs + 100, why: 'slow' });
  expect(broken.local.look).not.toBeNull();
  expect(broken.verdicts).toEqual([]);
  expect(kindsOf(broken)).not.toContain('advance_logical_slot');
});

test('an overlapping look says nothing of a slot that an action changed meanwhile', () => {
  const view = withLook('beta', { slots: [] });
  const copied = {
    copied: [{ name: 'orders', restartLsn: 0x2000n, snapshot: 'copied' as const }],
    skipped: [],
    downMs: 1,
  };
  const request = { primaryUrl: '', slots: [{ name: 'orders', database: 'shop', plugin: 'pgoutput' }], replace: [] };
  const copy = after({ ...view, ledger: { ...view.ledger!, slots: new Map() } }, [
    done({ kind: 'copy_slots', session: '', request }, copied),
  ]);
  const early: Undated = { kind: 'look', startedAtMs: copy.nowMs - 1, look: aStandbyLook({ slots: [] }) };
  expect(after(copy, [early]).ledger?.slots.get('orders')?.decodable).toBe(true);
  const seen: Undated = { kind: 'look', startedAtMs: copy.nowMs + 1, look: aStandbyLook({ slots: [] }) };
  expect(after(copy, [seen]).ledger?.slots.has('orders')).toBe(false);
});

test('a copy counts as made by slotkeeper when the slot on the primary does', () => {
  const extras = aStatus().extras!;
  const report = { ...extras.logical.get('orders')!, made: true };
  const made = aKey({ ...aStatus(), extras: { ...extras, logical: new Map([['orders', report]]) } });
  const view = after(withKeys('beta', { status: made }), [look(nowMs + 10)]);
  expect(view.ledger?.slots.get('orders')?.made).toBe(true);
  expect(after(view, [keysAt(200), look(nowMs + 500)]).ledger?.slots.get('orders')?.made).toBe(false);
  expect(aLogicalSlot().name).toBe('orders');
});
