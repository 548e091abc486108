import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hasCode } from '../base/errors.ts';

/** Whose a file in a data directory is: everything there must be readable by the server and by `pg_basebackup`. */
export interface Ownership {
  readonly uid: number;
  readonly gid: number;
  readonly fileMode: number;
  readonly directoryMode: number;
}

/** A new file with these contents, on disk when this resolves. The directory entry is not: see `syncDirectory`. */
export async function writeSynced(path: string, contents: Uint8Array | string, owner: Ownership): Promise<void> {
  await withFile(path, 'w', owner.fileMode, async (file) => {
    await file.writeFile(contents);
    // The umask may have taken away what the group of the data directory is to have.
    await file.chmod(owner.fileMode);
    await own(file, owner);
    await file.sync();
  });
}

/** A new directory of the data directory's owner. Its entry is not on disk yet: see `syncDirectory`. */
export async function makeDirectory(path: string, owner: Ownership): Promise<void> {
  await mkdir(path, { mode: owner.directoryMode });
  await withFile(path, 'r', undefined, async (directory) => {
    await directory.chmod(owner.directoryMode);
    await own(directory, owner);
  });
}

/** Makes creations, renames and removals in a directory last. */
export async function syncDirectory(path: string): Promise<void> {
  await withFile(path, 'r', undefined, (directory) => directory.sync());
}

/** Renames within a file system, so that after a crash there is either the old or the new, and this lasts. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncDirectory(dirname(to));
  if (dirname(from) !== dirname(to)) await syncDirectory(dirname(from));
}

/** Base backups pass over files of such names (PostgreSQL's own temporary ones): one that is being written stops none. */
const draftPrefix = 'pgsql_tmp.';

/** Replaces a file so that after a crash there is either the old one or the new one, whole. */
export async function replaceFile(path: string, contents: Uint8Array | string, owner: Ownership): Promise<void> {
  const draft = join(dirname(path), `${draftPrefix}${basename(path)}`);
  try {
    await writeSynced(draft, contents, owner);
    await renameDurably(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** Whether an error of a file operation says that the file is not there. */
export function isMissing(error: unknown): boolean {
  return hasCode(error, 'ENOENT');
}

async function own(file: FileHandle, owner: Ownership): Promise<void> {
  // Only root may give files away, and only root needs to: anyone else runs as the owner already.
  if (process.geteuid?.() === 0) await file.chown(owner.uid, owner.gid);
}

async function withFile(
  path: string,
  flags: string,
  mode: number | undefined,
  work: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags, mode);
  try {
    await work(file);
  } finally {
    await file.close();
  }
}
