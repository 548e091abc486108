import { describe, expect, test } from 'vitest';
import type { SlotVerdict, Verdict } from '../../../src/domain/slot.ts';
import { slotEventsBetween } from '../../../src/report/slot-events.ts';
import type { View } from '../../../src/view/view.ts';
import { aKey, aStatus, aView, nowMs, nowWallMs, someKeys } from '../../support/turns.ts';

const verdictOf = (slot: string, verdict: Verdict, over: Partial<SlotVerdict> = {}): SlotVerdict => ({
  slot,
  type: 'logical',
  verdict,
  position: 0x3000n,
  ...over,
});
const ready: Verdict = { kind: 'ready' };
const notReady = (reason: string): Verdict => ({ kind: 'not_ready', reason });
const withVerdicts = (...verdicts: SlotVerdict[]): View => aView('beta', { verdicts });

describe('verdicts', () => {
  test.each<[string, View, View, readonly object[]]>([
    [
      'a slot becomes ready',
      withVerdicts(verdictOf('orders', notReady('no snapshot'))),
      withVerdicts(verdictOf('orders', ready)),
      [{ slot: 'orders', from: 'not_ready', to: ready, position: 0x3000n }],
    ],
    [
      'another reason',
      withVerdicts(verdictOf('orders', notReady('no snapshot'))),
      withVerdicts(verdictOf('orders', notReady('no catalog_xmin'))),
      [{ slot: 'orders', from: 'not_ready', to: notReady('no catalog_xmin') }],
    ],
    [
      'the same reason with another position',
      withVerdicts(verdictOf('orders', { kind: 'ahead', reason: 'at 0/3000' })),
      withVerdicts(verdictOf('orders', { kind: 'ahead', reason: 'at 0/3F00' })),
      [],
    ],
    [
      'only the position moves',
      withVerdicts(verdictOf('orders', ready)),
      withVerdicts(verdictOf('orders', ready, { position: 0x4000n })),
      [],
    ],
    [
      'a slot appears',
      withVerdicts(),
      withVerdicts(verdictOf('orders', ready)),
      [{ slot: 'orders', from: null, to: ready }],
    ],
    [
      'a slot goes away',
      withVerdicts(verdictOf('orders', ready)),
      withVerdicts(),
      [{ slot: 'orders', from: 'ready', to: null }],
    ],
  ])('%s', (_what, before, after, expected) => {
    expect(slotEventsBetween(before, after)).toMatchObject(expected);
  });
});

describe('promotion', () => {
  const verdicts = [
    verdictOf('a', ready),
    verdictOf('b', notReady('no snapshot')),
    verdictOf('c', { kind: 'orphan', reason: 'left over' }),
    verdictOf('p', notReady('not created yet'), { type: 'physical' }),
  ];
  const promoted = (timeline: number): View => {
    const view = aView('beta');
    const before = { timeline: timeline - 1, verdicts, published: new Map() };
    return { ...view, memory: { ...view.memory, promotion: { timeline, atWallMs: nowWallMs, before } } };
  };

  test('names the logical slots that were followed and not ready', () => {
    expect(slotEventsBetween(aView('beta'), promoted(2))).toEqual([
      { kind: 'promoted', timeline: 2, slots: 3, unready: [verdicts[1]] },
    ]);
  });

  test('is said once', () => {
    expect(slotEventsBetween(promoted(2), promoted(2))).toEqual([]);
    expect(slotEventsBetween(promoted(2), promoted(3))).toHaveLength(1);
  });
});

describe('lost changes', () => {
  const gap = { slot: 'orders', from: 0x2000n, to: 0x3000n, why: 'it was not ready' };
  const withKeys = (over: Parameters<typeof someKeys>[0]): View =>
    aView('beta', { consul: { contact: { kind: 'good', atMs: nowMs }, keys: someKeys(over) } });
  const recorded = withKeys({
    slotHistory: aKey([{ timeline: 2, leader: 'beta', timestamp: '2026-01-02T03:04:05Z', slots: [], gaps: [gap] }]),
  });
  const status = aStatus();
  const lost = new Map([['orders', { from: 0x2000n, why: 'dropped', atWallMs: nowWallMs }]]);
  const open = withKeys({ status: aKey({ ...status, extras: { ...status.extras!, lost } }) });

  test('a recorded gap is said with its range, and old records are not said at the start', () => {
    expect(slotEventsBetween(withKeys({}), recorded)).toContainEqual({ kind: 'slot_lost', gap });
    expect(slotEventsBetween(recorded, recorded)).toEqual([]);
    expect(slotEventsBetween(null, recorded)).not.toContainEqual({ kind: 'slot_lost', gap });
  });

  test('a slot that is lost now is said, also at the start, and once', () => {
    const said = { kind: 'slot_lost', gap: { slot: 'orders', from: 0x2000n, to: null, why: 'dropped' } };
    expect(slotEventsBetween(withKeys({}), open)).toContainEqual(said);
    expect(slotEventsBetween(null, open)).toContainEqual(said);
    expect(slotEventsBetween(open, open)).toEqual([]);
  });
});
