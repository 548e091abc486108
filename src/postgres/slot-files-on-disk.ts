import { readdir, stat } from 'node:fs/promises';
import { type Lsn, snapshotFileName } from '../domain/lsn.ts';
import { type DataDirectory, walFileSuffix } from './data-directory.ts';
import { type WalFiles, type WalFormat, watchDecodingStarts } from './decoding-starts.ts';

/** What decoding from a position needs, and whether it is on this server's disk; null = could not be looked at. */
export interface FilesOnDisk {
  readonly snapshotOnDisk: boolean | null;
  /** Null also where nobody needs to know: the snapshot is there. */
  readonly startsWithoutSnapshot: boolean | null;
  readonly walOnDisk: boolean | null;
}

export const unseenFiles: FilesOnDisk = { snapshotOnDisk: null, startsWithoutSnapshot: null, walOnDisk: null };

/** Answers for one moment. `restartLsn` null: nothing is needed, so nothing can be said. */
export type FilesAt = (restartLsn: Lsn | null) => FilesOnDisk;

/**
 * Looks at the snapshots and the WAL files of a data directory, for slots that start at the positions. A directory is only
 * read again when its time of change has moved, and WAL once for each position, so that a look of a quiet server costs two
 * `stat` calls however many slots there are.
 */
export function watchFilesOnDisk(
  directory: DataDirectory,
): (format: WalFormat, positions: readonly Lsn[]) => Promise<FilesAt> {
  const snapshots = listing(directory.snapshots, (names): ReadonlySet<string> => new Set(names));
  const wal = listing(directory.wal, walFiles);
  const decodingStarts = watchDecodingStarts(directory);
  return async (format, positions) => {
    const [snapshotNames, files] = await Promise.all([snapshots(), wal()]);
    const hasSnapshot = (lsn: Lsn): boolean | null => snapshotNames?.has(snapshotFileName(lsn)) ?? null;
    const bare = positions.filter((lsn) => hasSnapshot(lsn) !== true);
    const starts = await decodingStarts(bare, files ?? new Map(), format);
    return (restartLsn) => {
      if (restartLsn === null) return unseenFiles;
      return {
        snapshotOnDisk: hasSnapshot(restartLsn),
        startsWithoutSnapshot: starts.get(restartLsn) ?? null,
        walOnDisk: files?.has(walFileSuffix(restartLsn, format.segmentBytes)) ?? null,
      };
    };
  };
}

function walFiles(names: readonly string[]): WalFiles {
  const files = new Map<string, string[]>();
  for (const name of names.filter((each) => /^[0-9A-F]{24}$/.test(each)).sort()) {
    const [timeline, suffix] = [name.slice(0, 8), name.slice(8)];
    files.set(suffix, [...(files.get(suffix) ?? []), timeline]);
  }
  return files;
}

/** What is in a directory, kept while the directory's time of change stays; null = it cannot be read. */
function listing<Listing>(path: string, of: (names: readonly string[]) => Listing): () => Promise<Listing | null> {
  let kept: { readonly changedNs: bigint; readonly listing: Listing } | null = null;
  return async () => {
    try {
      // Taken before reading: whatever comes during it shows in the time of the next look.
      const { mtimeNs } = await stat(path, { bigint: true });
      if (kept?.changedNs !== mtimeNs) kept = { changedNs: mtimeNs, listing: of(await readdir(path)) };
      return kept.listing;
    } catch {
      return null;
    }
  };
}
