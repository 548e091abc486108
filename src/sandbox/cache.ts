// What was fetched is kept outside the checkout, so that a second clone does not fetch it again.

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { canReach, serverUser } from './server-user.ts';

/**
 * `SLOTKEEPER_CACHE`, else the user's cache folder. Root's home is private as a rule, and the unprivileged user who
 * runs the servers could not start a binary from there: then the system's cache folder it is.
 */
export function cacheFolder(): string {
  const chosen = process.env['SLOTKEEPER_CACHE'];
  if (chosen !== undefined && chosen !== '') return chosen;
  const xdg = process.env['XDG_CACHE_HOME'];
  if (xdg !== undefined && xdg !== '') return join(xdg, 'slotkeeper');
  const user = serverUser();
  const home = homedir();
  if (user !== undefined && (!existsSync(home) || !canReach(user, home))) return '/var/cache/slotkeeper';
  return join(home, '.cache', 'slotkeeper');
}

/**
 * The cached folder of that name, filled by `fill` if it is not there yet. It is filled under another name and renamed,
 * so that it is either complete or absent; of two callers at the same time the first to finish wins.
 */
export async function cached(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(cacheFolder(), name);
  if (existsSync(folder)) return folder;
  const draft = join(cacheFolder(), `.${name}.${process.pid}.${randomBytes(4).toString('hex')}`);
  await mkdir(draft, { recursive: true });
  // the server user has to reach it, whatever the umask
  await chmod(cacheFolder(), 0o755);
  await chmod(draft, 0o755);
  try {
    await fill(draft);
    await rename(draft, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return folder;
}
