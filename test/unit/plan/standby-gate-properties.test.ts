import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Lsn } from '../../../src/domain/lsn.ts';
import type { FailoverSlotsConfig } from '../../../src/domain/config.ts';
import type { PhysicalSlot, Slot } from '../../../src/domain/slot.ts';
import { aGateLook, aGateView, aRun, aStandbySlot, gateConfig, listed, step, written } from '../../support/gate.ts';

/** What happens to one standby from one look to the next. */
const fate = fc.record({
  active: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  keepsUp: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  keepsWal: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
});
const moment = fc.record({
  ms: fc.constantFrom(50, 600, 1_000, 4_000),
  /** Short stretches of the same, else nothing would ever last as long as the grace. */
  times: fc.integer({ min: 1, max: 5 }),
  writtenBytes: fc.constantFrom(0, 0x100, 0x4000),
  fates: fc.tuple(fate, fate, fate),
});
const moments = fc.array(moment, { minLength: 1, maxLength: 8 });
const names = ['beta', 'gamma', 'delta'];

type Moment = typeof moment extends fc.Arbitrary<infer M> ? M : never;

interface Seen {
  readonly waitedFor: readonly string[];
  /** The slots that keep WAL, and those of them that are in use and have all that is written. */
  readonly usable: readonly string[];
  readonly healthy: readonly string[];
  /** For how long the slot has been idle, or lacks something that is written: a consumer may wait for it that long. */
  readonly blockedForMs: (name: string) => number;
}

/** Lives through the moments and looks at each one. */
function live(
  failoverSlots: Partial<FailoverSlotsConfig>,
  history: readonly Moment[],
  check: (seen: Seen) => void,
): void {
  const config = gateConfig({ standbySlotNames: names, ...failoverSlots });
  let run = aRun(aGateView({ config }), aGateLook({ slots: names.map((name) => aStandbySlot(name)) }));
  let end = written;
  const owed = new Map<string, { lsn: Lsn; atMs: number }[]>();
  const idleSince = new Map<string, number>();
  for (const { ms, times, writtenBytes, fates } of history) {
    for (let time = 0; time < times; time += 1) {
      end += BigInt(writtenBytes);
      const atMs = run.view.nowMs + ms;
      const slots = names.map((name, i) => {
        const { active, keepsUp, keepsWal } = fates[i]!;
        const before = physicalIn(run.look.slots, name).restartLsn;
        const restartLsn = active && keepsUp ? end : (before ?? end);
        return aStandbySlot(name, { active, restartLsn: keepsWal ? restartLsn : null });
      });
      for (const { name, active, restartLsn } of slots) {
        if (active) idleSince.delete(name);
        else idleSince.set(name, idleSince.get(name) ?? atMs);
        const behind = [...(owed.get(name) ?? []), { lsn: end, atMs }];
        owed.set(
          name,
          behind.filter(({ lsn }) => restartLsn === null || lsn > restartLsn),
        );
      }
      run = step(run, ms, { currentLsn: end, slots });
      check({
        waitedFor: listed(run),
        usable: namesOf(slots, ({ restartLsn }) => restartLsn !== null),
        healthy: namesOf(slots, ({ active, restartLsn }) => active && restartLsn === end),
        blockedForMs: (name) => {
          const { nowMs } = run.view;
          return nowMs - Math.min(idleSince.get(name) ?? nowMs, owed.get(name)?.[0]?.atMs ?? nowMs);
        },
      });
    }
  }
}

function physicalIn(slots: readonly Slot[], name: string): PhysicalSlot {
  return slots.find((slot): slot is PhysicalSlot => slot.type === 'physical' && slot.name === name)!;
}

function namesOf(slots: readonly PhysicalSlot[], isWanted: (slot: PhysicalSlot) => boolean): string[] {
  return slots.filter(isWanted).map(({ name }) => name);
}

const counts = fc.constantFrom(-1, 0, 1, 2, 3);
const graces = fc.constantFrom(-1, 0, 1, 10);

test('no slot is listed that keeps no WAL', () => {
  const property = fc.property(
    counts,
    graces,
    moments,
    (standbySlotsMinConfirmed, standbySlotsGraceSeconds, history) => {
      live({ standbySlotsMinConfirmed, standbySlotsGraceSeconds }, history, ({ waitedFor, usable }) => {
        expect(usable).toEqual(expect.arrayContaining([...waitedFor]));
      });
    },
  );
  fc.assert(property, { numRuns: 60 });
});

test('with -1, a standby that is dead or confirms nothing blocks nobody for longer than the grace', () => {
  const property = fc.property(fc.constantFrom(0, 1, 10), moments, (standbySlotsGraceSeconds, history) => {
    live({ standbySlotsGraceSeconds }, history, ({ waitedFor, blockedForMs }) => {
      // one that hangs is told from one that is slow only after a second
      const limitMs = Math.max(standbySlotsGraceSeconds, 1) * 1_000;
      for (const name of waitedFor) expect(blockedForMs(name)).toBeLessThan(limitMs);
    });
  });
  fc.assert(property, { numRuns: 60 });
});

test('with -1, every standby that has all that is written is listed', () => {
  const property = fc.property(graces, moments, (standbySlotsGraceSeconds, history) => {
    live({ standbySlotsGraceSeconds }, history, ({ waitedFor, healthy }) => {
      expect(waitedFor).toEqual(expect.arrayContaining([...healthy]));
    });
  });
  fc.assert(property, { numRuns: 60 });
});

test('with N, as many are listed as can be, and nobody waits for a dead one while N are healthy', () => {
  const property = fc.property(fc.integer({ min: 1, max: 3 }), graces, moments, (count, grace, history) => {
    live({ standbySlotsMinConfirmed: count, standbySlotsGraceSeconds: grace }, history, (seen) => {
      expect(seen.waitedFor).toHaveLength(Math.min(count, seen.usable.length));
      const dead = seen.waitedFor.filter((name) => seen.blockedForMs(name) >= 1_000);
      if (seen.healthy.length >= count) expect(dead).toEqual([]);
    });
  });
  fc.assert(property, { numRuns: 60 });
});
