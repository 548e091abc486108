import { stat } from 'node:fs/promises';
import { type DataDirectory, slotDirectory } from './data-directory.ts';

export interface SlotIdentities {
  /** `LogicalSlot.identity` of each slot that was found by it both now and at the call before. */
  readonly sure: ReadonlyMap<string, string>;
  /**
   * Whether there are others. What was read between the two calls may be of a slot that was dropped meanwhile, and whose
   * name another has now.
   */
  readonly anyUnsure: boolean;
}

/**
 * Tells slots by their directories, which last as long as they do: PostgreSQL replaces the state file in it at every
 * save, never the directory. The number of its inode is given away again, so the time of its birth belongs to it; where
 * the file system keeps none, the number alone is what there is.
 */
export function watchSlotIdentities(directory: DataDirectory): (names: readonly string[]) => Promise<SlotIdentities> {
  let last: ReadonlyMap<string, string> = new Map();
  return async (names) => {
    const before = last;
    const withBirth = await keepsBirthTimes(directory.slots);
    const found = await Promise.all(
      names.map(async (name) => {
        const seen = await stat(slotDirectory(directory, name), { bigint: true }).catch(() => null);
        return seen === null ? [] : [[name, withBirth ? `${seen.ino}-${seen.birthtimeNs}` : `${seen.ino}`] as const];
      }),
    );
    last = new Map(found.flat());
    const sure = new Map([...last].filter(([name, identity]) => before.get(name) === identity));
    return { sure, anyUnsure: sure.size < last.size };
  };
}

/**
 * Where there is no birth time, Node says 0, or puts the time of the last change in its place, which moves with every
 * save. The directory of the slots tells: it has changed since its birth, when the first of them was made.
 */
async function keepsBirthTimes(slots: string): Promise<boolean> {
  const seen = await stat(slots, { bigint: true }).catch(() => null);
  return seen !== null && seen.birthtimeNs !== 0n && seen.birthtimeNs !== seen.ctimeNs;
}
