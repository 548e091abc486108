import type { PendingRestart } from '../../domain/managed.ts';
import { describe, isObject, readMap, textField, type Complain, type JsonObject } from './reading.ts';

const place = 'pending_restart_reason';

/** `pending_restart_reason` of a member key, as Patroni writes it; entries that can't be read are left out. */
export function readPendingRestart(object: JsonObject | null, complain: Complain): PendingRestart {
  return readMap(object, place, (value, _name, at) => {
    if (!isObject(value)) {
      complain(at, describe(value), 'an object');
      return null;
    }
    const from = textField(value, 'old_value', complain, at);
    const to = textField(value, 'new_value', complain, at);
    return { from: from ?? '', to: to ?? '' };
  });
}

/** Setting → its value now, and the one that waits for a restart: always texts, since Patroni's tools put them together. */
export function pendingRestartToJson(
  reason: PendingRestart,
): Readonly<Record<string, { readonly old_value: string; readonly new_value: string }>> {
  const sorted = [...reason].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([name, { from, to }]) => [name, { old_value: from, new_value: to }]));
}
