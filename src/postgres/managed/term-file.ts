import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { TermOnDisk } from '../../domain/disk.ts';
import { type DataDirectory, ownershipOf } from '../data-directory.ts';
import { isMissing, replaceFile } from '../durable-file.ts';
import { systemIdentifierIn } from './control-data.ts';
import { ownFiles } from './place.ts';

const termFile = z.object({ member: z.string(), systemIdentifier: z.string(), term: z.number().int().nonnegative() });

/**
 * Under which term the server last may have accepted writes (L7); null = under none. What another member, or another
 * cluster, has left there came with a copy and says nothing of this server. Throws when there is a file that cannot be read:
 * to take it for none would let diverged data rejoin.
 */
export async function readTerm(directory: DataDirectory, member: string): Promise<TermOnDisk | null> {
  const path = join(directory.root, ownFiles.term);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return null;
    throw error;
  });
  if (text === null) return null;
  const term = parseTerm(text);
  if (term === null) throw new Error(`${path} is not what slotkeeper writes there`);
  const isOurs = term.member === member && term.systemIdentifier === (await systemIdentifierIn(directory));
  return isOurs ? term : null;
}

/** On disk when this resolves. */
export async function writeTerm(directory: DataDirectory, member: string, term: number): Promise<void> {
  const contents: TermOnDisk = { member, systemIdentifier: await systemIdentifierIn(directory), term };
  const path = join(directory.root, ownFiles.term);
  await replaceFile(path, `${JSON.stringify(contents)}\n`, await ownershipOf(directory));
}

function parseTerm(text: string): TermOnDisk | null {
  try {
    return termFile.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
