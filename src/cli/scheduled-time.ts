import { readTimestamp, writeTimestamp } from '../domain/timestamp.ts';
import { UsageError } from './failure.ts';

/**
 * A time as it is given to `--scheduled`, in the form in which it is sent; null = now. Without a zone it is this machine's.
 * Throws UsageError.
 */
export function scheduledTime(given: string | null): string | null {
  if (given === null || given === 'now') return null;
  const time = readTimestamp(given);
  if (time === null)
    throw new UsageError(`--scheduled takes a time such as 2030-01-02T03:04+00:00 or now, not "${given}"`);
  if (time.hasZone) return writeTimestamp(time.atWallMs);
  const local = new Date(new Date(time.atWallMs).toISOString().slice(0, -1));
  return writeTimestamp(local.getTime());
}
