import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { identifier, literal } from '../../../src/postgres/sql/quote.ts';

/** What PostgreSQL reads from a constant, by the rules of its manual ("String Constants"). */
function read(text: string): string | undefined {
  const [, escaped, body = ''] = /^ ?(E?)'((?:[^']|'')*)'$/s.exec(text) ?? [];
  const doubled = body.replaceAll("''", "'");
  if (escaped === '') return doubled.includes('\\') ? undefined : doubled;
  return escaped === 'E' && /^(?:[^\\]|\\\\)*$/s.test(doubled) ? doubled.replaceAll('\\\\', '\\') : undefined;
}

describe('text in statements that take no parameters', () => {
  test.each([
    ['two', `'two'`],
    ['a,b', `'a,b'`],
    ['', `''`],
    [`it's`, `'it''s'`],
    [`back\\slash's`, ` E'back\\\\slash''s'`],
  ])('%j', (text, quoted) => {
    expect(literal(text)).toBe(quoted);
  });

  test('is read as it was, whatever is in it', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("'", '\\', 'E', 'a', ' ', '\n') }), (text) => {
        expect(read(literal(text))).toBe(text);
      }),
    );
  });

  test('names', () => {
    expect(identifier('slot_1')).toBe('"slot_1"');
    expect(identifier('a"b; drop')).toBe('"a""b; drop"');
  });
});
