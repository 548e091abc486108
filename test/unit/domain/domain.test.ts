import fc from 'fast-check';
import type { ServerLook } from '../../../src/domain/server.ts';
import { furthestOf } from '../../../src/domain/server.ts';
import { aPrimaryLook, aStandbyLook } from '../../support/turns.ts';
import { describe, expect, test } from 'vitest';
import { keyOf, laneOf } from '../../../src/domain/action.ts';
import { checkStateOf } from '../../../src/domain/check.ts';
import { formatLsn, maxLsn, minLsn, parseLsn, snapshotFileName } from '../../../src/domain/lsn.ts';
import { matchesFilter, matchesLike } from '../../../src/domain/slot-filter.ts';
import type { SlotVerdict, Verdict } from '../../../src/domain/slot.ts';
import { slotNameFromMemberName, slotNamePattern, tableSyncSlotPattern } from '../../../src/domain/slot.ts';
import { tagsFrom } from '../../../src/domain/tags.ts';
import { advanceCanBeStopped, majorOf, versionText } from '../../../src/domain/version.ts';
import { xidPrecedes, xidPrecedesOrEquals } from '../../../src/domain/xid.ts';

describe('lsn', () => {
  const lsn = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

  test('text and back', () => {
    fc.assert(fc.property(lsn, (value) => parseLsn(formatLsn(value)) === value));
    expect(formatLsn(0x16_b374_d848n)).toBe('16/B374D848');
    expect(parseLsn('16/b374d848')).toBe(0x16_b374_d848n);
    expect(formatLsn(0n)).toBe('0/0');
  });

  test('what is not a position is none', () => {
    for (const text of ['', '0', '/', '0/', 'G/0', '0/123456789', ' 0/1', '0/1\n'])
      expect(parseLsn(text)).toBeUndefined();
  });

  test('the order is that of the numbers, not of the text', () => {
    expect(minLsn(parseLsn('9/0')!, parseLsn('10/0')!)).toBe(parseLsn('9/0'));
    fc.assert(fc.property(lsn, lsn, (a, b) => minLsn(a, b) <= maxLsn(a, b) && [a, b].includes(minLsn(a, b))));
  });

  test("a snapshot's name", () => {
    expect(snapshotFileName(0x16_b374_d848n)).toBe('16-B374D848.snap');
  });
});

describe('xid: a circle of 2^32', () => {
  const xid = fc.integer({ min: 3, max: 2 ** 32 - 1 });

  test('each id has two thousand million before it and as many after it', () => {
    fc.assert(
      fc.property(xid, fc.integer({ min: 1, max: 2 ** 31 - 1 }), (from, distance) => {
        const to = (from + distance) % 2 ** 32;
        expect([xidPrecedes(from, to), xidPrecedes(to, from)]).toEqual([true, false]);
      }),
    );
  });

  test('an id does not precede itself', () => {
    fc.assert(fc.property(xid, (id) => !xidPrecedes(id, id) && xidPrecedesOrEquals(id, id)));
  });

  test('across the end of the circle', () => {
    expect(xidPrecedes(4_294_967_290, 5)).toBe(true);
    expect(xidPrecedes(5, 4_294_967_290)).toBe(false);
  });
});

describe('slot names', () => {
  test.each([
    ['alpha', 'alpha'],
    ['PG-1.example', 'pg_1_example'],
    ['a b', 'au0020b'],
    ['é', 'u00e9'],
  ])('%s has the slot %s', (member, slot) => {
    expect(slotNameFromMemberName(member)).toBe(slot);
  });

  test('any member that has a name has a slot name that PostgreSQL takes', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (member) =>
        slotNamePattern.test(slotNameFromMemberName(member)),
      ),
    );
  });

  test("slots of a subscription's first copy", () => {
    expect(tableSyncSlotPattern.test('pg_16389_sync_16384_7300000000000000001')).toBe(true);
    expect(tableSyncSlotPattern.test('pg_orders_sync_1_1')).toBe(false);
  });
});

describe('the filter of slots', () => {
  test.each([
    ['orders', 'orders', true],
    ['orders', 'order', false],
    ['orders', 'ord%', true],
    ['orders', '%s', true],
    ['orders', '_rders', true],
    ['orders', '%x%', false],
    ['a_b', String.raw`a\_b`, true],
    ['axb', String.raw`a\_b`, false],
    ['', '%', true],
    ['', '', true],
    ['a', '', false],
  ])('%s like %s: %s', (text, pattern, expected) => {
    expect(matchesLike(text, pattern)).toBe(expected);
  });

  test('agrees with a regular expression, and is quick whatever the pattern', () => {
    const chars = fc.string({ unit: fc.constantFrom('a', 'b', '%', '_'), maxLength: 12 });
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 }), chars, (text, pattern) => {
        const regex = new RegExp(`^${pattern.replaceAll('%', '.*').replaceAll('_', '.')}$`);
        return matchesLike(text, pattern) === regex.test(text);
      }),
    );
    expect(matchesLike('a'.repeat(2_000), `${'%a'.repeat(500)}%b`)).toBe(false);
  });

  test('any term may match; none matches nothing', () => {
    const slot = { name: 'orders', plugin: 'pgoutput' };
    expect(matchesFilter([], slot)).toBe(false);
    expect(
      matchesFilter(
        [
          { key: 'name', value: 'x' },
          { key: 'plugin', value: 'pgoutput' },
        ],
        slot,
      ),
    ).toBe(true);
    expect(matchesFilter([{ key: 'name', value: '%' }], slot)).toBe(false);
  });
});

describe('versions', () => {
  test('in words', () => {
    expect([majorOf(150_018), versionText(150_018), versionText(110_000)]).toEqual([15, '15.18', '11.0']);
  });

  test.each([
    [110_022, false],
    [120_019, false],
    [130_021, false],
    [130_022, true],
    [150_013, false],
    [150_014, true],
    [170_006, true],
    [180_000, true],
  ])('an advance on %i can be stopped: %s', (version, expected) => {
    expect(advanceCanBeStopped(version)).toBe(expected);
  });
});

describe('tags', () => {
  test.each([
    [{}, false],
    [{ nofailover: true }, true],
    [{ nofailover: false }, false],
    [{ failover_priority: 0 }, true],
    [{ failover_priority: 1 }, false],
    [{ nofailover: false, failover_priority: 0 }, false],
    [{ failover_priority: '-1' }, true],
  ])('nofailover of %o is %s', (raw, expected) => {
    expect(tagsFrom(raw).nofailover).toBe(expected);
  });

  test('nostream and replicatefrom', () => {
    expect(tagsFrom({ nostream: 'yes', replicatefrom: 'beta' })).toMatchObject({
      nostream: true,
      replicatefrom: 'beta',
    });
    expect(tagsFrom({ replicatefrom: '' }).replicatefrom).toBeNull();
    expect(tagsFrom(JSON.parse('{"__proto__": {"nostream": true}}') as Record<string, unknown>).nostream).toBe(false);
  });
});

describe('actions', () => {
  test('every slot has a lane and a name of its own for failures (S5)', () => {
    const drop = (slot: string) => ({ kind: 'drop_slot', slot, type: 'logical', role: 'standby', why: '' }) as const;
    expect(laneOf(drop('a'))).not.toBe(laneOf(drop('b')));
    expect(keyOf(drop('a'))).not.toBe(keyOf(drop('b')));
    expect(laneOf({ kind: 'advance_logical_slot', slot: 'a', database: 'x', target: 1n })).toBe(laneOf(drop('a')));
  });

  test('the renewal of the session waits for no action, and the status for no slot', () => {
    expect(laneOf({ kind: 'release_leader', session: 's' })).toBe('consul:leader');
    expect(laneOf({ kind: 'start_after_copy' })).toBe('server');
  });
});

describe('the check `slots`', () => {
  const verdict = (slot: string, kind: Verdict['kind']): SlotVerdict => ({
    slot,
    type: 'logical',
    verdict: kind === 'ready' ? { kind } : { kind, reason: 'because' },
    position: null,
  });

  test.each([
    [[], 'passing'],
    [['ready'], 'passing'],
    [['ready', 'not_ready'], 'warning'],
    [['orphan'], 'warning'],
    [['ahead'], 'warning'],
    [['not_ready', 'lost', 'ready'], 'critical'],
  ] as const)('%o is %s', (kinds, status) => {
    expect(checkStateOf(kinds.map((kind, i) => verdict(`s${i}`, kind))).status).toBe(status);
  });

  test('names the worst first, and fits into what Consul keeps', () => {
    const many = Array.from({ length: 500 }, (_, i) => verdict(`slot_${i}`, i === 499 ? 'lost' : 'not_ready'));
    const { output } = checkStateOf(many);
    expect(output.split('\n').slice(0, 2)).toEqual(['0 of 500 slots ready', 'slot_499: lost (because)']);
    expect(output).toMatch(/and \d+ more$/);
    expect(output.length).toBeLessThanOrEqual(4_096);
  });
});

describe('the end of the WAL that a server has', () => {
  test.each<[string, ServerLook, bigint | null]>([
    ['a primary: what it has written', aPrimaryLook({ currentLsn: 0x5000n }), 0x5000n],
    ['a standby that replays behind', aStandbyLook({ receivedLsn: 0x5000n, replayedLsn: 0x4000n }), 0x5000n],
    [
      'one that has restarted and streams from an earlier segment',
      aStandbyLook({ receivedLsn: 0x3000n, replayedLsn: 0x4000n }),
      0x4000n,
    ],
    ['one that reads an archive', aStandbyLook({ receivedLsn: null, replayedLsn: 0x4000n }), 0x4000n],
    ['one of which nothing is known', aStandbyLook({ receivedLsn: null, replayedLsn: null }), null],
  ])('%s', (_name, look, expected) => {
    expect(furthestOf(look)).toBe(expected);
  });
});
