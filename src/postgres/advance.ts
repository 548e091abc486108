import type { Lsn } from '../domain/lsn.ts';
import type { Pool } from './pool.ts';
import { ServerError } from './port.ts';
import { advanceSlot } from './sql/advance-slot.ts';
import { sqlstate } from './sqlstate.ts';

/** Moves a slot as `advanceSlot` says, on a connection to `database`; resolves to where it is then. */
export async function advance(
  pool: Pool,
  database: string,
  slot: { readonly name: string; readonly type: 'logical' | 'physical'; readonly target: Lsn },
  signal: AbortSignal,
): Promise<Lsn> {
  const advanced = await pool.run(database, advanceSlot(slot), signal);
  const what = `advance ${slot.type} slot ${slot.name}`;
  if (advanced === null) throw new ServerError(`${what}: there is no such slot`, 'refused', sqlstate.undefinedObject);
  if (advanced.position === null) {
    const state = sqlstate.objectNotInPrerequisiteState;
    throw new ServerError(`${what}: it reserves no WAL, so it has no position`, 'refused', state);
  }
  return advanced.position;
}
