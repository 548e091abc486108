import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diffLines } from '../../../src/cli/diff.ts';

const shown = (before: string, after: string) => diffLines(before, after).map(({ mark, text }) => mark + text);

describe('the difference between two texts', () => {
  it('shows three lines around each change', () => {
    const before = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm'];
    const after = before.map((line) => (line === 'e' ? 'E' : line)).filter((line) => line !== 'm');
    expect(shown(before.join('\n'), after.join('\n'))).toEqual([
      ...[' b', ' c', ' d', '-e', '+E', ' f', ' g', ' h'],
      ...[' j', ' k', ' l', '-m'],
    ]);
  });

  it('is empty for equal texts', () => {
    expect(shown('a\nb', 'a\nb')).toEqual([]);
  });

  it('leads from one text to the other', () => {
    const lines = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 5 }).map((it) => it.join('\n'));
    fc.assert(
      fc.property(lines, lines, (before, after) => {
        const marks = diffLines(before, after);
        if (before === after) return;
        // So short that the context shows every line there is.
        const side = (mark: '-' | '+') => marks.filter((it) => it.mark !== mark).map(({ text }) => text);
        expect(before.split('\n').join()).toContain(side('+').join());
        expect(after.split('\n').join()).toContain(side('-').join());
      }),
    );
  });

  it('is found quickly for long texts, if not as small as it could be', () => {
    const many = (word: string) => Array.from({ length: 20_000 }, (_, i) => `${word}${i}`).join('\n');
    expect(diffLines(many('a'), many('b'))).toHaveLength(40_000);
  });
});
