import type { Lsn } from '../../domain/lsn.ts';
import type { Xid } from '../../domain/xid.ts';

/** JSON's own types, after `parseJson`. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [field: string]: Json;
}

/**
 * Takes note of something that cannot be used: where it is inside the value, what was found and what is allowed. Every
 * reader below says what it refuses and returns null, so that one bad part never hides the rest.
 */
export type Complain = (place: string, found: string, allowed: string) => void;

/** Consul takes 512 KiB by default and can be told to take more; nothing slotkeeper or Patroni writes is as large. */
const maxCharacters = 1024 * 1024;
const maxDepth = 32;
const maxComplaints = 4;

/**
 * Runs `read` and puts what it complained of into one sentence, bounded, that starts with the key's name; null = it did
 * not complain. Whatever `read` throws on hostile input is such a complaint too.
 */
export function readWith<T>(
  key: string,
  read: (complain: Complain) => T | null,
): { readonly value: T | null; readonly problem: string | null } {
  const complaints: string[] = [];
  let left = 0;
  const complain: Complain = (place, found, allowed) => {
    if (complaints.length < maxComplaints)
      complaints.push(`${place === '' ? '' : `${place} `}is ${found}, allowed is ${allowed}`);
    else left += 1;
  };
  let value: T | null = null;
  try {
    value = read(complain);
  } catch (error) {
    // For instance a stack that ran out: no value below the prefix may take the agent down.
    complain(
      '',
      `not readable (${error instanceof Error ? error.name : 'unknown error'})`,
      'a value of the known form',
    );
  }
  if (complaints.length === 0) return { value, problem: null };
  const more = left === 0 ? '' : `; and ${left} more`;
  return { value, problem: `key ${shorten(key, 120)}: ${complaints.join('; ')}${more}` };
}

/** Reads JSON; undefined (after a complaint) when the text is not JSON, or larger or deeper than any honest value. */
export function parseJson(text: string, complain: Complain, allowed: string): Json | undefined {
  if (text.length > maxCharacters) {
    complain('', `${text.length} characters long`, `at most ${maxCharacters}`);
    return undefined;
  }
  if (isDeeperThan(text, maxDepth)) {
    complain('', `nested deeper than ${maxDepth}`, allowed);
    return undefined;
  }
  try {
    return JSON.parse(text) as Json;
  } catch {
    complain('', `not JSON: ${describe(text)}`, allowed);
    return undefined;
  }
}

/** Looks at brackets outside of strings only: recursive readers must never meet a value that exhausts the stack. */
function isDeeperThan(text: string, limit: number): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i += 1) {
    const char = text.charAt(i);
    if (inString) {
      if (char === '\\') i += 1;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === '{' || char === '[') {
      depth += 1;
      if (depth > limit) return true;
    } else if (char === '}' || char === ']') depth -= 1;
  }
  return false;
}

/** A short form of a found value for a sentence that people read. */
export function describe(found: Json | undefined): string {
  if (found === undefined) return 'missing';
  if (typeof found === 'string') return JSON.stringify(shorten(found, 60));
  if (isArray(found)) return `an array of ${found.length}`;
  return isObject(found) ? 'an object' : String(found);
}

function shorten(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}…`;
}

export function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !isArray(value);
}

/** The own field of that name; `__proto__` and the like are never inherited. Null in JSON counts as absent. */
export function fieldOf(object: JsonObject, name: string): Json | undefined {
  const value = Object.hasOwn(object, name) ? object[name] : undefined;
  return value === null ? undefined : value;
}

/** `object.name` when it satisfies `is`; null when it is absent, or, after a complaint, when it is something else. */
function optional<T extends Json>(
  object: JsonObject,
  name: string,
  is: (value: Json) => value is T,
  allowed: string,
  complain: Complain,
  place: string,
): T | null {
  const value = fieldOf(object, name);
  if (value === undefined) return null;
  if (is(value)) return value;
  complain(placeIn(place, name), describe(value), allowed);
  return null;
}

export function placeIn(place: string, name: string): string {
  return place === '' ? shorten(name, 80) : `${place}.${shorten(name, 80)}`;
}

export function textField(object: JsonObject, name: string, complain: Complain, place = ''): string | null {
  return optional(object, name, (value) => typeof value === 'string', 'a text', complain, place);
}

export function flagField(object: JsonObject, name: string, complain: Complain, place = ''): boolean | null {
  return optional(object, name, (value) => typeof value === 'boolean', 'true or false', complain, place);
}

export function objectField(object: JsonObject, name: string, complain: Complain, place = ''): JsonObject | null {
  return optional(object, name, isObject, 'an object', complain, place);
}

export function arrayField(object: JsonObject, name: string, complain: Complain, place = ''): readonly Json[] | null {
  return optional(object, name, isArray, 'an array', complain, place);
}

/** A whole number from `least` to `most`. */
export function countField(
  object: JsonObject,
  name: string,
  [least, most]: readonly [number, number],
  complain: Complain,
  place = '',
): number | null {
  const isCount = (value: Json): value is number => isWhole(value) && value >= least && value <= most;
  return optional(object, name, isCount, `a whole number from ${least} to ${most}`, complain, place);
}

export function timelineField(object: JsonObject, name: string, complain: Complain, place = ''): number | null {
  return countField(object, name, [1, 0xffff_ffff], complain, place);
}

export function xidField(object: JsonObject, name: string, complain: Complain, place = ''): Xid | null {
  return countField(object, name, [0, 0xffff_ffff], complain, place);
}

export function lsnField(object: JsonObject, name: string, complain: Complain, place = ''): Lsn | null {
  const value = fieldOf(object, name);
  return value === undefined ? null : readLsn(value, complain, placeIn(place, name));
}

/** A position in bytes: a JSON number, or its digits in a text as some of Patroni's versions wrote it. */
export function readLsn(value: Json | undefined, complain: Complain, place: string): Lsn | null {
  if (isWhole(value) && value >= 0) return BigInt(value);
  if (typeof value === 'string' && /^[0-9]{1,16}$/.test(value) && Number.isSafeInteger(Number(value)))
    return BigInt(value);
  complain(place, describe(value), 'a position in bytes, 0 to 2^53-1');
  return null;
}

function isWhole(value: unknown): value is number {
  // Beyond 2^53 JSON.parse has already rounded: such a number is not what was written.
  return typeof value === 'number' && Number.isSafeInteger(value);
}

/**
 * An object as a map: own fields only, `read` gives null for an entry that is to be left out. Unlike an object the map
 * is safe under any name: PostgreSQL takes a slot that is called `__proto__`.
 */
export function readMap<T>(
  object: JsonObject | null,
  place: string,
  read: (value: Json, name: string, place: string) => T | null,
): ReadonlyMap<string, T> {
  const map = new Map<string, T>();
  for (const [name, value] of Object.entries(object ?? {})) {
    const entry = read(value, name, placeIn(place, name));
    if (entry !== null) map.set(name, entry);
  }
  return map;
}
