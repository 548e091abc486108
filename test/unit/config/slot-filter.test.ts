import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatSlotFilter, parseSlotFilter } from '../../../src/config/slot-filter.ts';
import { matchesFilter, matchesLike } from '../../../src/domain/slot-filter.ts';

describe('a filter in the grammar of pg_failover_slots', () => {
  it.each([
    ['', []],
    ['  ', []],
    ['orders', [{ key: 'name', value: 'orders' }]],
    [
      'name:a, name_like : b% ,plugin:pgoutput',
      [
        { key: 'name', value: 'a' },
        { key: 'name_like', value: 'b%' },
        { key: 'plugin', value: 'pgoutput' },
      ],
    ],
    ['name_like:%', [{ key: 'name_like', value: '%' }]],
    [String.raw`name_like:a\_b%`, [{ key: 'name_like', value: String.raw`a\_b%` }]],
    [String.raw`name_like:a\\`, [{ key: 'name_like', value: String.raw`a\\` }]],
  ])('reads %j', (raw, terms) => {
    expect(parseSlotFilter(raw)).toEqual({ terms, mistakes: [] });
  });

  it.each([
    ['a,,b', 'an empty term'],
    ['a,', 'an empty term'],
    ['name:', 'has no value'],
    ['Orders', '"Orders" is not a slot name'],
    ['app%', 'patterns are written name_like:app%'],
    ['slotkeeper_template_shop', '"slotkeeper_template_shop" is reserved'],
    ['database:x', 'unknown key "database"'],
    ['plugn:x', 'did you mean plugin?'],
    ['name_like:a\\', 'ends with the escape character'],
    [String.raw`name_like:a\\\ `.trim(), 'ends with the escape character'],
  ])('refuses %j', (raw, mistake) => {
    expect(parseSlotFilter(raw).mistakes.join()).toContain(mistake);
  });

  it('survives being written and read', () => {
    const key = fc.constantFrom('name', 'name_like', 'plugin');
    const term = fc.record({ key, value: fc.stringMatching(/^[a-z0-9_]{1,20}$/) });
    fc.assert(
      fc.property(fc.array(term), (terms) => {
        expect(parseSlotFilter(formatSlotFilter(terms))).toEqual({ terms, mistakes: [] });
      }),
    );
  });
});

describe('LIKE', () => {
  it.each([
    ['orders', 'orders', true],
    ['orders', 'order', false],
    ['orders', 'ord%', true],
    ['orders', '%ers', true],
    ['orders', '%d%', true],
    ['orders', '%', true],
    ['', '%', true],
    ['', '', true],
    ['', '_', false],
    ['orders', 'o_d_r_', true],
    ['orders', '______', true],
    ['orders', '_______', false],
    ['a_b', String.raw`a\_b`, true],
    ['axb', String.raw`a\_b`, false],
    ['a%b', String.raw`a\%b`, true],
    ['axb', String.raw`a\%b`, false],
    ['a\\b', String.raw`a\\b`, true],
    ['Orders', 'orders', false],
    ['a.c', 'a.c', true],
    ['abc', 'a.c', false],
    ['aab', '%ab', true],
    ['abcabd', '%ab_', true],
  ])('%j LIKE %j is %j', (text, pattern, matches) => {
    expect(matchesLike(text, pattern)).toBe(matches);
  });

  it('agrees with a regular expression', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '_'), maxLength: 8 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '_', '%'), maxLength: 8 });
    fc.assert(
      fc.property(text, pattern, (value, like) => {
        const regex = new RegExp(`^${like.replaceAll('%', '.*').replaceAll('_', '.')}$`, 's');
        expect(matchesLike(value, like)).toBe(regex.test(value));
      }),
      { numRuns: 2_000 },
    );
  });

  it('takes no pattern more time than the product of both lengths', () => {
    // A regular expression made of this pattern would not end within a lifetime.
    expect(matchesLike('a'.repeat(2_000), `${'%a'.repeat(500)}%b`)).toBe(false);
  });
});

describe('a filter', () => {
  const slot = { name: 'orders', plugin: 'pgoutput' };

  it('matches when one of its terms does', () => {
    expect(matchesFilter(parseSlotFilter('x,plugin:pgoutput').terms, slot)).toBe(true);
    expect(matchesFilter(parseSlotFilter('name_like:ord%').terms, slot)).toBe(true);
    expect(matchesFilter(parseSlotFilter('orders').terms, slot)).toBe(true);
    expect(matchesFilter(parseSlotFilter('order,plugin:wal2json').terms, slot)).toBe(false);
  });

  it('matches nothing when it is empty', () => {
    expect(matchesFilter([], slot)).toBe(false);
  });
});
