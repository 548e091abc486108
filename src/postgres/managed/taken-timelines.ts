import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type DataDirectory, historyFileName, ownershipOf } from '../data-directory.ts';
import { isMissing, syncDirectory, writeSynced } from '../durable-file.ts';

// A promotion takes the first number of a timeline that no history file in pg_wal has. A standby that was cut off from an
// earlier leader does not have that leader's file, and would take the same number for another line of WAL: servers that
// received the one would then go on with the other, which PostgreSQL, going by numbers, can't tell (FACTS 6).

/** A history file without a parent: no recovery can follow it, so that its number is only taken. */
const placeholder = '# slotkeeper: another server has this timeline\n';

/** Keeps the numbers from 2 to `newest` from being taken by a promotion of this standby. */
export async function takeTimelines(directory: DataDirectory, newest: number): Promise<void> {
  const there = new Set(await historyFiles(directory));
  const missing = Array.from({ length: Math.max(0, newest - 1) }, (_, at) => historyFileName(at + 2)).filter(
    (name) => !there.has(name),
  );
  const owner = await ownershipOf(directory);
  for (const name of missing) await writeSynced(join(directory.wal, name), placeholder, owner);
  if (missing.length > 0) await syncDirectory(directory.wal);
}

/**
 * A standby that was not promoted after all has to be able to fetch the real ones. Numbers below that of a real file stay
 * taken: PostgreSQL looks for its newest timeline one number after the other and stops at the first that has no file, so
 * that a standby with a gap there would not find the WAL it has received, nor know that it is behind.
 */
export async function giveTimelinesBack(directory: DataDirectory): Promise<void> {
  // Of fixed width, so that they sort by number: the newest comes first.
  for (const name of (await historyFiles(directory)).toSorted().toReversed()) {
    const path = join(directory.wal, name);
    if ((await readFile(path, 'utf8')) !== placeholder) return;
    await rm(path, { force: true });
  }
}

async function historyFiles(directory: DataDirectory): Promise<readonly string[]> {
  try {
    return (await readdir(directory.wal)).filter((name) => name.endsWith('.history'));
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
