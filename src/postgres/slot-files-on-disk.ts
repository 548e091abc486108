import { readdir, stat } from 'node:fs/promises';
import { type Lsn, snapshotFileName } from '../domain/lsn.ts';
import { type DataDirectory, walFileSuffix } from './data-directory.ts';

/** What decoding from a position needs, and whether it is on this server's disk; null = could not be looked at. */
export interface FilesOnDisk {
  readonly snapshotOnDisk: boolean | null;
  readonly walOnDisk: boolean | null;
}

export const unseenFiles: FilesOnDisk = { snapshotOnDisk: null, walOnDisk: null };

/** Answers for one moment. `restartLsn` null: nothing is needed, so nothing can be said. */
export type FilesAt = (restartLsn: Lsn | null) => FilesOnDisk;

/**
 * Looks at the snapshots and the WAL files of a data directory. A directory is only read again when its time of change
 * has moved, so that a look of a quiet server costs two `stat` calls however many slots there are.
 */
export function watchFilesOnDisk(directory: DataDirectory): (segmentBytes: number) => Promise<FilesAt> {
  const snapshots = namesOf(directory.snapshots, (name) => name);
  const wal = namesOf(directory.wal, (name) => (/^[0-9A-F]{24}$/.test(name) ? name.slice(8) : name));
  return async (segmentBytes) => {
    const [snapshotNames, walNames] = await Promise.all([snapshots(), wal()]);
    return (restartLsn) => {
      if (restartLsn === null) return unseenFiles;
      return {
        snapshotOnDisk: snapshotNames?.has(snapshotFileName(restartLsn)) ?? null,
        walOnDisk: walNames?.has(walFileSuffix(restartLsn, segmentBytes)) ?? null,
      };
    };
  };
}

/** The names in a directory, kept while the directory's time of change stays; null = it cannot be read. */
function namesOf(path: string, key: (name: string) => string): () => Promise<ReadonlySet<string> | null> {
  let kept: { readonly changedNs: bigint; readonly names: ReadonlySet<string> } | null = null;
  return async () => {
    try {
      // Taken before reading: whatever comes during it shows in the time of the next look.
      const { mtimeNs } = await stat(path, { bigint: true });
      if (kept?.changedNs !== mtimeNs) kept = { changedNs: mtimeNs, names: new Set((await readdir(path)).map(key)) };
      return kept.names;
    } catch {
      return null;
    }
  };
}
