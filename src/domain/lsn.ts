/**
 * A position in PostgreSQL's write-ahead log, in bytes from its start. PostgreSQL prints it as `16/B374D848`, Patroni's
 * keys carry it as a decimal number; inside the program it is always a bigint.
 */
export type Lsn = bigint;

const pattern = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/;

/** Reads PostgreSQL's text form; undefined when the text is not one. */
export function parseLsn(text: string): Lsn | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  return (BigInt(`0x${match[1] ?? ''}`) << 32n) | BigInt(`0x${match[2] ?? ''}`);
}

/** PostgreSQL's text form, as `pg_lsn` prints it. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}`;
}

/** The name that PostgreSQL gives the serialized snapshot taken at `lsn`, in `pg_logical/snapshots`. */
export function snapshotFileName(lsn: Lsn): string {
  return `${formatLsn(lsn).replace('/', '-')}.snap`;
}

export function minLsn(a: Lsn, b: Lsn): Lsn {
  return a < b ? a : b;
}

export function maxLsn(a: Lsn, b: Lsn): Lsn {
  return a > b ? a : b;
}
