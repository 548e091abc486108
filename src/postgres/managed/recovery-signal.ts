import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type DataDirectory, ownershipOf } from '../data-directory.ts';
import { isMissing, replaceFile, syncDirectory } from '../durable-file.ts';

/** From this version on a signal file makes a standby, and the settings of recovery are settings like others. */
export const signalFilesSince = 12;

const standbySignal = 'standby.signal';
const recoverySignal = 'recovery.signal';
export const recoveryConf = 'recovery.conf';

/** PostgreSQL's major version of the data; null = this is no data directory. */
export async function majorOnDisk(directory: DataDirectory): Promise<number | null> {
  try {
    const text = (await readFile(join(directory.root, 'PG_VERSION'), 'utf8')).trim();
    return /^\d+(\.\d+)?$/.test(text) ? Math.floor(Number(text)) : null;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

export async function isStandbyOnDisk(directory: DataDirectory, major: number): Promise<boolean> {
  const name = major >= signalFilesSince ? standbySignal : recoveryConf;
  return (await stat(join(directory.root, name)).catch(() => null)) !== null;
}

/** From the next start on it is a standby. What `recovery.conf` says besides, below 12, is left to who knows it. */
export async function signalStandby(directory: DataDirectory, major: number): Promise<void> {
  const owner = await ownershipOf(directory);
  if (major >= signalFilesSince) {
    await replaceFile(join(directory.root, standbySignal), '', owner);
    await rm(join(directory.root, recoverySignal), { force: true });
  } else if (!(await isStandbyOnDisk(directory, major))) {
    await replaceFile(join(directory.root, recoveryConf), "standby_mode = 'on'\n", owner);
  }
}

/** From the next start on it recovers to where it is told to, and is a primary then. */
export async function signalRecovery(directory: DataDirectory): Promise<void> {
  await replaceFile(join(directory.root, recoverySignal), '', await ownershipOf(directory));
  await rm(join(directory.root, standbySignal), { force: true });
}

/** From the next start on it is a primary. */
export async function removeRecoverySignals(directory: DataDirectory): Promise<void> {
  for (const name of [standbySignal, recoverySignal, recoveryConf]) {
    await rm(join(directory.root, name), { force: true });
  }
  await syncDirectory(directory.root);
}
