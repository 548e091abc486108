import type { FailoverSlotsConfig, SlotFilterTerm } from '../domain/config.ts';
import { slotNameFromMemberName } from '../domain/slot.ts';
import type { Field, Place } from './field.ts';
import {
  bool,
  child,
  choice,
  describeValue,
  integer,
  list,
  object,
  optional,
  ownValue,
  isMap,
  refuse,
  text,
  wrong,
} from './field.ts';
import { segment } from './names.ts';
import { parseSlotFilter } from './slot-filter.ts';

const defaultMaxLagBytes = 16 * 1024 * 1024;

/** What the catalogs call a database or an output plugin: any text that fits into the type `name`. */
export const catalogName = (what: string): Field<string> => text(what, (it) => /^[^\p{Cc}]{1,63}$/u.test(it));

const slotFilter: Field<readonly SlotFilterTerm[]> = (value, place) => {
  const grammar = 'terms name:x, name_like:x%, plugin:x, separated by commas; empty = no slot';
  if (typeof value !== 'string') return refuse(place, 'type', value, grammar);
  const { terms, mistakes } = parseSlotFilter(value);
  for (const note of mistakes) {
    place.report({ kind: 'value', path: place.path, found: describeValue(value), allowed: grammar, note });
  }
  return mistakes.length === 0 ? terms : wrong;
};

/** A list of which `read` gives what an entry stands for: two entries that stand for the same are a mistake. */
function distinct(
  entries: Field<readonly string[]>,
  read: (entry: string) => string,
  what: string,
): Field<readonly string[]> {
  return (value, place) => {
    const given = entries(value, place);
    if (given === wrong) return wrong;
    const seen = new Map<string, string>();
    let flawed = false;
    for (const [index, entry] of given.entries()) {
      const before = seen.get(read(entry));
      seen.set(read(entry), entry);
      if (before === undefined) continue;
      flawed = true;
      const note = before === entry ? 'it is there twice' : `it is the same as "${before}"`;
      refuseWithNote(child(place, String(index)), entry, what, note);
    }
    return flawed ? wrong : given;
  };
}

function refuseWithNote(place: Place, value: unknown, allowed: string, note: string): typeof wrong {
  place.report({ kind: 'value', path: place.path, found: describeValue(value), allowed, note });
  return wrong;
}

const templateDatabases = distinct(
  list(catalogName('the name of a database'), 'a list of names of databases'),
  (name) => name,
  'each database once',
);

const standbyNames =
  'all, or names of members or of their physical slots: a list, or one text with commas between them';

/** A member and its physical slot are the same to the gate: it waits for slots. */
const namedStandbys = distinct(
  list(segment('a member or a physical slot'), standbyNames),
  slotNameFromMemberName,
  'each standby once',
);

/** pg_failover_slots takes one text, and an empty one as "no gate"; so does this. */
const standbySlotNames: Field<FailoverSlotsConfig['standbySlotNames']> = (value, place) => {
  const names: unknown = typeof value === 'string' ? value.split(',').map((name) => name.trim()) : value;
  if (!Array.isArray(names)) return refuse(place, 'type', value, standbyNames);
  if (names.every((name) => name === '')) return null;
  if (!names.includes('all')) return namedStandbys(names, place);
  return names.length === 1 ? 'all' : refuseWithNote(place, value, standbyNames, 'all stands alone');
};

const fields = object(
  {
    synchronize_slot_names: optional(slotFilter, null),
    drop_extra_slots: optional(bool, true),
    restart: optional(choice('allow', 'never'), null),
    method: optional(choice('auto', 'file_copy', 'template', 'native'), 'auto'),
    template_databases: optional(templateDatabases, []),
    standby_slot_names: optional(standbySlotNames, null),
    standby_slots_min_confirmed: optional(integer(-1, 100), -1),
    standby_slots_max_lag: optional(integer(0, Number.MAX_SAFE_INTEGER), defaultMaxLagBytes),
    standby_slots_grace: optional(integer(-1, 86_400), 10),
    recreate_lost: optional(bool, false),
  },
  'refuse',
);

/** The section `failover_slots` of the cluster configuration: what is slotkeeper's own there. Absent = all defaults. */
export const failoverSlots: Field<FailoverSlotsConfig> = (value, place) => {
  const read = fields(value ?? {}, place);
  if (read === wrong) return wrong;
  const names = read.standby_slot_names;
  // The gate would wait for ever for a standby that nobody has named.
  if (Array.isArray(names) && read.standby_slots_min_confirmed > names.length) {
    const wanted = isMap(value) ? ownValue(value, 'standby_slots_min_confirmed') : undefined;
    const allowed = `-1 to ${names.length}, the number of names in standby_slot_names`;
    return refuse(child(place, 'standby_slots_min_confirmed'), 'value', wanted, allowed);
  }
  return {
    synchronizeSlotNames: read.synchronize_slot_names,
    dropExtraSlots: read.drop_extra_slots,
    restart: read.restart,
    method: read.method,
    templateDatabases: read.template_databases,
    standbySlotNames: names,
    standbySlotsMinConfirmed: read.standby_slots_min_confirmed,
    standbySlotsMaxLagBytes: read.standby_slots_max_lag,
    standbySlotsGraceSeconds: read.standby_slots_grace,
    recreateLost: read.recreate_lost,
  };
};
