import { formatLsn } from '../domain/lsn.ts';

/** Plain JSON for people and programs that read: LSNs as PostgreSQL prints them, Maps as objects, null left out. */
export function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return formatLsn(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return plainObject(Object.fromEntries(value as Map<string, unknown>));
  return typeof value === 'object' && value !== null ? plainObject(value) : value;
}

export function plainObject(object: object): Readonly<Record<string, unknown>> {
  const entries = Object.entries(object).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(entries.map(([key, value]) => [key, plain(value)]));
}
