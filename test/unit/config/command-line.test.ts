import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { splitWords } from '../../../src/config/command-line.ts';

describe('the words of a command', () => {
  it.each([
    ['', []],
    ['  ', []],
    ['/usr/bin/restore', ['/usr/bin/restore']],
    [' a  b\tc\nd ', ['a', 'b', 'c', 'd']],
    [`a 'b c' "d e"`, ['a', 'b c', 'd e']],
    [`a '' ""`, ['a', '', '']],
    [`--x='a'"b"c`, ['--x=abc']],
    [`a\\ b \\"`, ['a b', '"']],
    [`'a\\b' "a\\b" "a\\"b" "a\\\\b"`, ['a\\b', 'a\\b', 'a"b', 'a\\b']],
    ['$HOME `x` | y > z', ['$HOME', '`x`', '|', 'y', '>', 'z']],
  ])('%j', (text, words) => {
    expect(splitWords(text)).toEqual(words);
  });

  it.each([`'a`, `"a`, `"a\\"`, 'a\\', `a 'b" c`])('%j is not closed', (text) => {
    expect(splitWords(text)).toBeUndefined();
  });

  it('come back from single quotes as they are', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (words) => {
        const text = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
        expect(splitWords(text)).toEqual(words);
      }),
    );
  });
});
