import { describe, expect, test } from 'vitest';
import { type WalPage, idleRecordBytes, parseFileHeader, saysNothingRuns } from '../../../src/postgres/wal-record.ts';
import { aPage, aRecord, major, pageBytes, segmentBytes, start } from './wal-bytes.ts';

const says = (offset: number, page: WalPage, next: WalPage | null = null): boolean | null =>
  saysNothingRuns(page.start + BigInt(offset), page, next, major);

describe('the record at a position', () => {
  test('says that nothing runs there', () => {
    expect(aRecord()).toHaveLength(idleRecordBytes);
    expect(says(4_096, aPage(4_096, aRecord()))).toBe(true);
  });

  test.each([
    ['lists a transaction', aRecord({ listed: [799], oldestXid: 799 })],
    ['knows of an older one that it does not list', aRecord({ oldestXid: 799 })],
    ['is of another resource', aRecord({ resource: 0 })],
    ['says something else', aRecord({ info: 0x20 })],
    ['is longer', aRecord({ listed: Array.from({ length: 50 }, (_, at) => 700 + at), oldestXid: 700 })],
  ])('does not say so when it %s', (_, record) => {
    expect(says(4_096, aPage(4_096, record))).toBe(false);
  });

  test('is told by the whole of its kind, not by the bits that are free for other marks', () => {
    expect(says(4_096, aPage(4_096, aRecord({ info: 0x12 })))).toBe(true);
  });

  test.each([24, 40, 48])('is found where %i bytes of it are on the next page', (missing) => {
    const record = aRecord();
    const offset = Math.floor((pageBytes - (record.length - missing)) / 8) * 8;
    const here = record.subarray(0, pageBytes - offset);
    const rest = record.subarray(here.length);
    const next = aPage(24, rest, { at: start + BigInt(pageBytes), continued: rest.length });
    expect(says(offset, aPage(offset, here), next)).toBe(true);
    const torn = aPage(24, rest, { at: start + BigInt(pageBytes), continued: rest.length - 1 });
    for (const other of [null, torn, { ...next, start: start + BigInt(3 * pageBytes) }]) {
      expect(says(offset, aPage(offset, here), other)).toBeNull();
    }
  });

  test('is found where it goes on in the next file, behind a longer header', () => {
    const next = BigInt(2 * segmentBytes);
    const record = aRecord();
    const last = aPage(pageBytes - 24, record.subarray(0, 24), { at: next - BigInt(pageBytes) });
    expect(says(pageBytes - 24, last, aPage(40, record.subarray(24), { at: next, continued: 26 }))).toBe(true);
  });

  test('comes after the header where the position is the end of a page', () => {
    expect(says(0, aPage(24, aRecord()))).toBe(true);
    expect(says(0, aPage(40, aRecord(), { at: BigInt(segmentBytes) }))).toBe(true);
  });

  test('comes after what is left of another one', () => {
    expect(says(128, aPage(128, aRecord(), { continued: 100 }))).toBe(true);
    expect(says(120, aPage(120, aRecord(), { continued: 100 }))).toBeNull();
    expect(says(0, aPage(24, aRecord(), { continued: 50 }))).toBeNull();
  });

  test.each([
    ['nothing has been written', aPage(0, Buffer.alloc(0)), 4_096],
    ['no record can begin', aPage(4_100, aRecord()), 4_100],
    ['the page is of another position', { ...aPage(4_096, aRecord()), start: start + 0x1000000n }, 4_096],
    ['the page ends early', { start, bytes: aPage(4_096, aRecord()).bytes.subarray(0, 4_100) }, 4_096],
  ])('is not known where %s', (_, page, offset) => {
    expect(says(offset, page)).toBeNull();
  });

  test('is not known when its checksum is another or the page is of another major', () => {
    const record = aRecord();
    record[30] = 1;
    expect(says(4_096, aPage(4_096, record))).toBeNull();
    const page = aPage(4_096, aRecord());
    for (const other of [16, 18, 99]) expect(saysNothingRuns(start + 4_096n, page, null, other)).toBeNull();
  });
});

test('the header of a file says how large it and its pages are', () => {
  const at = BigInt(5 * segmentBytes);
  const { bytes } = aPage(0, Buffer.alloc(0), { at });
  expect(parseFileHeader(bytes.subarray(0, 40), at, major)).toEqual({ segmentBytes, pageBytes });
  expect(parseFileHeader(bytes.subarray(0, 39), at, major)).toBeNull();
  expect(parseFileHeader(bytes, at + BigInt(segmentBytes), major)).toBeNull();
  expect(parseFileHeader(aPage(0, Buffer.alloc(0)).bytes, start, major)).toBeNull();
});
