import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isMissing, type Ownership } from '../durable-file.ts';

/** As whom the server and its programs run; null = as the agent. */
export type ServerUser = { readonly uid: number; readonly gid: number } | null;

/**
 * PostgreSQL refuses to run as root, so a root agent runs it as `wanted`, or else as the owner of the data directory or of
 * the folder that it is in, whichever is not root, or else as `postgres`. Throws when there is nobody.
 */
export async function serverUserOf(dataDir: string, wanted: string | null): Promise<ServerUser> {
  if (process.geteuid?.() !== 0) return null;
  if (wanted === null) {
    for (const folder of [dataDir, dirname(dataDir)]) {
      const owner = await ownerOf(folder);
      if (owner !== null && owner.uid !== 0) return owner;
    }
  }
  const name = wanted ?? 'postgres';
  const account = accountsIn(await readFile('/etc/passwd', 'utf8')).get(name);
  if (account !== undefined) return account;
  throw new Error(
    `this system has no user ${name} to run PostgreSQL as, which may not run as root: see postgresql.user`,
  );
}

/** Files beside the data directory: nobody but the server reads them. */
export function privateOwnership(user: ServerUser): Ownership {
  const { uid, gid } = user ?? { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  return { uid, gid, fileMode: 0o600, directoryMode: 0o700 };
}

async function ownerOf(path: string): Promise<ServerUser> {
  try {
    const { uid, gid } = await stat(path);
    return { uid, gid };
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

function accountsIn(passwd: string): ReadonlyMap<string, { readonly uid: number; readonly gid: number }> {
  const lines = passwd.split('\n').map((line) => line.split(':'));
  return new Map(lines.map(([name = '', , uid, gid]) => [name, { uid: Number(uid), gid: Number(gid) }]));
}
