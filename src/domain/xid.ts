/** A 32-bit transaction id as PostgreSQL's views show it (`xid`, without the epoch). 0 to 2 are not ordinary ids. */
export type Xid = number;

/**
 * Whether `a` is older than `b` on the circle of 2^32 ids, PostgreSQL's own rule (`TransactionIdPrecedes`): each id has
 * two thousand million ids before it and as many after it.
 */
export function xidPrecedes(a: Xid, b: Xid): boolean {
  return ((a - b) | 0) < 0;
}

export function xidPrecedesOrEquals(a: Xid, b: Xid): boolean {
  return a === b || xidPrecedes(a, b);
}
