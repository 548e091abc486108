import type { SlotFilterTerm } from '../domain/config.ts';
import { slotNamePattern } from '../domain/slot.ts';
import { isTemplateName } from '../domain/template.ts';
import { shorten } from '../base/printable.ts';
import { nearest } from './nearest.ts';
import { reservedSlotName } from './names.ts';

const keys: readonly SlotFilterTerm['key'][] = ['name', 'name_like', 'plugin'];

export interface ParsedSlotFilter {
  readonly terms: readonly SlotFilterTerm[];
  /** What is wrong with each term that cannot be used, in words. */
  readonly mistakes: readonly string[];
}

/**
 * Reads a filter in the grammar of pg_failover_slots: terms `key:value` separated by commas, the key one of `name`,
 * `name_like`, `plugin`, and `name` where it is left out. An empty text is a filter that matches nothing.
 */
export function parseSlotFilter(raw: string): ParsedSlotFilter {
  if (raw.trim() === '') return { terms: [], mistakes: [] };
  const terms: SlotFilterTerm[] = [];
  const mistakes: string[] = [];
  for (const part of raw.split(',')) {
    const term = readTerm(part.trim());
    if (typeof term === 'string') mistakes.push(term);
    else terms.push(term);
  }
  return { terms, mistakes };
}

/** The text form of a filter, as `parseSlotFilter` reads it. */
export function formatSlotFilter(terms: readonly SlotFilterTerm[]): string {
  return terms.map((term) => `${term.key}:${term.value}`).join(',');
}

function readTerm(part: string): SlotFilterTerm | string {
  if (part === '') return 'an empty term (two commas in a row, or one at an end)';
  const colon = part.indexOf(':');
  const word = colon < 0 ? 'name' : part.slice(0, colon).trim();
  const value = part.slice(colon + 1).trim();
  const key = keys.find((it) => it === word);
  if (key === undefined) {
    const near = nearest(word, keys);
    const hint = near === null ? '' : ` (did you mean ${near}?)`;
    return `unknown key "${shorten(word)}"${hint} in "${shorten(part)}"`;
  }
  if (value === '') return `"${shorten(part)}" has no value`;
  if (key === 'name' && !slotNamePattern.test(value)) {
    return value.includes('%')
      ? `"${shorten(value)}" is not a slot name; patterns are written name_like:${shorten(value)}`
      : `"${shorten(value)}" is not a slot name`;
  }
  if (key === 'name' && isTemplateName(value)) return `"${shorten(value)}" is reserved: ${reservedSlotName}`;
  // PostgreSQL raises an error for such a pattern.
  if (key === 'name_like' && /(?:^|[^\\])(?:\\\\)*\\$/.test(value)) {
    return `"${shorten(value)}" ends with the escape character`;
  }
  return { key, value };
}
