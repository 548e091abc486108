import type { Lsn } from '../domain/lsn.ts';
import { crc32c } from './crc32c.ts';

/** A page of WAL as it is in its file, and the position of its first byte. */
export interface WalPage {
  readonly start: Lsn;
  readonly bytes: Uint8Array;
}

/** What the first page of a WAL file says of all of it (`XLogLongPageHeaderData`). */
export interface WalFileSizes {
  readonly segmentBytes: number;
  readonly pageBytes: number;
}

/** `XLOG_PAGE_MAGIC`: each major has its own. What follows a header is known of these only. */
const pageMagic = new Map([
  [11, 0xd098],
  [12, 0xd101],
  [13, 0xd106],
  [14, 0xd10d],
  [15, 0xd110],
  [16, 0xd113],
  [17, 0xd116],
  [18, 0xd118],
]);
const pageHeaderBytes = 24;
/** The header of a file's first page; others are shorter. */
export const fileHeaderBytes = 40;
const continuesRecord = 0x0001;
const hasFileHeader = 0x0002;

const recordHeaderBytes = 24;
/** The checksum stands last in a record's header; it covers what follows the header, then what stands before it there. */
const checksumAt = 20;
const standbyResource = 8;
const runningXactsInfo = 0x10;
/** A mark and the length in one byte, before data that belongs to no block. */
const shortDataMark = 255;
const dataHeaderBytes = 2;
/** `xl_running_xacts` without the transactions that it lists at its end. */
const emptyListBytes = 24;
/** The whole record where it lists none: a record of any other length says something else. */
export const idleRecordBytes = recordHeaderBytes + dataHeaderBytes + emptyListBytes;

/** Reads the header of a WAL file that begins at `start`; null = it is not, or not yet, the file of that position. */
export function parseFileHeader(bytes: Uint8Array, start: Lsn, major: number): WalFileSizes | null {
  const page = parsePage({ start, bytes }, major);
  if (page?.dataAt !== fileHeaderBytes) return null;
  const view = viewOf(bytes);
  return { segmentBytes: view.getUint32(32, true), pageBytes: view.getUint32(36, true) };
}

/** Whether a file is, from its first page to its last, of the WAL that begins at `start`, of that cluster and timeline. */
export function isFileOf(
  bytes: Uint8Array,
  start: Lsn,
  origin: { readonly systemIdentifier: string; readonly major: number; readonly timeline: number },
): boolean {
  const sizes = parseFileHeader(bytes, start, origin.major);
  if (sizes?.segmentBytes !== bytes.length || sizes.pageBytes < fileHeaderBytes) return false;
  const view = viewOf(bytes);
  if (view.getBigUint64(24, true).toString() !== origin.systemIdentifier) return false;
  for (let at = 0; at < bytes.length; at += sizes.pageBytes) {
    const page = bytes.subarray(at, at + sizes.pageBytes);
    // After a switch to the next file nothing is written in this one.
    if (page.every((byte) => byte === 0)) continue;
    if (parsePage({ start: start + BigInt(at), bytes: page }, origin.major) === null) return false;
    if (view.getUint32(at + 4, true) > origin.timeline) return false;
  }
  return true;
}

/**
 * Whether the record that starts at `lsn` says that no transaction runs there (`xl_running_xacts`, logged each 15 s and at
 * checkpoints): decoding that starts there is consistent at once, and looks for no snapshot (`SnapBuildFindSnapshot` in
 * PostgreSQL's snapbuild.c). `next` is the page after the one with the position, for a record that goes on there. Null =
 * there is no whole record, as where WAL has not been written yet, or another major's. Little-endian servers only; a page
 * of another kind of machine has another magic.
 */
export function saysNothingRuns(lsn: Lsn, page: WalPage, next: WalPage | null, major: number): boolean | null {
  const first = parsePage(page, major);
  if (first === null) return null;
  const offset = Number(lsn - page.start);
  // What ends with its page is followed by the next page, where a header comes first.
  const at = offset === 0 ? first.dataAt : offset;
  if (at % 8 !== 0 || at < first.continuedUntil || at >= page.bytes.length) return null;
  const length = viewOf(page.bytes).getUint32(at, true);
  if (length !== idleRecordBytes) return length < recordHeaderBytes ? null : false;
  const record = recordOf(page.bytes.subarray(at, at + length), next, major);
  if (record === null || !isWhole(record)) return null;
  return isIdle(viewOf(record));
}

interface ParsedPage {
  /** Where data begins. */
  readonly dataAt: number;
  /** How much of a record that began on an earlier page is here or on later ones. */
  readonly continuedBytes: number;
  /** Where the page's first own record begins; beyond the page if it has none. */
  readonly continuedUntil: number;
}

function parsePage({ start, bytes }: WalPage, major: number): ParsedPage | null {
  if (bytes.length < pageHeaderBytes) return null;
  const view = viewOf(bytes);
  // Files are used again under another name: until it is written anew, a page is of an older position.
  if (view.getUint16(0, true) !== pageMagic.get(major) || view.getBigUint64(8, true) !== start) return null;
  const info = view.getUint16(2, true);
  const dataAt = (info & hasFileHeader) === 0 ? pageHeaderBytes : fileHeaderBytes;
  if (bytes.length < dataAt) return null;
  const continuedBytes = (info & continuesRecord) === 0 ? 0 : view.getUint32(16, true);
  return { dataAt, continuedBytes, continuedUntil: dataAt + Math.ceil(continuedBytes / 8) * 8 };
}

/** The record that begins with `here`, whole; null = what is missing of it is not on the next page. */
function recordOf(here: Uint8Array, next: WalPage | null, major: number): Uint8Array | null {
  const missing = idleRecordBytes - here.length;
  if (missing === 0) return here;
  const page = next === null ? null : parsePage(next, major);
  if (next === null || page?.continuedBytes !== missing) return null;
  const rest = next.bytes.subarray(page.dataAt, page.dataAt + missing);
  return rest.length === missing ? Buffer.concat([here, rest]) : null;
}

function isWhole(record: Uint8Array): boolean {
  const covered = Buffer.concat([record.subarray(recordHeaderBytes), record.subarray(0, checksumAt)]);
  return viewOf(record).getUint32(checksumAt, true) === crc32c(covered);
}

function isIdle(record: DataView): boolean {
  const info = record.getUint8(16) & 0xf0;
  if (record.getUint8(17) !== standbyResource || info !== runningXactsInfo) return false;
  if (record.getUint8(recordHeaderBytes) !== shortDataMark) return false;
  if (record.getUint8(recordHeaderBytes + 1) !== emptyListBytes) return false;
  const list = recordHeaderBytes + dataHeaderBytes;
  const [listed, listedBelow] = [record.getInt32(list, true), record.getInt32(list + 4, true)];
  const [nextXid, oldestXid] = [record.getUint32(list + 12, true), record.getUint32(list + 16, true)];
  return listed === 0 && listedBelow === 0 && oldestXid === nextXid;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
