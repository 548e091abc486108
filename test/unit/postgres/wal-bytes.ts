import { crc32c } from '../../../src/postgres/crc32c.ts';
import type { WalPage } from '../../../src/postgres/wal-record.ts';

/** WAL as PostgreSQL 17 writes it. */
export const major = 17;
const magic = 0xd116;
export const pageBytes = 8192;
export const segmentBytes = 16 << 20;
/** A page in the middle of a file. */
export const start = BigInt(segmentBytes + 3 * pageBytes);

interface Said {
  readonly listed?: readonly number[];
  readonly nextXid?: number;
  readonly oldestXid?: number;
  readonly resource?: number;
  readonly info?: number;
}

/** An `xl_running_xacts` record. */
export function aRecord({
  listed = [],
  nextXid = 800,
  oldestXid = nextXid,
  resource = 8,
  info = 0x10,
}: Said = {}): Buffer {
  const data = Buffer.alloc(24 + 4 * listed.length);
  data.writeInt32LE(listed.length, 0);
  data.writeUInt32LE(nextXid, 12);
  data.writeUInt32LE(oldestXid, 16);
  data.writeUInt32LE(nextXid - 1, 20);
  listed.forEach((xid, at) => data.writeUInt32LE(xid, 24 + 4 * at));
  const header = Buffer.alloc(24);
  const body = Buffer.concat([Buffer.from([255, data.length]), data]);
  header.writeUInt32LE(header.length + body.length, 0);
  header.writeUInt8(info, 16);
  header.writeUInt8(resource, 17);
  header.writeUInt32LE(crc32c(Buffer.concat([body, header.subarray(0, 20)])), 20);
  return Buffer.concat([header, body]);
}

/** A page with `bytes` at an offset, and before them `continued` bytes of a record that began earlier. */
export function aPage(offset: number, bytes: Buffer, { at = start, continued = 0 } = {}): WalPage {
  const page = Buffer.alloc(pageBytes);
  const isFirst = at % BigInt(segmentBytes) === 0n;
  page.writeUInt16LE(magic, 0);
  page.writeUInt16LE((continued > 0 ? 1 : 0) | (isFirst ? 2 : 0), 2);
  page.writeBigUInt64LE(at, 8);
  page.writeUInt32LE(continued, 16);
  if (isFirst) {
    page.writeUInt32LE(segmentBytes, 32);
    page.writeUInt32LE(pageBytes, 36);
  }
  bytes.copy(page, offset);
  return { start: at, bytes: page };
}
