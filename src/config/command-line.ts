import type { CommandLine } from '../postgres/settings.ts';
import { isAbsent, refuse, type Field } from './field.ts';

const allowed =
  'a command: words as a shell separates them, with quotes and backslashes, but no variables and no pipes';

/** A program with its arguments in one text, as Patroni takes scripts; no shell runs it. */
export const commandLine: Field<CommandLine> = (value, place) => {
  if (isAbsent(value)) return refuse(place, 'missing', value, allowed);
  if (typeof value !== 'string') return refuse(place, 'type', value, allowed);
  const [program, ...rest] = splitWords(value) ?? [];
  return program === undefined || program === '' ? refuse(place, 'value', value, allowed) : [program, ...rest];
};

/**
 * The words of a text by the rules of a POSIX shell for quotes and backslashes, without anything that a shell would put
 * in their place. Undefined = a quote is not closed, or nothing follows the last backslash.
 */
export function splitWords(text: string): readonly string[] | undefined {
  const words: string[] = [];
  const part = /\s+|'([^']*)'|"((?:[^"\\]|\\[^])*)"|\\([^])|([^\s'"\\]+)/gy;
  let word: string | null = null;
  let end = 0;
  for (const match of text.matchAll(part)) {
    end = match.index + match[0].length;
    const [whole, single, double, escaped, plain] = match;
    const piece = single ?? double?.replaceAll(/\\(["\\$`])/g, '$1') ?? escaped ?? plain;
    if (piece !== undefined) {
      word = (word ?? '') + piece;
    } else if (word !== null && /^\s/.test(whole)) {
      words.push(word);
      word = null;
    }
  }
  if (end < text.length) return undefined;
  return word === null ? words : [...words, word];
}
