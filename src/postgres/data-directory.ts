import { readFile, readdir, readlink, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../base/errors.ts';
import { type Lsn, snapshotFileName } from '../domain/lsn.ts';
import { isMissing, type Ownership } from './durable-file.ts';

/** Where things are in a data directory. */
export interface DataDirectory {
  readonly root: string;
  readonly slots: string;
  readonly snapshots: string;
  readonly wal: string;
}

export function dataDirectory(root: string): DataDirectory {
  return {
    root,
    slots: join(root, 'pg_replslot'),
    snapshots: join(root, 'pg_logical', 'snapshots'),
    wal: join(root, 'pg_wal'),
  };
}

export function slotDirectory(directory: DataDirectory, slot: string): string {
  return join(directory.slots, slot);
}

export function snapshotPath(directory: DataDirectory, lsn: Lsn): string {
  return join(directory.snapshots, snapshotFileName(lsn));
}

/** The owner and modes that PostgreSQL itself gives to files there: the group may read if it may read the directory. */
export async function ownershipOf(directory: DataDirectory): Promise<Ownership> {
  const { uid, gid, mode } = await stat(directory.root);
  const groupReads = (mode & 0o050) === 0o050;
  return { uid, gid, fileMode: groupReads ? 0o640 : 0o600, directoryMode: groupReads ? 0o750 : 0o700 };
}

/**
 * The last 16 digits of the name of the WAL file that holds a position: file names are the timeline, then these
 * (`XLogFileName`). Segments are between 1 MiB and 1 GiB.
 */
export function walFileSuffix(lsn: Lsn, segmentBytes: number): string {
  const segment = lsn / BigInt(segmentBytes);
  const perLog = 0x1_0000_0000n / BigInt(segmentBytes);
  return `${hexDigits(segment / perLog)}${hexDigits(segment % perLog)}`;
}

/** The name of the WAL file of that timeline that holds a position. */
export function walFileName(timeline: number, lsn: Lsn, segmentBytes: number): string {
  return `${hexDigits(timeline)}${walFileSuffix(lsn, segmentBytes)}`;
}

/** The name of the file in `pg_wal` that says where a timeline branched off. */
export function historyFileName(timeline: number): string {
  return `${hexDigits(timeline)}.history`;
}

function hexDigits(value: bigint | number): string {
  return value.toString(16).toUpperCase().padStart(8, '0');
}

/** The WAL files there, by `walFileSuffix`: a position is the same in each timeline that contains it. */
export async function walFileSuffixes(directory: DataDirectory): Promise<ReadonlySet<string>> {
  const names = await readdir(directory.wal);
  return new Set(names.filter((name) => /^[0-9A-F]{24}$/.test(name)).map((name) => name.slice(8)));
}

/**
 * The process id of the server that runs on the directory; null = none does. A `postmaster.pid` whose process is gone,
 * or is by now another program's, is what a crash leaves.
 */
export async function postmasterPid(directory: DataDirectory): Promise<number | null> {
  const text = await readFile(join(directory.root, 'postmaster.pid'), 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return null;
    throw error;
  });
  if (text === null) return null;
  // A server that is not run by a postmaster (single-user) writes its number with a minus.
  const pid = Math.abs(Number.parseInt(text, 10));
  if (!Number.isInteger(pid) || pid === 0 || !isAlive(pid)) return null;
  return (await hasEnded(pid)) || (await worksElsewhere(pid, directory)) ? null : pid;
}

/** Whether a server has left its lock file there, running or crashed; a clean stop removes it. */
export async function hasLockFile(directory: DataDirectory): Promise<boolean> {
  return (await stat(join(directory.root, 'postmaster.pid')).catch(() => null)) !== null;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and another user's.
    return hasCode(error, 'EPERM');
  }
}

/** A process that has ended stays in the table until its parent collects it, which in a container may be never. */
async function hasEnded(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return /\) [ZX] /.test(stat);
}

/** A postmaster's working directory is its data directory; where the system shows it, a recycled number is found out. */
async function worksElsewhere(pid: number, directory: DataDirectory): Promise<boolean> {
  const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => null);
  return cwd !== null && cwd !== (await realpath(directory.root));
}
