import type { Lsn } from '../../domain/lsn.ts';
import type { JsonObject, Json } from './reading.ts';

/**
 * A position as a JSON number of bytes, as Patroni has it. Throws RangeError beyond 2^53-1, where a JSON number is not
 * exact any more (9 PB of WAL since initdb).
 */
export function lsnToJson(lsn: Lsn): number {
  if (lsn < 0n || lsn > BigInt(Number.MAX_SAFE_INTEGER))
    throw new RangeError(
      `position ${lsn} cannot be written as a JSON number: allowed is 0 to 2^53-1 bytes (9 PB of WAL)`,
    );
  return Number(lsn);
}

export function optionalLsnToJson(lsn: Lsn | null): number | null {
  return lsn === null ? null : lsnToJson(lsn);
}

/** A map as an object, sorted by name, so that equal content is equal text. */
export function mapToJson<T>(map: ReadonlyMap<string, T>, write: (value: T) => Json): JsonObject {
  const sorted = [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  // fromEntries defines fields, where an assignment to `__proto__` would set the prototype.
  return Object.fromEntries(sorted.map(([name, value]) => [name, write(value)]));
}

/** Leaves out fields that are null: in Patroni's keys an unknown field is absent. */
export function withoutNulls(fields: Readonly<Record<string, Json>>): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}
