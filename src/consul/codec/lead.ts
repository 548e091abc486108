import type { Bid, FailoverRequest, SyncState, Term } from '../../domain/lead.ts';
import {
  countField,
  describe,
  flagField,
  isArray,
  isObject,
  lsnField,
  parseJson,
  textField,
  timelineField,
  type Complain,
  type JsonObject,
} from './reading.ts';
import { lsnToJson, optionalLsnToJson, withoutNulls } from './writing.ts';

const maxTerms = 200;
const largest = Number.MAX_SAFE_INTEGER;

/** The key `failover`: `{"leader": …, "member": …, "scheduled_at": …}`, or Patroni's older text `leader:member`. */
export function decodeFailover(raw: string, complain: Complain): FailoverRequest | null {
  if (!raw.trimStart().startsWith('{')) {
    const [leader = '', candidate = ''] = raw.split(':');
    return { leader: orNull(leader), candidate: orNull(candidate), scheduledAt: null, force: false };
  }
  const value = parseJson(raw, complain, 'an object with leader, member, scheduled_at');
  if (!isObject(value)) return null;
  return {
    leader: orNull(textField(value, 'leader', complain)),
    candidate: orNull(textField(value, 'member', complain)),
    scheduledAt: orNull(textField(value, 'scheduled_at', complain)),
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
  if (!isObject(value)) return null;
  const standbys = (textField(value, 'sync_standby', complain) ?? '').split(',').map((name) => name.trim());
  return { leader: orNull(textField(value, 'leader', complain)), standbys: standbys.filter((name) => name !== '') };
}

export function encodeSync({ leader, standbys }: SyncState): string {
  return JSON.stringify({ leader, sync_standby: standbys.length === 0 ? null : standbys.join(',') });
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

/** Patroni writes empty texts where it means none. */
function orNull(text: string | null): string | null {
  return text === null || text === '' ? null : text;
}
