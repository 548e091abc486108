import type { Tags } from '../../domain/config.ts';
import { tagsFrom } from '../../domain/tags.ts';
import {
  bool,
  child,
  describeValue,
  isAbsent,
  isMap,
  optional,
  ownValue,
  readInteger,
  refuse,
  wrong,
} from '../field.ts';
import type { Field, Place } from '../field.ts';

/** Flags, with the tag that can say the same by a number: the flag counts where both are given. */
const flags: Readonly<Record<string, string | null>> = {
  nofailover: 'failover_priority',
  nosync: 'sync_priority',
  clonefrom: null,
  noloadbalance: null,
  nostream: null,
};
const priorities = ['failover_priority', 'sync_priority'];

/** Any tag may be set. Flags that are off are left out, as Patroni does, unless they answer a priority. */
export const tagsSection: Field<Tags> = (value, place) => {
  if (isAbsent(value)) return tagsFrom({});
  if (!isMap(value)) return refuse(place, 'type', value, 'an object: tag → value');
  const raw: [string, unknown][] = [];
  let flawed = false;
  for (const [tag, given] of Object.entries(value)) {
    const read = readTag(tag, given, child(place, tag));
    const priority = Object.hasOwn(flags, tag) ? (flags[tag] ?? null) : null;
    const answers = priority !== null && readInteger(ownValue(value, priority)) !== undefined;
    if (read === wrong) flawed = true;
    else if (!Object.hasOwn(flags, tag) || read === true || (read === false && answers)) raw.push([tag, read]);
    if (read !== wrong && answers)
      tellContradiction(tag, read === true, ownValue(value, priority), child(place, priority));
  }
  return flawed ? wrong : tagsFrom(Object.fromEntries(raw));
};

function readTag(tag: string, value: unknown, place: Place): unknown {
  if (Object.hasOwn(flags, tag)) return optional(bool, null)(value, place);
  if (isAbsent(value) || !priorities.includes(tag)) return value;
  // As it was given: that is what Patroni publishes.
  const isNumber = readInteger(value) !== undefined;
  return isNumber ? value : refuse(place, 'type', value, 'a whole number; 0 or less: never');
}

function tellContradiction(flag: string, isSet: boolean, priority: unknown, place: Place): void {
  const isNever = (readInteger(priority) ?? 1) <= 0;
  if (isSet === isNever) return;
  const note = `${flag} is ${String(isSet)}`;
  place.report({ kind: 'adjusted', path: place.path, found: describeValue(priority), allowed: flag, note });
}
