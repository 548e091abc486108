import { describeError } from '../base/errors.ts';
import type { WalLine } from '../domain/lead.ts';
import { type Lsn, formatLsn } from '../domain/lsn.ts';
import type { Connection } from './client.ts';
import { walFileName, walFileSuffix } from './data-directory.ts';
import { ServerError } from './port.ts';
import { readBinaryFile } from './sql/read-binary-file.ts';
import { sqlstate } from './sqlstate.ts';
import { isFileOf } from './wal-record.ts';

/**
 * A standby whose base backup is younger than a slot lacks the WAL from the slot's start up to the backup: with it, it has
 * all that the primary had, since the slot kept the catalog rows in what was backed up. The primary still has that WAL,
 * because its slot holds it.
 */
export interface FetchedWal {
  /** As it is called in `pg_wal`. */
  readonly name: string;
  readonly contents: Buffer;
}

/** Which WAL a server has on disk. */
export interface WalOnDisk {
  /** By `walFileSuffix`. */
  readonly walFiles: ReadonlySet<string>;
  readonly walSegmentBytes: number;
  readonly replayedLsn: Lsn | null;
}

/** Whose WAL it must be. */
export interface WalOrigin extends WalLine {
  readonly systemIdentifier: string;
  readonly major: number;
}

/** Files go through the memory of both servers and of the agent: more than this is not asked for. */
const mostBytes = 128 * 1024 * 1024;

/** Where the WAL files begin that are not there, of those from `from` to what is replayed, the newest first. */
export function missingWal(from: Lsn, { walFiles, walSegmentBytes, replayedLsn }: WalOnDisk): readonly Lsn[] {
  const segment = BigInt(walSegmentBytes);
  const missing: Lsn[] = [];
  const end = replayedLsn === null || replayedLsn < from ? from : replayedLsn;
  for (let start = end - (end % segment); start > from - segment; start -= segment)
    // What begins right after the end of a file has its file only when there is something in it.
    if (!walFiles.has(walFileSuffix(start, walSegmentBytes)) && (start !== end || start === from)) missing.push(start);
  return missing;
}

/** Whether all WAL from there to what is replayed is on disk, so that it can be decoded. */
export function hasWal(from: Lsn, disk: WalOnDisk): boolean {
  return missingWal(from, disk).length === 0;
}

/**
 * The timeline by which the file is called that has the WAL from `start` on: where a timeline ends within a file, the next one
 * goes on with a copy of it.
 */
export function timelineOfFile(start: Lsn, segmentBytes: number, { timeline, switches }: WalLine): number {
  const end = start + BigInt(segmentBytes);
  return switches.find(({ lsn }) => lsn >= end)?.timeline ?? timeline;
}

/**
 * Reads from the primary what is missing from `starts` on, the newest first, as far as it can be had: `why` says what ended
 * it before the last.
 */
export async function fetchWal(
  primary: Connection,
  starts: readonly Lsn[],
  disk: WalOnDisk,
  origin: WalOrigin,
  signal: AbortSignal,
): Promise<{ readonly files: readonly FetchedWal[]; readonly why: string | null }> {
  const files: FetchedWal[] = [];
  for (const start of missingWal(
    starts.reduce((a, b) => (a < b ? a : b)),
    disk,
  )) {
    if ((files.length + 1) * disk.walSegmentBytes > mostBytes)
      return { files, why: `more than ${mostBytes / 1024 / 1024} MiB of it` };
    const timeline = timelineOfFile(start, disk.walSegmentBytes, origin);
    const name = walFileName(timeline, start, disk.walSegmentBytes);
    try {
      const contents = await primary.run(readBinaryFile(`pg_wal/${name}`), signal);
      // A file that is not needed any more is used again for WAL that is still to come.
      if (contents.length !== disk.walSegmentBytes || !isFileOf(contents, start, { ...origin, timeline }))
        return { files, why: `${name} on the primary is not the WAL from ${formatLsn(start)} on` };
      files.push({ name, contents });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ServerError)) throw error;
      const isGone = error.sqlstate === sqlstate.undefinedFile;
      return { files, why: isGone ? `the primary has no ${name}` : describeError(error) };
    }
  }
  return { files, why: null };
}
