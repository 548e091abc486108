import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32c } from '../../../src/postgres/crc32c.ts';
import { BadSlotFile, checkSnapshotFile, parseSlotFile, withoutSyncedMark } from '../../../src/postgres/slot-file.ts';
import { realSlotFiles, realSnapshot } from './real-files.ts';

const majors = [13, 14, 15, 16, 17, 18] as const;

/** The file with some bytes changed and a checksum that fits, as only somebody who means it makes one. */
function forged(file: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(file);
  change(copy);
  copy.writeUInt32LE(crc32c(copy.subarray(8)), 4);
  return copy;
}

test('the checksum is CRC-32C', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
});

describe('the state file of a slot', () => {
  test.each([
    [13, { databaseOid: 13383, catalogXmin: 485, restartLsn: 0x15c4a50n, confirmedFlushLsn: 0x15d6b18n }],
    [14, { databaseOid: 13695, catalogXmin: 733, restartLsn: 0x16eff08n, confirmedFlushLsn: 0x1708220n }],
    [15, { databaseOid: 5, catalogXmin: 724, restartLsn: 0x1500800n, confirmedFlushLsn: 0x1516e68n }],
    [16, { databaseOid: 5, catalogXmin: 730, restartLsn: 0x14ddef0n, confirmedFlushLsn: 0x14f5998n }],
    [17, { databaseOid: 5, catalogXmin: 738, restartLsn: 0x14d8ab8n, confirmedFlushLsn: 0x14f01f0n }],
    [18, { databaseOid: 5, catalogXmin: 752, restartLsn: 0x174b338n, confirmedFlushLsn: 0x1764478n }],
  ] as const)('of PostgreSQL %i is read as that server showed the slot', (major, shown) => {
    expect(parseSlotFile(realSlotFiles[major], major)).toEqual({
      name: 's1',
      plugin: 'test_decoding',
      persistency: 'persistent',
      invalidated: false,
      ...shown,
    });
  });

  test.each([
    [15, 13],
    [13, 15],
    [15, 16],
    [16, 17],
    [18, 16],
    [13, 12],
  ] as const)('of PostgreSQL %i is refused as one of %i', (major, other) => {
    expect(() => parseSlotFile(realSlotFiles[major], other)).toThrow(BadSlotFile);
  });

  test.each(majors)('of PostgreSQL %i is refused with any single byte changed', (major) => {
    const file = realSlotFiles[major];
    for (let at = 0; at < file.length; at += 1) {
      const bad = Buffer.from(file);
      bad[at] = (bad[at] ?? 0) ^ 0x41;
      expect(() => parseSlotFile(bad, major), `byte ${at}`).toThrow(BadSlotFile);
    }
  });

  test.each(majors)('of PostgreSQL %i is refused when it is shorter or longer', (major) => {
    const file = realSlotFiles[major];
    for (let length = 0; length < file.length; length += 1) {
      expect(() => parseSlotFile(file.subarray(0, length), major), `${length} bytes`).toThrow(BadSlotFile);
    }
    expect(() => parseSlotFile(Buffer.concat([file, Buffer.alloc(1)]), major)).toThrow(/size/);
  });

  test('says what is wrong with it', () => {
    const file = realSlotFiles[15];
    expect(() => parseSlotFile(Buffer.alloc(0), 15)).toThrow(/not even a header/);
    expect(() =>
      parseSlotFile(
        forged(file, (copy) => copy.swap32()),
        15,
      ),
    ).toThrow(/magic number/);
    expect(() =>
      parseSlotFile(
        forged(file, (copy) => copy.writeUInt32LE(9, 8)),
        15,
      ),
    ).toThrow(/version is 0x9, not 0x2/);
    expect(() =>
      parseSlotFile(
        forged(file, (copy) => copy.fill(0x61, 16, 80)),
        15,
      ),
    ).toThrow(/name has no end/);
    expect(() =>
      parseSlotFile(
        forged(file, (copy) => copy.writeUInt32LE(3, 84)),
        15,
      ),
    ).toThrow(/persistency is 3/);
  });

  test('tells ephemeral, temporary and invalidated slots', () => {
    const parse = (major: (typeof majors)[number], change: (copy: Buffer) => void) =>
      parseSlotFile(forged(realSlotFiles[major], change), major);
    expect(parse(15, (copy) => copy.writeUInt32LE(1, 84)).persistency).toBe('ephemeral');
    expect(parse(15, (copy) => copy.writeUInt32LE(2, 84)).persistency).toBe('temporary');
    // A position up to 15, an enumeration after that.
    expect(parse(15, (copy) => copy.writeBigUInt64LE(0x1_0000_0000n, 104)).invalidated).toBe(true);
    expect(parse(16, (copy) => copy.writeUInt32LE(2, 104)).invalidated).toBe(true);
  });

  test('loses the mark of PostgreSQL’s own synchronisation where there is one, and nothing else', () => {
    for (const major of majors) expect(withoutSyncedMark(realSlotFiles[major], major)).toEqual(realSlotFiles[major]);
    const marked = (major: 16 | 17 | 18): Buffer => forged(realSlotFiles[major], (copy) => copy.writeUInt8(1, 193));
    for (const major of [17, 18] as const)
      expect(withoutSyncedMark(marked(major), major)).toEqual(realSlotFiles[major]);
    expect(withoutSyncedMark(marked(16), 16)).toEqual(marked(16));
  });

  test('never throws anything else, whatever the bytes', () => {
    const header = fc.constantFrom(...majors).map((major) => realSlotFiles[major].subarray(0, 16));
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc
        .tuple(header, fc.uint8Array({ minLength: 160, maxLength: 190 }))
        .map(([head, tail]) => forged(Buffer.concat([head, tail]), () => undefined)),
    );
    fc.assert(
      fc.property(bytes, fc.integer({ min: 11, max: 19 }), (file, major) => {
        try {
          expect(parseSlotFile(file, major).name.length).toBeLessThanOrEqual(64);
        } catch (error) {
          expect(error).toBeInstanceOf(BadSlotFile);
        }
      }),
    );
  });

  test('is read wherever it lies in a larger buffer', () => {
    const file = realSlotFiles[15];
    const large = Buffer.concat([Buffer.alloc(13, 0xff), file, Buffer.alloc(7, 0xff)]);
    expect(parseSlotFile(large.subarray(13, 13 + file.length), 15)).toEqual(parseSlotFile(file, 15));
  });
});

describe('a serialized snapshot', () => {
  test('as PostgreSQL wrote it passes', () => {
    expect(() => {
      checkSnapshotFile(realSnapshot);
    }).not.toThrow();
  });

  test('is refused with any single byte changed, and when it is cut', () => {
    for (let at = 0; at < realSnapshot.length; at += 1) {
      const bad = Buffer.from(realSnapshot);
      bad[at] = (bad[at] ?? 0) ^ 0x41;
      expect(() => {
        checkSnapshotFile(bad);
      }, `byte ${at}`).toThrow(BadSlotFile);
      expect(() => {
        checkSnapshotFile(realSnapshot.subarray(0, at));
      }, `${at} bytes`).toThrow(BadSlotFile);
    }
  });
});
