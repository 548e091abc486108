import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lsn } from '../domain/lsn.ts';
import { type DataDirectory, walFileSuffix } from './data-directory.ts';
import { type WalPage, fileHeaderBytes, idleRecordBytes, parseFileHeader, saysNothingRuns } from './wal-record.ts';

/** What has to be known of a server to read its WAL files. */
export interface WalFormat {
  readonly major: number;
  readonly segmentBytes: number;
}

/** By `walFileSuffix`, the first eight digits of the names of the files there: their timelines, oldest first. */
export type WalFiles = ReadonlyMap<string, readonly string[]>;

/**
 * Whether decoding can start at each of the positions without a snapshot, see `saysNothingRuns`; a position that cannot be
 * read, or not yet, is left out.
 */
export type DecodingStarts = (
  positions: readonly Lsn[],
  files: WalFiles,
  format: WalFormat,
) => Promise<ReadonlyMap<Lsn, boolean>>;

/** What WAL says stays, so it is kept for as long as somebody asks for the position. */
export function watchDecodingStarts(directory: DataDirectory): DecodingStarts {
  let kept: ReadonlyMap<Lsn, boolean> = new Map();
  return async (positions, files, format) => {
    const known = new Map<Lsn, boolean>();
    for (const lsn of new Set(positions)) {
      const says = kept.get(lsn) ?? (await startAt(directory, lsn, files, format));
      if (says !== null) known.set(lsn, says);
    }
    kept = known;
    return known;
  };
}

/**
 * A file of each timeline may hold the position. Where they have it in common they are equal; where they are not, one is
 * of a timeline that this server has left, and nothing is certain.
 */
async function startAt(
  directory: DataDirectory,
  lsn: Lsn,
  files: WalFiles,
  format: WalFormat,
): Promise<boolean | null> {
  const timelines = files.get(walFileSuffix(lsn, format.segmentBytes)) ?? [];
  const said = new Set<boolean>();
  for (const timeline of timelines) {
    const page = await readPage(directory, timeline, lsn, format);
    if (page === null) continue;
    const says = saysNothingRuns(lsn, page, await pageAfter(directory, page, lsn, files, format), format.major);
    if (says !== null) said.add(says);
  }
  return said.size === 0 ? null : !said.has(false);
}

/** Null where a record of the length that matters ends before it, or where it is not there. */
async function pageAfter(
  directory: DataDirectory,
  page: WalPage,
  lsn: Lsn,
  files: WalFiles,
  format: WalFormat,
): Promise<WalPage | null> {
  const next = page.start + BigInt(page.bytes.length);
  if (lsn + BigInt(idleRecordBytes) <= next) return null;
  // Of a record that went on to a file of another timeline both files have the whole.
  const timeline = files.get(walFileSuffix(next, format.segmentBytes))?.at(-1);
  return timeline === undefined ? null : readPage(directory, timeline, next, format);
}

/** The page with the position; null = the file is gone by now, cannot be read, or is not of the position. */
async function readPage(
  directory: DataDirectory,
  timeline: string,
  lsn: Lsn,
  { major, segmentBytes }: WalFormat,
): Promise<WalPage | null> {
  const begin = lsn - (lsn % BigInt(segmentBytes));
  let file: FileHandle | null = null;
  try {
    file = await open(join(directory.wal, `${timeline}${walFileSuffix(lsn, segmentBytes)}`));
    const sizes = parseFileHeader(await readAt(file, 0, fileHeaderBytes), begin, major);
    if (sizes?.segmentBytes !== segmentBytes) return null;
    const offset = Number(lsn - begin);
    const pageAt = offset - (offset % sizes.pageBytes);
    return { start: begin + BigInt(pageAt), bytes: await readAt(file, pageAt, sizes.pageBytes) };
  } catch {
    return null;
  } finally {
    await file?.close();
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
