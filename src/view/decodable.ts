import { snapshotFileName } from '../domain/lsn.ts';
import type { LogicalSlot } from '../domain/slot.ts';
import type { View } from './view.ts';

/**
 * Why decoding from the slot on this server may become consistent too late, or from a snapshot of which its restart position
 * knows nothing, and so lose changes (FACTS 2); null = it is known to start right. PostgreSQL's own synchronisation is no
 * proof: it makes a slot persistent also when decoding became consistent by the snapshot of another slot that lies between
 * the restart position and the confirmed one, and what began between the two is lost (seen on 17 and 18).
 */
export function undecodableBecause(view: View, slot: LogicalSlot): string | null {
  if (view.ledger === null) return 'the agent has just started';
  if (view.ledger.slots.get(slot.name)?.decodable === true) return null;
  const snapshot = slot.restartLsn === null ? 'of its start' : snapshotFileName(slot.restartLsn);
  // Where no transaction ran at its start it needs none, and the ledger has it.
  return `decoding may start too late: the snapshot ${snapshot} is not here, and restart_lsn has not moved yet`;
}
