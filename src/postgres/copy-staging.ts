import { readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { hasCode } from '../base/errors.ts';
import { type Lsn, formatLsn, parseLsn, snapshotFileName } from '../domain/lsn.ts';
import { slotNamePattern } from '../domain/slot.ts';
import type { FetchedSlot } from './copy-source.ts';
import type { FetchedWal } from './copy-wal.ts';
import { type DataDirectory, slotDirectory } from './data-directory.ts';
import { type Ownership, isMissing, makeDirectory, renameDurably, syncDirectory, writeSynced } from './durable-file.ts';

/**
 * The folder in the data directory where everything is written, and made to last, before the server is stopped: a full
 * disk then costs no restart, and what is left to do while the server is down is to rename. It holds the intent, too:
 * the file that tells a later agent that this one stopped the server.
 */
const stagingName = 'slotkeeper.copy';
const intentName = 'intent.json';
const stateName = 'state';
const walEnding = '.wal';

const slotName = z.string().regex(slotNamePattern);
const intentFile = z.object({
  member: z.string(),
  slots: z.array(slotName),
  copies: z.array(z.object({ name: slotName, restartLsn: z.string() })),
});

/** What an agent was about to do to its server. `copies`: which of the slots get a copy, and of which restart position. */
export type CopyIntent = z.infer<typeof intentFile>;

export function copyIntent(member: string, slots: readonly FetchedSlot[], remove: readonly string[]): CopyIntent {
  return {
    member,
    slots: [...slots.map(({ name }) => name), ...remove],
    copies: slots.map(({ name, state }) => ({ name, restartLsn: formatLsn(state.restartLsn) })),
  };
}

/** A slot that an earlier agent put in place, snapshot included, without having lived to remember it. */
export interface PlacedSlot {
  readonly name: string;
  readonly restartLsn: Lsn;
}

function stagingOf(directory: DataDirectory): string {
  return join(directory.root, stagingName);
}

/** Writes the files of the slots beside their later places. Throws, with nothing left behind, when they do not fit. */
export async function stage(
  directory: DataDirectory,
  slots: readonly FetchedSlot[],
  wal: readonly FetchedWal[],
  owner: Ownership,
): Promise<void> {
  const staging = stagingOf(directory);
  await rm(staging, { recursive: true, force: true });
  try {
    await makeDirectory(staging, owner);
    for (const { name, state, stateFile, snapshotFile } of slots) {
      await makeDirectory(join(staging, name), owner);
      await writeSynced(join(staging, name, stateName), stateFile, owner);
      await syncDirectory(join(staging, name));
      if (snapshotFile !== null)
        await writeSynced(join(staging, snapshotFileName(state.restartLsn)), snapshotFile, owner);
    }
    for (const { name, contents } of wal) await writeSynced(join(staging, `${name}${walEnding}`), contents, owner);
    await syncDirectory(staging);
    await syncDirectory(directory.root);
  } catch (error) {
    await rm(staging, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
}

/** From here on a stopped server is this copy's doing. */
export async function writeIntent(directory: DataDirectory, intent: CopyIntent, owner: Ownership): Promise<void> {
  const staging = stagingOf(directory);
  await writeSynced(join(staging, `${intentName}.tmp`), JSON.stringify(intent), owner);
  await renameDurably(join(staging, `${intentName}.tmp`), join(staging, intentName));
}

/** The intent of an earlier agent of this member; null = there is none. One of another member came with a base backup. */
export async function readIntent(directory: DataDirectory, member: string): Promise<CopyIntent | null> {
  try {
    const intent = intentFile.parse(JSON.parse(await readFile(join(stagingOf(directory), intentName), 'utf8')));
    return intent.member === member ? intent : null;
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError || error instanceof z.ZodError) return null;
    throw error;
  }
}

/** Which copies of the intent are in place: what was moved there is staged no more. */
export async function placedSlots(directory: DataDirectory, intent: CopyIntent): Promise<readonly PlacedSlot[]> {
  const placed: PlacedSlot[] = [];
  for (const { name, restartLsn } of intent.copies) {
    const position = parseLsn(restartLsn);
    const isStaged = await exists(join(stagingOf(directory), name, stateName));
    const isThere = await exists(join(slotDirectory(directory, name), stateName));
    if (position !== undefined && !isStaged && isThere) placed.push({ name, restartLsn: position });
  }
  return placed;
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}

/** The copy is over, whatever came of it. The intent goes first: what else is left says nothing. */
export async function clearStaging(directory: DataDirectory): Promise<void> {
  const staging = stagingOf(directory);
  if (!(await exists(staging))) return;
  await rm(join(staging, intentName), { force: true });
  await syncDirectory(staging);
  await rm(staging, { recursive: true, force: true });
  await syncDirectory(directory.root);
}

/** Moves the staged snapshots to where decoding looks for them. Before the slots, so that no slot is without its own. */
export async function placeSnapshots(directory: DataDirectory): Promise<void> {
  const staging = stagingOf(directory);
  for (const name of (await readdir(staging)).filter((entry) => entry.endsWith('.snap'))) {
    await rename(join(staging, name), join(directory.snapshots, name));
  }
  await syncDirectory(directory.snapshots);
}

/**
 * Moves the staged WAL to the rest, which may be on another disk. It counts as archived: the primary archives it, and an
 * archive that has a file already refuses it for ever once this server is promoted.
 */
export async function placeWal(directory: DataDirectory, owner: Ownership): Promise<void> {
  const staging = stagingOf(directory);
  for (const entry of (await readdir(staging)).filter((name) => name.endsWith(walEnding))) {
    const name = entry.slice(0, -walEnding.length);
    if (await exists(join(directory.wal, name))) continue;
    await writeSynced(join(directory.wal, 'archive_status', `${name}.done`), '', owner);
    // PostgreSQL itself clears such names away.
    const draft = join(directory.wal, `xlogtemp.slotkeeper.${name}`);
    await rename(join(staging, entry), draft).catch(async (error: unknown) => {
      // `pg_wal` is on another disk.
      if (!hasCode(error, 'EXDEV')) throw error;
      await writeSynced(draft, await readFile(join(staging, entry)), owner);
    });
    await rename(draft, join(directory.wal, name));
  }
  await syncDirectory(join(directory.wal, 'archive_status'));
  await syncDirectory(directory.wal);
}

/** Moves a staged slot into place, whole, in one rename: the server has it or has it not, after a crash as well. */
export async function placeSlot(directory: DataDirectory, name: string): Promise<void> {
  const staged = join(stagingOf(directory), name);
  const place = slotDirectory(directory, name);
  if (await exists(place)) {
    // To replace a slot without a moment in which it is not there, only its file changes.
    await renameDurably(join(staged, stateName), join(place, stateName));
  } else {
    await renameDurably(staged, place);
  }
}

/** Removes a slot of a stopped server. PostgreSQL itself clears away what ends in `.tmp` when it starts. */
export async function removeSlot(directory: DataDirectory, name: string): Promise<void> {
  const place = slotDirectory(directory, name);
  const leaving = `${place}.tmp`;
  await rm(leaving, { recursive: true, force: true });
  try {
    await renameDurably(place, leaving);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  await rm(leaving, { recursive: true, force: true });
}
