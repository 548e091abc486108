import { readTimestamp, writeTimestamp } from '../../domain/timestamp.ts';

export type Schedule =
  | { readonly kind: 'at'; readonly at: string }
  /** Patroni's status and text for a time that nothing can be scheduled for. */
  | { readonly kind: 'refused'; readonly status: 400 | 422; readonly why: string };

/** Reads the time for which something is asked for: it has to have a zone, and to be still to come. */
export function readSchedule(given: unknown, action: string, nowWallMs: number): Schedule {
  const time = typeof given === 'string' ? readTimestamp(given) : null;
  if (time === null) {
    const why = 'Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601';
    return { kind: 'refused', status: 422, why };
  }
  if (!time.hasZone)
    return { kind: 'refused', status: 400, why: `Timezone information is mandatory for the scheduled ${action}` };
  return time.atWallMs < nowWallMs
    ? { kind: 'refused', status: 422, why: `Cannot schedule ${action} in the past` }
    : { kind: 'at', at: writeTimestamp(time.atWallMs) };
}
