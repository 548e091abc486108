import type { ProgramOption } from '../postgres/managed/settings.ts';
import { child, isAbsent, isMap, refuse, wrong, type Field, type Place } from './field.ts';

const allowed = 'options without their dashes: a list of names and {name: value}, or an object';

/**
 * Options of one of PostgreSQL's programs, as Patroni takes them: a list of names and of objects with one name and its
 * value, or one object. `taken` are those that slotkeeper gives itself.
 */
export function toolOptions(tool: string, taken: readonly string[]): Field<readonly ProgramOption[]> {
  return (value, place) => {
    if (isAbsent(value)) return [];
    if (!Array.isArray(value) && !isMap(value)) return refuse(place, 'type', value, allowed);
    const read: ProgramOption[] = [];
    let flawed = false;
    for (const { name, given, at } of Array.isArray(value) ? listed(value, place) : named(value, place)) {
      const option = name === null ? refuse(at, 'type', given, allowed) : readOption(tool, taken, name, given, at);
      if (option === wrong) flawed = true;
      else read.push(option);
    }
    return flawed ? wrong : read;
  };
}

interface Given {
  /** Null = this is no option. */
  readonly name: string | null;
  /** Null = it has no value. */
  readonly given: unknown;
  readonly at: Place;
}

function listed(entries: readonly unknown[], place: Place): readonly Given[] {
  return entries.map((entry, index): Given => {
    const at = child(place, String(index));
    if (typeof entry === 'string') return { name: entry, given: null, at };
    const [first, ...more] = isMap(entry) ? Object.entries(entry) : [];
    return first === undefined || more.length > 0
      ? { name: null, given: entry, at }
      : { name: first[0], given: first[1], at };
  });
}

/** An empty value takes an option away, as in Patroni. */
function named(map: Readonly<Record<string, unknown>>, place: Place): readonly Given[] {
  return Object.entries(map)
    .filter(([, given]) => !isAbsent(given) && given !== '')
    .map(([name, given]) => ({ name, given, at: child(place, name) }));
}

function readOption(
  tool: string,
  taken: readonly string[],
  name: string,
  given: unknown,
  place: Place,
): ProgramOption | typeof wrong {
  if (!/^[a-z][a-z0-9-]*$/.test(name)) return refuse(place, 'value', name, allowed);
  if (taken.includes(name)) return refuse(place, 'unsupported', name, `slotkeeper gives ${tool} its --${name} itself`);
  if (isAbsent(given)) return { name, value: null };
  if (typeof given === 'string') return { name, value: unquoted(given) };
  if (typeof given === 'number' || typeof given === 'boolean') return { name, value: String(given) };
  return refuse(place, 'type', given, allowed);
}

/** Quotes around a whole value are not part of it. */
function unquoted(value: string): string {
  return /^(["'])(.*)\1$/s.exec(value)?.[2] ?? value;
}
