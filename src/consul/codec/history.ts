import type { HistoryEntry, SlotHistoryEntry } from '../../domain/cluster.ts';
import type { Gap, SlotVerdict } from '../../domain/slot.ts';
import {
  arrayField,
  describe,
  fieldOf,
  isArray,
  isObject,
  lsnField,
  parseJson,
  readLsn,
  textField,
  timelineField,
  type Complain,
  type Json,
  type JsonObject,
} from './reading.ts';
import { isSlotName, readSlotVerdict, slotVerdictToJson } from './slot-reports.ts';
import { lsnToJson, optionalLsnToJson } from './writing.ts';

const maxEntries = 100;
const maxBytes = 256 * 1024;

/** The key `history`: `[[timeline, lsn, reason, timestamp?, new leader?], …]`. Lines that cannot be read are left out. */
export function decodeHistory(raw: string, complain: Complain): readonly HistoryEntry[] | null {
  const value = parseJson(raw, complain, 'an array of [timeline, position, reason, …]');
  return readEntries(value, complain, readHistoryLine);
}

export function encodeHistory(history: readonly HistoryEntry[]): string {
  return JSON.stringify(
    history.map(({ timeline, lsn, reason, timestamp, newLeader }) => {
      const line = [timeline, lsnToJson(lsn), reason];
      // As Patroni has it: a line is as long as what is known.
      if (newLeader !== null) return [...line, timestamp, newLeader];
      return timestamp === null ? line : [...line, timestamp];
    }),
  );
}

/** The key `slot_history`: what each promotion did to the slots. Entries that cannot be read are left out. */
export function decodeSlotHistory(raw: string, complain: Complain): readonly SlotHistoryEntry[] | null {
  const value = parseJson(raw, complain, 'an array of promotions');
  return readEntries(value, complain, readPromotion);
}

/** Writes what `boundSlotHistory` leaves of the entries. */
export function encodeSlotHistory(slotHistory: readonly SlotHistoryEntry[]): string {
  return `[${boundSlotHistory(slotHistory).map(promotionText).join(',')}]`;
}

/**
 * The newest entries (the last ones) that fit into the key: at most 100 and 256 KiB of JSON, half of what Consul takes,
 * so that `slot_history` never makes the transaction that records a promotion fail. The newest entry always stays.
 */
export function boundSlotHistory(slotHistory: readonly SlotHistoryEntry[]): readonly SlotHistoryEntry[] {
  const newest = slotHistory.slice(-maxEntries);
  let bytes = 2;
  let kept = 0;
  for (const entry of newest.toReversed()) {
    bytes += new TextEncoder().encode(promotionText(entry)).length + 1;
    if (kept > 0 && bytes > maxBytes) break;
    kept += 1;
  }
  return newest.slice(newest.length - kept);
}

function readEntries<T>(
  value: Json | undefined,
  complain: Complain,
  read: (entry: Json, place: string, complain: Complain) => T | null,
): readonly T[] | null {
  if (value === undefined) return null;
  if (!isArray(value)) {
    complain('', describe(value), 'an array');
    return null;
  }
  return readItems(value, 'entry ', (entry, place) => read(entry, place, complain));
}

/** The items of an array that can be read; `name` and the number, from 1, say which one a complaint is about. */
function readItems<T>(array: readonly Json[], name: string, read: (item: Json, place: string) => T | null): T[] {
  return array.flatMap((item, index) => {
    const entry = read(item, `${name}${index + 1}`);
    return entry === null ? [] : [entry];
  });
}

function readHistoryLine(line: Json, place: string, complain: Complain): HistoryEntry | null {
  if (!isArray(line) || line.length < 3 || line.length > 5) {
    complain(place, describe(line), 'an array of 3 to 5');
    return null;
  }
  const [timeline, position, reason, timestamp, newLeader] = line;
  const lsn = readLsn(position, complain, `${place} position`);
  const number = timelineField({ timeline: timeline ?? null }, 'timeline', complain, place);
  if (lsn === null || number === null || typeof reason !== 'string') {
    complain(place, 'unusable', '[timeline, position in bytes, reason, …]');
    return null;
  }
  return { timeline: number, lsn, reason, timestamp: textOrNull(timestamp), newLeader: textOrNull(newLeader) };
}

function textOrNull(value: Json | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

function readPromotion(value: Json, place: string, complain: Complain): SlotHistoryEntry | null {
  const object = isObject(value) ? value : {};
  const timeline = timelineField(object, 'timeline', complain, place);
  const leader = textField(object, 'leader', complain, place);
  const timestamp = textField(object, 'timestamp', complain, place);
  if (timeline === null || leader === null || timestamp === null) {
    complain(place, isObject(value) ? 'incomplete' : describe(value), 'an object with timeline, leader and timestamp');
    return null;
  }
  const arrayOf = (name: string): readonly Json[] => arrayField(object, name, complain, place) ?? [];
  return {
    timeline,
    leader,
    timestamp,
    slots: readItems(arrayOf('slots'), `${place} slot `, (item, at) => readNamedVerdict(item, at, complain)),
    gaps: readItems(arrayOf('gaps'), `${place} gap `, (item, at) => readGap(item, at, complain)),
  };
}

function readNamedVerdict(value: Json, place: string, complain: Complain): SlotVerdict | null {
  const slot = isObject(value) ? fieldOf(value, 'slot') : undefined;
  return readSlotVerdict(value, typeof slot === 'string' ? slot : '', complain, place);
}

function readGap(value: Json, place: string, complain: Complain): Gap | null {
  const object = isObject(value) ? value : {};
  const slot = textField(object, 'slot', complain, place) ?? '';
  const from = lsnField(object, 'from', complain, place);
  if (!isSlotName(slot, complain, place)) return null;
  if (from === null) {
    complain(place, 'incomplete', 'an object with slot, from and why');
    return null;
  }
  return {
    slot,
    from,
    to: lsnField(object, 'to', complain, place),
    why: textField(object, 'why', complain, place) ?? '',
  };
}

function promotionText(entry: SlotHistoryEntry): string {
  const { timeline, leader, timestamp } = entry;
  const slots = entry.slots.map((verdict): JsonObject => ({ slot: verdict.slot, ...slotVerdictToJson(verdict) }));
  const gaps = entry.gaps.map(({ slot, from, to, why }) => ({
    slot,
    from: lsnToJson(from),
    to: optionalLsnToJson(to),
    why,
  }));
  return JSON.stringify({ timeline, leader, timestamp, slots, gaps });
}
