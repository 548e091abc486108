// A standby without pg_basebackup, which the small PostgreSQL packages do not have: the server is told that a backup
// goes on, its files are copied, and the label that it hands out at the end goes into the copy.

import { chmod, chown, copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from 'pg';
import { serverUser } from './server-user.ts';

/** Left out of a backup, as pg_basebackup does: made again at the start, or only of meaning to the server it is from. */
const leftEmpty = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
]);
const leftOut = new Set([
  'postmaster.pid',
  'postmaster.opts',
  'current_logfiles',
  'backup_label',
  'backup_label.old',
  'tablespace_map',
  'tablespace_map.old',
  'standby.signal',
  'recovery.signal',
  // slotkeeper's memory of its own server's past terms
  'slotkeeper.state.json',
]);
const leftOutAnywhere = /^(pgsql_tmp.*|pg_internal\.init.*|.*\.tmp)$/;
const controlFile = 'pg_control';

/**
 * Copies a running server (primary or standby) into an empty or absent folder. `client` stays in one session for the
 * whole backup, else the server takes it for given up. `wal`: whether the WAL that the server still has comes along.
 */
export async function takeBaseBackup(
  client: Client,
  major: number,
  from: string,
  to: string,
  wal: 'none' | 'all' = 'none',
): Promise<void> {
  if ((await readdir(join(from, 'pg_tblspc'))).length > 0)
    throw new Error('base backup: tablespaces are not supported');
  await client.query(
    major >= 15 ? "select pg_backup_start('sandbox', true)" : "select pg_start_backup('sandbox', true, false)",
  );
  await copyFolder(from, to, '');
  // Last, as pg_basebackup does: taken from a standby it says up to where the copy needs WAL.
  await copyOwned(join(from, 'global', controlFile), join(to, 'global', controlFile));
  const { rows } = await client.query<{ labelfile: string }>(
    major >= 15 ? 'select labelfile from pg_backup_stop(false)' : 'select labelfile from pg_stop_backup(false, false)',
  );
  const label = rows[0]?.labelfile;
  if (label === undefined) throw new Error('base backup: the server gave no backup label');
  await makeOwned(join(to, 'pg_wal', 'archive_status'));
  if (major >= 17) await makeOwned(join(to, 'pg_wal', 'summaries'));
  if (wal === 'all') await copyWal(join(from, 'pg_wal'), join(to, 'pg_wal'));
  await writeOwned(join(to, 'backup_label'), label);
}

async function copyFolder(from: string, to: string, path: string): Promise<void> {
  await makeOwned(to);
  const entries = await readdir(from, { withFileTypes: true }).catch(ignoreVanished);
  await Promise.all(
    (entries ?? []).map(async (entry) => {
      const { name } = entry;
      if (leftOutAnywhere.test(name) || (path === '' && leftOut.has(name))) return;
      if (path === 'global' && name === controlFile) return;
      const target = join(to, name);
      if (entry.isDirectory()) {
        if (path === '' && leftEmpty.has(name)) await makeOwned(target);
        else await copyFolder(join(from, name), target, join(path, name));
      } else if (entry.isFile()) {
        // the server goes on, and a file that vanishes meanwhile is one that recovery does not need
        await copyOwned(join(from, name), target).catch(ignoreVanished);
      }
    }),
  );
}

/** Segments and histories of timelines. What the server is still writing is received once more. */
async function copyWal(from: string, to: string): Promise<void> {
  const entries = await readdir(from, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && /^[0-9A-F]{8}([0-9A-F]{16}|\.history)$/.test(entry.name));
  for (const { name } of files) await copyOwned(join(from, name), join(to, name)).catch(ignoreVanished);
}

function ignoreVanished(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}

const privateFile = 0o600;
const privateFolder = 0o700;

export async function makeOwned(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: privateFolder });
  await own(folder, privateFolder);
}

export async function writeOwned(file: string, text: string): Promise<void> {
  await writeFile(file, text);
  await own(file, privateFile);
}

async function copyOwned(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  await own(to, privateFile);
}

/** Empties a data directory, keeping the folder itself. */
export async function emptyFolder(folder: string): Promise<void> {
  const names = await readdir(folder).catch(ignoreVanished);
  await Promise.all((names ?? []).map((name) => rm(join(folder, name), { recursive: true, force: true })));
}

async function own(path: string, mode: number): Promise<void> {
  await chmod(path, mode);
  const user = serverUser();
  if (user !== undefined) await chown(path, user.uid, user.gid);
}
