import { formatLsn } from '../domain/lsn.ts';

/** A value of the program as JSON: positions in PostgreSQL's text form, maps as objects. */
export function toJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_, part: unknown) => {
      if (typeof part === 'bigint') return formatLsn(part);
      return part instanceof Map ? Object.fromEntries(part as ReadonlyMap<string, unknown>) : part;
    },
    2,
  );
}
