import type { Ledger } from '../domain/local.ts';
import type { Lsn } from '../domain/lsn.ts';
import type { ServerLook } from '../domain/server.ts';
import { logicalSlots } from './select.ts';

/**
 * A slot is born with its first position: while it is being made it is listed, but no consumer can use it yet. A slot that
 * was there before under its name, in the look before or when the ledger was kept, is the same one only if its identity is
 * (FACTS 7: what is dropped and made again looks like a slot that moved).
 */
export function bornBetween(
  born: ReadonlyMap<string, Lsn>,
  before: ServerLook | null,
  look: ServerLook,
  ledger: Ledger | null,
): ReadonlyMap<string, Lsn> {
  const old = new Map(
    logicalSlots(before ?? look)
      .filter((slot) => slot.confirmedFlushLsn !== null)
      .map((slot) => [slot.name, slot]),
  );
  const next = new Map<string, Lsn>();
  for (const slot of logicalSlots(look)) {
    const was = old.get(slot.name);
    const isSameAsBefore = was !== undefined && !isOtherIdentity(was.identity, slot.identity);
    const isOtherThanKnown = isOtherIdentity(ledger?.slots.get(slot.name)?.identity ?? null, slot.identity);
    const known = born.get(slot.name) ?? (isOtherThanKnown ? slot.confirmedFlushLsn : null);
    const first = isSameAsBefore ? known : slot.confirmedFlushLsn;
    if (first != null) next.set(slot.name, first);
  }
  return next;
}

/**
 * The slots of a server that was promoted since the look before, and that somebody has made anew by now: what is on disk is
 * another one than it had as a standby. The ledger knows best, since it is told of what the agent itself brings.
 */
export function bornAtPromotion(before: ServerLook, look: ServerLook, ledger: Ledger | null): ReadonlyMap<string, Lsn> {
  const identities = new Map(logicalSlots(before).map((slot) => [slot.name, slot.identity]));
  const born = new Map<string, Lsn>();
  for (const { name, identity, confirmedFlushLsn } of logicalSlots(look)) {
    const known = ledger?.slots.get(name);
    const was = known === undefined ? (identities.get(name) ?? null) : known.identity;
    if (confirmedFlushLsn !== null && isOtherIdentity(was, identity)) born.set(name, confirmedFlushLsn);
  }
  return born;
}

/** Whether two looks at a slot of one name saw two slots; one that could not be looked at is taken for the same. */
export function isOtherIdentity(before: string | null, now: string | null): boolean {
  return before !== null && now !== null && before !== now;
}
