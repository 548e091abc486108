import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ProcessIdentity, processWith, workingDirectoryOf } from './process-table.ts';

/**
 * The server that runs on the data directory `root`, a path without symbolic links; null = none does. A postmaster works
 * in its data directory, so that a number which is by now another program's is found out, as in `data-directory.ts`.
 */
export async function postmasterOn(root: string): Promise<ProcessIdentity | null> {
  const text = await readFile(join(root, 'postmaster.pid'), 'utf8').catch(() => '');
  // A server that is not run by a postmaster (single-user) writes its number with a minus.
  const pid = Math.abs(Number.parseInt(text, 10));
  if (!(pid > 0)) return null;
  const cwd = workingDirectoryOf(pid);
  return cwd === null || cwd === root ? processWith(pid) : null;
}

/** Whether a server that starts there is a standby, and so accepts no writes. */
export async function startsAsStandby(root: string): Promise<boolean> {
  const signs = ['standby.signal', 'recovery.signal', 'recovery.conf'];
  const found = await Promise.all(
    signs.map((name) =>
      access(join(root, name)).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.includes(true);
}
