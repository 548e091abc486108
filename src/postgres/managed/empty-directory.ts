import { chmod, chown, lstat, mkdir, readlink, realpath, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { shorten } from '../../base/printable.ts';
import type { UnfinishedWork } from '../../domain/disk.ts';
import { postmasterPid } from '../data-directory.ts';
import { isMissing, syncDirectory } from '../durable-file.ts';
import { ServerError } from '../port.ts';
import { namesIn } from './inspect.ts';
import type { ManagedWork } from './managed-work.ts';
import { ownPrefix } from './place.ts';
import { privateOwnership } from './server-user.ts';
import { stopImmediately } from './stop-server.ts';
import { endLeftProgram, mark, unfinishedWork, unmark } from './unfinished.ts';

/**
 * Takes the data away. What an unfinished bootstrap or copy of ours has left is deleted. Anything else is moved aside, since
 * there may be transactions in it that are nowhere else, and takes the place of what was moved aside before; it is deleted,
 * too, where it cannot be moved: the directory is a mount point, or parts of it are elsewhere and wanted there again.
 */
export async function removeData(work: ManagedWork): Promise<void> {
  const { place, user, settings } = work;
  await endLeftProgram(place, settings.clock);
  const unfinished = await unfinishedWork(place);
  const isOurs = unfinished === 'bootstrap' || unfinished === 'clone';
  await expectNoServer(work, unfinished);
  const root = await realRoot(work);
  if (root === null) return unmark(place);
  if (isOurs || (await hasPartsElsewhere(root)) || !(await moveAside(work, root))) {
    // Half of it is of no use to anybody, and must be known for that. A mark that is there already needs no room on a full disk.
    if (unfinished === null) await mark(place, user, 'clone');
    await deleteAll(root);
  }
  await unmark(place);
}

/** A bootstrap runs a server that is nobody else's, and goes with it. */
async function expectNoServer({ place, settings }: ManagedWork, unfinished: UnfinishedWork | null): Promise<void> {
  if (unfinished === 'bootstrap') await stopImmediately(place.directory, settings.clock);
  const pid = await postmasterPid(place.directory);
  if (pid !== null) throw new ServerError(`remove the data: process ${pid} runs on it`, 'other', null);
}

/**
 * Makes the data directory where there is none, and the folders above that are missing, for the server's user. Resolves to
 * whether there was none.
 */
export async function makeDataDirectory({ place, user }: ManagedWork): Promise<boolean> {
  const { root } = place.directory;
  const { uid, gid, directoryMode } = privateOwnership(user);
  const first = await mkdir(root, { recursive: true, mode: directoryMode });
  if (first === undefined) return false;
  if (user === null) return true;
  for (let made = root; made.length >= first.length; made = dirname(made)) await chown(made, uid, gid);
  return true;
}

/**
 * Runs an operator's command that brings the data. Where there was no directory (`wasMissing`) it finds none, as it does with
 * Patroni: some make it themselves and would refuse one that is there. So does the next attempt, when this one fails.
 */
export async function withoutDirectory(
  work: ManagedWork,
  wasMissing: boolean,
  command: () => Promise<void>,
): Promise<void> {
  const { root } = work.place.directory;
  const isWanted = wasMissing && (await mayBeMadeByUser(work));
  const takeAway = (): Promise<void> => (isWanted ? rmdir(root).catch(() => undefined) : Promise.resolve());
  await takeAway();
  try {
    await command();
  } catch (error) {
    if (isWanted) await clearData(work).then(takeAway, () => undefined);
    throw error;
  }
}

/** Another user may not be allowed to make it anew. */
async function mayBeMadeByUser({ place, user }: ManagedWork): Promise<boolean> {
  return user === null || (await stat(dirname(place.directory.root))).uid === user.uid;
}

/**
 * Throws unless there is nothing in it but files of ours. Then it takes those away, and gives the directory the owner and
 * mode that initdb, pg_basebackup and the server want.
 */
export async function expectEmpty({ place, user }: ManagedWork): Promise<void> {
  const { root } = place.directory;
  const names = await namesIn(root);
  const foreign = names.find((name) => !name.startsWith(ownPrefix));
  if (foreign !== undefined) throw new Error(`${root} is not empty: it has ${shorten(foreign)}`);
  for (const name of names) await rm(join(root, name), { recursive: true, force: true });
  const { uid, gid, directoryMode } = privateOwnership(user);
  await chmod(root, directoryMode);
  if (user !== null) await chown(root, uid, gid);
}

/** Deletes whatever is in it: the work that calls this has made it. */
export async function clearData(work: ManagedWork): Promise<void> {
  const root = await realRoot(work);
  if (root !== null) await deleteAll(root);
}

/**
 * Deletes what was moved aside, for a disk that is too small for that and a copy; resolves to whether there was anything.
 */
export async function giveUpAside(work: ManagedWork): Promise<boolean> {
  const root = await realRoot(work);
  const names = root === null ? [] : await asideOf(root);
  for (const name of names) await rm(name, { recursive: true, force: true });
  return names.length > 0;
}

/** Deletes what is in it, also where pg_wal and tablespaces are links to. The directory itself may be a mount point. */
async function deleteAll(root: string): Promise<void> {
  for (const target of await tablespacesOf(root)) await emptyTablespace(target);
  const wal = await linkTarget(join(root, 'pg_wal'));
  if (wal !== null) await emptyFolder(wal);
  await emptyFolder(root);
  await syncDirectory(root);
}

async function emptyFolder(path: string): Promise<void> {
  for (const name of await namesIn(path)) await rm(join(path, name), { recursive: true, force: true });
}

/** Servers of other versions may have their own folders there. */
async function emptyTablespace(path: string): Promise<void> {
  for (const name of await namesIn(path)) {
    if (/^PG_\d/.test(name)) await rm(join(path, name), { recursive: true, force: true });
  }
}

async function hasPartsElsewhere(root: string): Promise<boolean> {
  return (await linkTarget(join(root, 'pg_wal'))) !== null || (await tablespacesOf(root)).length > 0;
}

async function tablespacesOf(root: string): Promise<readonly string[]> {
  const folder = join(root, 'pg_tblspc');
  const targets = await Promise.all((await namesIn(folder)).map((name) => linkTarget(join(folder, name))));
  return targets.filter((target) => target !== null);
}

/** Null = it is no link, or not there. */
async function linkTarget(path: string): Promise<string | null> {
  try {
    if (!(await lstat(path)).isSymbolicLink()) return null;
    return resolve(dirname(path), await readlink(path));
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** False = it cannot be moved. */
async function moveAside(work: ManagedWork, root: string): Promise<boolean> {
  const before = await asideOf(root);
  const numbers = before.map((name) => Number(/\d+$/.exec(name)?.[0] ?? '0'));
  try {
    await rename(root, `${root}.failed-${Math.max(0, ...numbers) + 1}`);
  } catch {
    return false;
  }
  await syncDirectory(dirname(root));
  for (const name of before) await rm(name, { recursive: true, force: true });
  await makeDataDirectory(work);
  return true;
}

async function asideOf(root: string): Promise<readonly string[]> {
  const folder = dirname(root);
  const prefix = `${basename(root)}.failed-`;
  const names = (await namesIn(folder)).filter(
    (name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)),
  );
  return names.map((name) => join(folder, name));
}

/** Where the directory is, should it be a link; null = it is not there. */
async function realRoot(work: ManagedWork): Promise<string | null> {
  try {
    return await realpath(work.place.directory.root);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
