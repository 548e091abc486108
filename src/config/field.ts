import { shorten } from '../base/printable.ts';
import { nearest } from './nearest.ts';

/**
 * A small language in which a configuration is declared once: what each value may be, how it is read, and what is said
 * when it is wrong. Every field reads on after a mistake, so that all mistakes are reported at once. (A validation
 * library does this too, at the price of 4 MiB in every agent.)
 */

/** One thing that is wrong in a document, was put right while reading (`adjusted`), or is of no use (`unused`). */
export interface Finding {
  readonly kind: 'missing' | 'type' | 'value' | 'unknown_key' | 'unsupported' | 'adjusted' | 'unused';
  /** From the root of the document; list positions are decimal numbers. */
  readonly path: readonly string[];
  /** The value that was found, shortened and without secrets; null = there is none. */
  readonly found: string | null;
  /** What is allowed; for `adjusted` what is used instead; for `unsupported` a sentence that says so. */
  readonly allowed: string;
  /** Why, where `allowed` does not say it. */
  readonly note?: string;
}

/** Where a field reads, and where it reports. */
export interface Place {
  readonly path: readonly string[];
  /** Nothing found here may be shown. */
  readonly secret: boolean;
  readonly report: (finding: Finding) => void;
}

/** The result of reading something that is wrong, after it was reported. */
export const wrong = Symbol('wrong');

/** Reads one value; undefined and null mean that it is absent. */
export type Field<T> = (value: unknown, place: Place) => T | typeof wrong;

export type Shape<T> = { readonly [K in keyof T]: Field<T[K]> };

/**
 * Keys that the shape does not have are mistakes, or are told as unused unless one is near to a name that is used, or are
 * somebody else's to read.
 */
export type UnknownKeys = 'refuse' | 'tell' | 'leave';

export function child(place: Place, key: string): Place {
  return { ...place, path: [...place.path, key] };
}

/** Reports a value that is wrong. */
export function refuse(place: Place, kind: Finding['kind'], value: unknown, allowed: string): typeof wrong {
  const found = isAbsent(value) ? null : place.secret ? '***' : describeValue(value);
  place.report({ kind, path: place.path, found, allowed });
  return wrong;
}

/** Reports something that is no section, without the value: it is as likely as not a password. */
export function refuseSection(place: Place, value: unknown, allowed: string): typeof wrong {
  place.report({ kind: 'type', path: place.path, found: nameType(value), allowed });
  return wrong;
}

export function isAbsent(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isScalar(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

/** A key's own value: never something that the prototype has. */
export function ownValue(map: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}

/** Absent becomes `fallback`. */
export function optional<T, const F>(field: Field<T>, fallback: F): Field<T | F> {
  return (value, place) => (isAbsent(value) ? fallback : field(value, place));
}

/** Nothing that is found here, or below, is ever shown. */
export function secret<T>(field: Field<T>): Field<T> {
  return (value, place) => field(value, { ...place, secret: true });
}

/** Something that is known but says nothing to slotkeeper. */
export const unused: Field<null> = (value, place) => {
  if (!isAbsent(value)) place.report({ kind: 'unused', path: place.path, found: null, allowed: 'nothing' });
  return null;
};

/** Anything: other programs read it. */
export const anything: Field<null> = () => null;

/** Something that exists elsewhere but not here: absent is the only right value. */
export function unsupported(why: string): Field<null> {
  return (value, place) => {
    if (isAbsent(value)) return null;
    place.report({ kind: 'unsupported', path: place.path, found: 'set', allowed: why });
    return wrong;
  };
}

/** A text. Numbers and truth values are taken as they were written: YAML reads them where a text was meant. */
export function text(allowed: string, accepts: (text: string) => boolean = (it) => it !== ''): Field<string> {
  return (value, place) => {
    if (isAbsent(value)) return refuse(place, 'missing', value, allowed);
    if (!isScalar(value)) return refuse(place, 'type', value, allowed);
    const read = String(value);
    return accepts(read) ? read : refuse(place, 'value', value, allowed);
  };
}

/** A text that a function reads; undefined from it = not allowed. */
export function parsed<T>(allowed: string, parse: (text: string) => T | undefined): Field<T> {
  const field = text(allowed, () => true);
  return (value, place) => {
    const read = field(value, place);
    return read === wrong ? wrong : (parse(read) ?? refuse(place, 'value', value, allowed));
  };
}

export function choice<T extends string>(...values: readonly T[]): Field<T> {
  const allowed = `one of ${values.join(', ')}`;
  return (value, place) => {
    if (isAbsent(value)) return refuse(place, 'missing', value, allowed);
    return values.find((it) => it === value) ?? refuse(place, 'value', value, allowed);
  };
}

/** True and false in every form that Patroni takes. */
export const bool: Field<boolean> = (value, place) => {
  const word = isScalar(value) ? String(value).toLowerCase() : '';
  if (['true', 'on', 'yes', '1'].includes(word)) return true;
  if (['false', 'off', 'no', '0'].includes(word)) return false;
  return refuse(place, isAbsent(value) ? 'missing' : 'value', value, 'true or false (also on/off, yes/no, 1/0)');
};

/** A whole number, also as text, and in hexadecimal as Patroni takes it. */
export function integer(min: number, max: number): Field<number> {
  const allowed = `a whole number from ${min} to ${max}`;
  return (value, place) => {
    if (isAbsent(value)) return refuse(place, 'missing', value, allowed);
    const read = readInteger(value);
    if (read === undefined) return refuse(place, 'type', value, allowed);
    return read >= min && read <= max ? read : refuse(place, 'value', value, allowed);
  };
}

/** Undefined = not a whole number. A fraction is cut off, as Python's `int` does. */
export function readInteger(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? Math.trunc(value) : undefined;
  if (typeof value !== 'string' || !/^\s*(?:[+-]?[0-9]+|0[xX][0-9a-fA-F]+)\s*$/.test(value)) return undefined;
  return Number(value);
}

export function list<T>(item: Field<T>, allowed: string): Field<readonly T[]> {
  return (value, place) => {
    if (isAbsent(value)) return refuse(place, 'missing', value, allowed);
    if (!Array.isArray(value)) return refuse(place, 'type', value, allowed);
    const read: T[] = [];
    for (const [index, it] of value.entries()) {
      const part = item(it, child(place, String(index)));
      if (part !== wrong) read.push(part);
    }
    return read.length === value.length ? read : wrong;
  };
}

/** An object with fixed keys. */
export function object<T extends object>(shape: Shape<T>, unknownKeys: UnknownKeys): Field<T> {
  const names = Object.keys(shape) as (keyof T & string)[];
  return (value, place) => {
    if (isAbsent(value)) return refuse(place, 'missing', value, 'an object');
    if (!isMap(value)) return refuseSection(place, value, 'an object');
    const read: Partial<T> = {};
    let flawed = false;
    for (const name of names) {
      const part = shape[name](ownValue(value, name), child(place, name));
      if (part === wrong) flawed = true;
      else read[name] = part;
    }
    for (const key of Object.keys(value)) {
      if (unknownKeys === 'leave' || names.some((name) => name === key)) continue;
      const near = nearest(key, names);
      if (unknownKeys === 'refuse' || near !== null) flawed = true;
      place.report({
        kind: unknownKeys === 'refuse' || near !== null ? 'unknown_key' : 'unused',
        path: child(place, key).path,
        found: null,
        allowed: names.join(', '),
        ...(near === null ? {} : { note: `did you mean ${near}?` }),
      });
    }
    return flawed ? wrong : (read as T);
  };
}

function nameType(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'string') return 'a text';
  if (typeof value === 'number') return 'a number';
  return typeof value === 'boolean' ? 'true or false' : 'an object';
}

/** A value in a few words. The inside of objects and lists is never shown: it may hold a secret. */
export function describeValue(value: unknown): string {
  if (!isScalar(value)) return nameType(value);
  if (typeof value !== 'string') return String(value);
  return `"${shorten(value.replaceAll(/\/\/\S*@/g, '//***@'))}"`;
}
