import type { CopyRequest } from '../domain/local.ts';
import { type Lsn, snapshotFileName } from '../domain/lsn.ts';
import { slotNamePattern } from '../domain/slot.ts';
import type { Connection } from './client.ts';
import { ServerError } from './port.ts';
import { BadSlotFile, type SlotState, checkSnapshotFile, parseSlotFile, withoutSyncedMark } from './slot-file.ts';
import { readBinaryFile } from './sql/read-binary-file.ts';
import { sqlstate } from './sqlstate.ts';

export type WantedSlot = CopyRequest['slots'][number];

/** A slot as the primary had it at one moment, checked. */
export interface FetchedSlot {
  readonly name: string;
  readonly state: SlotState;
  /** As on the primary, but for the mark of PostgreSQL's own synchronisation. */
  readonly stateFile: Buffer;
  /** The serialized snapshot of its restart position; null = the primary has none there. */
  readonly snapshotFile: Buffer | null;
}

export interface SkippedSlot {
  readonly name: string;
  readonly why: string;
}

export type Fetched = { readonly slot: FetchedSlot } | { readonly skipped: SkippedSlot };

const attempts = 10;

/**
 * Reads a slot's state file and the snapshot of its restart position over SQL. Both must be of one moment: when the
 * restart position has moved while the snapshot was read, it is done again. What cannot be read is skipped with a reason;
 * throws ServerError when the primary cannot be asked at all.
 */
export async function fetchSlot(
  primary: Connection,
  wanted: WantedSlot,
  major: number,
  signal: AbortSignal,
): Promise<Fetched> {
  const skipped = (why: string): Fetched => ({ skipped: { name: wanted.name, why } });
  // The name becomes a part of paths, here and there.
  if (!slotNamePattern.test(wanted.name)) return skipped('PostgreSQL would not take this name');
  const readState = (): Promise<Buffer> => primary.run(readBinaryFile(`pg_replslot/${wanted.name}/state`), signal);
  try {
    let before = parseSlotFile(await readState(), major);
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      const snapshotFile = await readSnapshot(primary, before.restartLsn, signal);
      const stateFile = await readState();
      const state = parseSlotFile(stateFile, major);
      if (state.restartLsn === before.restartLsn)
        return { slot: { name: wanted.name, state, stateFile: withoutSyncedMark(stateFile, major), snapshotFile } };
      before = state;
    }
    return skipped(`its restart position moved each of ${attempts} times that its files were read`);
  } catch (error) {
    if (error instanceof BadSlotFile)
      return skipped(`its file on the primary is not what this version reads: ${error.message}`);
    if (error instanceof ServerError && error.sqlstate === sqlstate.undefinedFile)
      return skipped('the primary has no such slot');
    if (error instanceof ServerError && error.sqlstate === sqlstate.insufficientPrivilege)
      return skipped(error.message);
    throw error;
  }
}

async function readSnapshot(primary: Connection, restartLsn: Lsn, signal: AbortSignal): Promise<Buffer | null> {
  try {
    const bytes = await primary.run(readBinaryFile(`pg_logical/snapshots/${snapshotFileName(restartLsn)}`), signal);
    checkSnapshotFile(bytes);
    return bytes;
  } catch (error) {
    if (error instanceof ServerError && error.sqlstate === sqlstate.undefinedFile) return null;
    throw error;
  }
}
