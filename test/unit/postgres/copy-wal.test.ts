import { describe, expect, test } from 'vitest';
import { hasWal, missingWal, timelineOfFile } from '../../../src/postgres/copy-wal.ts';
import { walFileSuffix } from '../../../src/postgres/data-directory.ts';
import { isFileOf } from '../../../src/postgres/wal-record.ts';
import { aPage, major, pageBytes, segmentBytes } from './wal-bytes.ts';

const segment = BigInt(segmentBytes);
const at = (index: number, offset = 0n): bigint => BigInt(index) * segment + offset;
const diskWith = (indexes: readonly number[], replayedLsn: bigint | null) => ({
  walFiles: new Set(indexes.map((index) => walFileSuffix(at(index), segmentBytes))),
  walSegmentBytes: segmentBytes,
  replayedLsn,
});

describe('the WAL that a standby lacks', () => {
  test.each([
    ['all before its base backup', at(3, 100n), diskWith([5, 6], at(6, 8n)), [at(4), at(3)]],
    ['a hole', at(3, 100n), diskWith([3, 5], at(5, 8n)), [at(4)]],
    ['nothing', at(3, 100n), diskWith([3, 4, 5], at(5, 8n)), []],
    ['not what is still to come', at(3, 100n), diskWith([3, 4], at(5)), []],
    ['not what is older', at(3), diskWith([3, 4], at(4, 8n)), []],
    ['what holds its start, where nothing is replayed', at(3, 8n), diskWith([], null), [at(3)]],
    ['what holds its start, at the very beginning of a file', at(3), diskWith([], at(3)), [at(3)]],
  ])('is %s', (_what, from, disk, missing) => {
    expect(missingWal(from, disk)).toEqual(missing);
    expect(hasWal(from, disk)).toBe(missing.length === 0);
  });
});

test('a file is called by the last timeline that has begun before its end', () => {
  const ended = (timeline: number, lsn: bigint) => ({ timeline, lsn, reason: '' });
  const line = { timeline: 4, switches: [ended(1, at(3, 100n)), ended(2, at(3, 200n)), ended(3, at(6))] };
  const of = (index: number): number => timelineOfFile(at(index), segmentBytes, line);
  expect([2, 3, 4, 5, 6, 7].map(of)).toEqual([1, 3, 3, 3, 4, 4]);
});

describe('a file of the WAL', () => {
  const origin = { systemIdentifier: '7', major, timeline: 2 };
  /** A file of small size, whose pages say that it is of another timeline or position where a test asks for it. */
  const aFile = ({ pages = 3, timeline = 1, begin = at(5) } = {}): Buffer => {
    const bytes = Buffer.concat(
      Array.from({ length: pages }, (_, page) => {
        const { bytes: one } = aPage(0, Buffer.alloc(0), { at: begin + BigInt(page * pageBytes) });
        Buffer.from(one.buffer, one.byteOffset).writeUInt32LE(timeline, 4);
        return Buffer.from(one);
      }),
    );
    bytes.writeBigUInt64LE(7n, 24);
    bytes.writeUInt32LE(bytes.length, 32);
    return bytes;
  };
  const changed = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = aFile();
    change(bytes);
    return bytes;
  };

  test('is one from its first page to its last, or to a switch', () => {
    expect(isFileOf(aFile(), at(5), origin)).toBe(true);
    expect(
      isFileOf(
        changed((bytes) => bytes.fill(0, pageBytes)),
        at(5),
        origin,
      ),
    ).toBe(true);
  });

  test.each([
    ['of another position', aFile({ begin: at(6) })],
    ['of another cluster', changed((bytes) => bytes.writeBigUInt64LE(8n, 24))],
    ['of a later timeline', aFile({ timeline: 3 })],
    ['shorter than it says', aFile().subarray(0, 2 * pageBytes)],
    [
      'used again: its last page is of another position',
      changed((bytes) => bytes.writeBigUInt64LE(1n, 2 * pageBytes + 8)),
    ],
    ['empty', Buffer.alloc(3 * pageBytes)],
  ])('is none that is %s', (_what, bytes) => {
    expect(isFileOf(bytes, at(5), origin)).toBe(false);
  });
});
