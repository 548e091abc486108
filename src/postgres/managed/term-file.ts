import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { NotesOnDisk } from '../../domain/disk.ts';
import { type DataDirectory, ownershipOf } from '../data-directory.ts';
import { isMissing, replaceFile } from '../durable-file.ts';
import { systemIdentifierIn } from './control-data.ts';
import { ownFiles } from './place.ts';

const termFile = z.object({
  member: z.string(),
  systemIdentifier: z.string(),
  /** Null = the data was made here, and nobody has led with it yet. */
  term: z.number().int().nonnegative().nullable(),
});

type TermFile = z.infer<typeof termFile>;

/**
 * Under which term the server last may have accepted writes (L7), and whether it is a new cluster that never did. What another
 * member, or another cluster, has left there came with a copy and says nothing of this server. Throws when there is a file that
 * cannot be read: to take it for none would let diverged data rejoin.
 */
export async function readLed(
  directory: DataDirectory,
  member: string,
): Promise<Pick<NotesOnDisk, 'term' | 'isUnled'>> {
  const path = join(directory.root, ownFiles.term);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return null;
    throw error;
  });
  if (text === null) return { term: null, isUnled: false };
  const file = parse(text);
  if (file === null) throw new Error(`${path} is not what slotkeeper writes there`);
  const { term, ...place } = file;
  const isOurs = file.member === member && file.systemIdentifier === (await systemIdentifierIn(directory));
  return { term: isOurs && term !== null ? { ...place, term } : null, isUnled: isOurs && term === null };
}

/** On disk when this resolves. `term`: null = made here by initdb, and led by nobody yet. */
export async function writeTerm(directory: DataDirectory, member: string, term: number | null): Promise<void> {
  const contents: TermFile = { member, systemIdentifier: await systemIdentifierIn(directory), term };
  const path = join(directory.root, ownFiles.term);
  await replaceFile(path, `${JSON.stringify(contents)}\n`, await ownershipOf(directory));
}

function parse(text: string): TermFile | null {
  try {
    return termFile.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
