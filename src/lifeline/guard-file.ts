import { type FileHandle, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { bootId, type ProcessIdentity } from './process-table.ts';

/** The guard that is in force, for whoever comes after this lifeline. */
export interface GuardRecord {
  /** The clock of `deadlineMs` began with this start of the machine. */
  readonly bootId: string;
  /** The data directory that is guarded: a base backup takes the file along to others. */
  readonly root: string;
  readonly term: number;
  readonly session: string;
  readonly deadlineMs: number;
  readonly lifeline: ProcessIdentity | null;
  readonly agent: ProcessIdentity | null;
  /** The server that is guarded, as last seen; null = none ran. */
  readonly postmaster: ProcessIdentity | null;
}

/** Longer than any record: a base backup that reads the file meanwhile finds it of one size. */
const fileBytes = 1_024;

export function guardPath(root: string): string {
  return join(root, 'slotkeeper.guard');
}

/** What the last lifeline of this data directory guarded; null = nothing, or before the machine was started anew. */
export async function readGuard(root: string): Promise<GuardRecord | null> {
  try {
    const record = JSON.parse(await readFile(guardPath(root), 'utf8')) as GuardRecord;
    return record.bootId === bootId() && record.root === root ? record : null;
  } catch {
    return null;
  }
}

/** Everything resolves when it is done, and never rejects. */
export interface GuardFile {
  /** Over what is there, so that a full disk does not matter after the first time. Newest wins, one write at a time. */
  write(record: GuardRecord): Promise<void>;
  /** Takes away what it has written. */
  remove(): Promise<void>;
  /** Leaves the file to somebody else. */
  release(): Promise<void>;
}

/** `onTrouble` learns why it cannot be written, or null when it can again. Never throws. */
export function guardFile(onTrouble: (why: Error | null) => void): GuardFile {
  let open: { readonly root: string; readonly file: FileHandle } | null = null;
  let next: GuardRecord | null = null;
  let work: Promise<void> = Promise.resolve();
  const close = async (): Promise<void> => {
    const { file } = open ?? {};
    open = null;
    await file?.close().catch(() => undefined);
  };
  const writeNext = async (): Promise<void> => {
    const record = next;
    next = null;
    if (record === null) return;
    try {
      if (open?.root !== record.root) {
        await close();
        open = { root: record.root, file: await openOwned(record.root) };
      }
      const text = Buffer.from(`${JSON.stringify(record).padEnd(fileBytes - 1)}\n`);
      await open.file.write(text, 0, text.length, 0);
      onTrouble(null);
    } catch (error) {
      await close();
      onTrouble(error instanceof Error ? error : new Error('unknown error'));
    }
  };
  return {
    write(record) {
      next = record;
      work = work.then(writeNext);
      return work;
    },
    remove() {
      next = null;
      work = work.then(async () => {
        const root = open?.root;
        await close();
        if (root !== undefined) await rm(guardPath(root), { force: true }).catch(() => undefined);
      });
      return work;
    },
    release() {
      next = null;
      work = work.then(close);
      return work;
    },
  };
}

/** Of the data directory's owner: a base backup that cannot read a file there fails. */
async function openOwned(root: string): Promise<FileHandle> {
  const path = guardPath(root);
  const file = await open(path, 'r+').catch(() => open(path, 'w+', 0o600));
  if (process.geteuid?.() === 0) {
    const { uid, gid } = await stat(root);
    await file.chown(uid, gid);
  }
  return file;
}
