import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoffMs, fractionOf } from '../../../src/base/backoff.ts';
import { equal } from '../../../src/base/equal.ts';
import { describeError } from '../../../src/base/errors.ts';
import { onceForEach } from '../../../src/base/once.ts';
import { printable, shorten } from '../../../src/base/printable.ts';

describe('back-off', () => {
  const policy = { firstMs: 500, factor: 2, maxMs: 10_000 };
  test('grows from the first to the longest wait, spread over its upper half', () => {
    expect([1, 2, 3, 6, 99].map((attempt) => backoffMs(policy, attempt, 0))).toEqual([250, 500, 1_000, 5_000, 5_000]);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5_000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempt, fraction) => {
          const waitMs = backoffMs(policy, attempt, fraction);
          expect(waitMs).toBeGreaterThanOrEqual(policy.firstMs / 2);
          expect(waitMs).toBeLessThanOrEqual(policy.maxMs);
          expect(waitMs).toBeGreaterThanOrEqual(backoffMs(policy, attempt, 0));
        },
      ),
    );
  });

  test('the fraction of a text is fixed, and within [0, 1)', () => {
    expect(fractionOf('alpha')).toBe(fractionOf('alpha'));
    expect(fractionOf('alpha')).not.toBe(fractionOf('beta'));
    fc.assert(fc.property(fc.string(), (text) => fractionOf(text) >= 0 && fractionOf(text) < 1));
  });
});

describe('once for each object', () => {
  test('derives anew only when it is asked about another object than last time', () => {
    const asked: object[] = [];
    const sizeOf = onceForEach((set: ReadonlySet<number>) => {
      asked.push(set);
      return set.size;
    });
    const [one, two] = [new Set([7]), new Set([7, 8])];
    expect([one, one, two, two, one].map(sizeOf)).toEqual([1, 1, 2, 2, 1]);
    expect(asked).toEqual([one, two, one]);
  });

  test('what throws is derived again', () => {
    let fails = true;
    const nameOf = onceForEach((object: { readonly name: string }) => {
      if (fails) throw new Error('not yet');
      return object.name;
    });
    const object = { name: 'orders' };
    expect(() => nameOf(object)).toThrow('not yet');
    fails = false;
    expect(nameOf(object)).toBe('orders');
  });
});

describe('equal', () => {
  const plain = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom(null, true, 0, -1, 'a', 'b', 7n, undefined),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value')),
      fc
        .array(fc.tuple(fc.constantFrom('a', 'b', 'c'), tie('value')), { maxLength: 3 })
        .map((entries) => new Map(entries)),
    ),
  })).value;

  test('a value is equal to its copy, and equality goes both ways', () => {
    fc.assert(fc.property(plain, (value) => equal(value, structuredClone(value))));
    fc.assert(fc.property(plain, plain, (a, b) => equal(a, b) === equal(b, a)));
  });

  const cases: readonly (readonly [unknown, unknown, boolean])[] = [
    [{ a: 1, b: 2 }, { b: 2, a: 1 }, true],
    [{ a: 1, b: undefined }, { a: 1 }, true],
    [
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
      new Map([
        ['b', 2],
        ['a', 1],
      ]),
      true,
    ],
    [new Map([['a', undefined]]), new Map(), false],
    [new Map(), {}, false],
    [[1, 2], [2, 1], false],
    [[], {}, false],
    [1n, 1, false],
    [null, undefined, false],
    [Number.NaN, Number.NaN, true],
  ];
  test.each(cases)('%o and %o: %o', (a, b, expected) => {
    expect(equal(a, b)).toBe(expected);
  });
});

describe('words for what was thrown', () => {
  test('the causes follow, on one line, without repetition', () => {
    const cause = new Error('connect ECONNREFUSED\n  127.0.0.1:8500');
    expect(describeError(new Error('read prefix', { cause }))).toBe('read prefix: connect ECONNREFUSED 127.0.0.1:8500');
    expect(describeError(new Error('same', { cause: new Error('same') }))).toBe('same');
  });

  test('an error without a message says its kind, anything else is unknown', () => {
    expect(describeError(new AggregateError([new Error('v4'), new Error('v6')]))).toBe('v4; v6');
    expect(describeError(new TypeError())).toBe('TypeError');
    expect(describeError({ code: 1 })).toBe('unknown error');
    expect(describeError('text')).toBe('text');
  });

  test('a circle of causes ends', () => {
    const error = new Error('round');
    error.cause = new Error('and round', { cause: error });
    expect(describeError(error).length).toBeLessThan(200);
  });
});

describe('text of others on a terminal', () => {
  test('nothing in it moves the cursor or starts a line', () => {
    expect(printable('a\u001b[2Jb\nc')).toBe('a\\u001b[2Jb\\u000ac');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => !/[\p{Cc}\p{Cf}\u2028\u2029]/u.test(printable(text))),
    );
  });

  test('it is cut at 60 characters', () => {
    expect(shorten('x'.repeat(60))).toHaveLength(60);
    expect(shorten('x'.repeat(61))).toBe(`${'x'.repeat(57)}...`);
  });
});
