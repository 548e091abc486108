import type { Bid, FailoverRequest, SyncState, Term } from '../../domain/lead.ts';
import { readTimestamp } from '../../domain/timestamp.ts';
import {
  countField,
  describe,
  flagField,
  isArray,
  isObject,
  lsnField,
  parseJson,
  readMap,
  textField,
  timelineField,
  type Complain,
  type Json,
  type JsonObject,
} from './reading.ts';
import { lsnToJson, mapToJson, optionalLsnToJson, withoutNulls } from './writing.ts';

const maxTerms = 200;
const largest = Number.MAX_SAFE_INTEGER;

/**
 * The key `failover`: `{"leader": …, "member": …, "scheduled_at": …}`, or Patroni's older text `leader:member`. Nothing in
 * it, as Patroni leaves it behind, reads as a request that names nobody.
 */
export function decodeFailover(raw: string, complain: Complain): FailoverRequest | null {
  if (/^\s*(?:null)?\s*$/.test(raw)) return { leader: null, candidate: null, scheduledAt: null, force: false };
  if (!/^\s*[[{"]/.test(raw)) {
    const [leader = '', candidate = ''] = raw.split(':');
    const request = {
      leader: readName(leader, complain, 'leader'),
      candidate: readName(candidate, complain, 'member'),
    };
    return { ...request, scheduledAt: null, force: false };
  }
  const value = parseJson(raw, complain, 'an object with leader, member, scheduled_at');
  if (!isObject(value)) return notAnObject(value, complain);
  const scheduledAt = orNull(textField(value, 'scheduled_at', complain));
  if (scheduledAt !== null && readTimestamp(scheduledAt)?.hasZone !== true) {
    // At once instead of at that time would not be what was asked for.
    complain('scheduled_at', describe(scheduledAt), 'a time in ISO 8601 with its zone');
    return null;
  }
  return {
    leader: readName(textField(value, 'leader', complain), complain, 'leader'),
    candidate: readName(textField(value, 'member', complain), complain, 'member'),
    scheduledAt,
    force: flagField(value, 'force', complain) ?? false,
  };
}

export function encodeFailover({ leader, candidate, scheduledAt, force }: FailoverRequest): string {
  return JSON.stringify({
    ...withoutNulls({ leader, member: candidate, scheduled_at: scheduledAt }),
    ...(force ? { force } : {}),
  });
}

/** The key `sync`: `{"leader": …, "sync_standby": "a,b"}`; nothing in it = nobody is synchronous. */
export function decodeSync(raw: string, complain: Complain): SyncState | null {
  if (raw.trim() === '') return { leader: null, standbys: [] };
  const value = parseJson(raw, complain, 'an object with leader and sync_standby');
  if (!isObject(value)) return notAnObject(value, complain);
  const names = (textField(value, 'sync_standby', complain) ?? '').split(',');
  const standbys = names.flatMap((name) => readName(name, complain, 'sync_standby') ?? []);
  return { leader: readName(textField(value, 'leader', complain), complain, 'leader'), standbys };
}

/** `settles`: the version that is to be replaced in any case: Consul takes a write of an equal value for none (FACTS 5). */
export function encodeSync({ leader, standbys }: SyncState, settles: number | null = null): string {
  const value = { leader, sync_standby: standbys.length === 0 ? null : standbys.join(',') };
  return JSON.stringify(settles === null ? value : { ...value, slotkeeper: { settles } });
}

/** The key `failsafe`: `{"<member>": "<URL of its REST API>"}`. */
export function decodeFailsafe(raw: string, complain: Complain): ReadonlyMap<string, string> | null {
  const value = parseJson(raw, complain, 'an object: member → URL');
  if (!isObject(value)) return notAnObject(value, complain);
  return readMap(value, '', (url, _name, place) => {
    if (typeof url === 'string') return url;
    complain(place, describe(url), 'a URL');
    return null;
  });
}

export function encodeFailsafe(members: ReadonlyMap<string, string>): string {
  return JSON.stringify(mapToJson(members, (url) => url));
}

/** The key `slotkeeper/terms`: `[{"term": …, "leader": …, "timeline": …, "from": …}, …]`, oldest first. */
export function decodeTerms(raw: string, complain: Complain): readonly Term[] | null {
  const value = parseJson(raw, complain, 'an array of terms');
  if (value === undefined) return null;
  if (!isArray(value)) {
    complain('', describe(value), 'an array');
    return null;
  }
  return value.flatMap((item, index): readonly Term[] => {
    const place = `term ${index + 1}`;
    const object = isObject(item) ? item : {};
    const term = countField(object, 'term', [0, largest], complain, place);
    const leader = textField(object, 'leader', complain, place);
    if (term === null || leader === null) {
      complain(place, isObject(item) ? 'incomplete' : describe(item), 'an object with term and leader');
      return [];
    }
    const timeline = timelineField(object, 'timeline', complain, place);
    return [{ term, leader, timeline, from: lsnField(object, 'from', complain, place) }];
  });
}

/** Writes the newest terms: what is older says nothing about a server that anybody would still bring back. */
export function encodeTerms(terms: readonly Term[]): string {
  return JSON.stringify(
    terms.slice(-maxTerms).map(({ term, leader, timeline, from }) => ({
      term,
      leader,
      ...withoutNulls({ timeline, from: optionalLsnToJson(from) }),
    })),
  );
}

/** `slotkeeper.bid` of a member key. */
export function readBid(object: JsonObject | null, complain: Complain): Bid | null {
  if (object === null) return null;
  const place = 'slotkeeper.bid';
  const after = countField(object, 'after', [0, largest], complain, place);
  const position = lsnField(object, 'position', complain, place);
  const timeline = timelineField(object, 'timeline', complain, place);
  if (after === null || position === null || timeline === null) return null;
  return {
    after,
    position,
    timeline,
    unreadySlots: countField(object, 'unready_slots', [0, largest], complain, place) ?? 0,
    priority: countField(object, 'priority', [0, largest], complain, place) ?? 1,
    unfit: textField(object, 'unfit', complain, place),
  };
}

export function bidToJson({ after, position, timeline, unreadySlots, priority, unfit }: Bid): JsonObject {
  return {
    after,
    position: lsnToJson(position),
    timeline,
    unready_slots: unreadySlots,
    priority,
    ...withoutNulls({ unfit }),
  };
}

/** `parseJson` has complained of what is no JSON; this complains of JSON that is no object. */
function notAnObject(value: Json | undefined, complain: Complain): null {
  if (value !== undefined) complain('', describe(value), 'an object');
  return null;
}

/** A member's name, as it can stand in a key and on a terminal; null = none is given. */
function readName(text: string | null, complain: Complain, place: string): string | null {
  const name = orNull(text?.trim() ?? null);
  if (name === null || /^[^/\u0000-\u001f\u007f]{1,255}$/.test(name)) return name;
  complain(place, describe(name), "a member's name");
  return null;
}

/** Patroni writes empty texts where it means none. */
function orNull(text: string | null): string | null {
  return text === null || text === '' ? null : text;
}
