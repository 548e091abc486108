import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ownershipOf, postmasterPid, type DataDirectory } from '../data-directory.ts';
import { isMissing, replaceFile } from '../durable-file.ts';
import { ServerError } from '../port.ts';

/**
 * The cluster's configuration as it last was, for the day on which Consul has lost it: Patroni's file and format, so that a
 * cluster which changes over keeps it. It comes along with copies of the data, and is of another cluster where that one was.
 */
export const savedConfigName = 'patroni.dynamic.json';

/** Null = there is none. */
export async function readSavedConfig({ root }: DataDirectory): Promise<string | null> {
  try {
    return await readFile(join(root, savedConfigName), 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** Only beside data on which a server runs: a directory that is to be filled by a copy has to stay empty. */
export async function writeSavedConfig(directory: DataDirectory, text: string): Promise<void> {
  if ((await postmasterPid(directory)) === null)
    throw new ServerError('save the cluster configuration: no server runs there', 'not_running', null);
  if ((await readSavedConfig(directory)) === text) return;
  await replaceFile(join(directory.root, savedConfigName), text, await ownershipOf(directory));
}
