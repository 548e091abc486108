import type { Lsn } from '../../src/domain/lsn.ts';
import { majorOf } from '../../src/domain/version.ts';
import type { PgServer } from './pg-server.ts';
import type { LogicalPgSlot } from './pg-slot.ts';

/**
 * How far the consumer of a slot gets on this primary: with `synchronized_standby_slots` that of a failover slot gets only
 * what every listed physical slot has (FACTS 3). A name without a slot, or a slot without a position, lets nothing pass.
 */
export function deliverable(primary: PgServer, slot: LogicalPgSlot): Lsn {
  let reach = primary.branch.end;
  if (!slot.failover || majorOf(primary.setup.versionNum) < 17) return reach;
  for (const name of primary.settings.gate) {
    const listed = primary.slots.get(name);
    const has = listed?.type === 'physical' && listed.invalidation === null ? (listed.restart ?? 0n) : 0n;
    if (has < reach) reach = has;
  }
  return reach;
}
