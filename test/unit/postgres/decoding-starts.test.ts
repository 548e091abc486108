import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type DataDirectory, dataDirectory } from '../../../src/postgres/data-directory.ts';
import { type FilesOnDisk, watchFilesOnDisk } from '../../../src/postgres/slot-files-on-disk.ts';
import type { WalPage } from '../../../src/postgres/wal-record.ts';
import { aPage, aRecord, major, pageBytes, segmentBytes } from './wal-bytes.ts';

const format = { major, segmentBytes };
const begin = BigInt(segmentBytes);
const page = begin + BigInt(pageBytes);
const position = page + 128n;
const idle = aPage(128, aRecord(), { at: page });
const busy = aPage(128, aRecord({ listed: [799], oldestXid: 799 }), { at: page });

describe('whether decoding can start without a snapshot', () => {
  let directory: DataDirectory;
  let look: (...positions: readonly bigint[]) => Promise<FilesOnDisk>;
  beforeEach(async () => {
    directory = dataDirectory(await mkdtemp(join(tmpdir(), 'slotkeeper-')));
    await mkdir(directory.wal);
    await mkdir(directory.snapshots, { recursive: true });
    const watch = watchFilesOnDisk(directory);
    look = async (at = position, ...others) => (await watch(format, [at, ...others]))(at);
  });
  afterEach(() => rm(directory.root, { recursive: true }));

  /** The beginning of a WAL file. */
  async function writeWal(name: string, ...pages: readonly WalPage[]): Promise<void> {
    const header = aPage(0, Buffer.alloc(0), { at: pages[0]!.start - (pages[0]!.start % BigInt(segmentBytes)) });
    const file = Buffer.alloc(segmentBytes);
    for (const { start, bytes } of [header, ...pages]) file.set(bytes, Number(start - header.start));
    await writeFile(join(directory.wal, name), file);
  }
  const first = '000000010000000000000001';
  const second = '000000020000000000000001';

  test('is read from the WAL once', async () => {
    await writeWal(first, idle);
    expect(await look()).toEqual({ snapshotOnDisk: false, startsWithoutSnapshot: true, walOnDisk: true });
    await rm(join(directory.wal, first));
    expect(await look()).toEqual({ snapshotOnDisk: false, startsWithoutSnapshot: true, walOnDisk: false });
    expect(await look(position + 64n)).toMatchObject({ startsWithoutSnapshot: null });
    expect(await look()).toMatchObject({ startsWithoutSnapshot: null });
  });

  test('is asked again until it can be read', async () => {
    expect(await look()).toEqual({ snapshotOnDisk: false, startsWithoutSnapshot: null, walOnDisk: false });
    await writeWal(first, aPage(0, Buffer.alloc(0), { at: page }));
    expect(await look()).toEqual({ snapshotOnDisk: false, startsWithoutSnapshot: null, walOnDisk: true });
    await writeWal(first, busy);
    expect(await look()).toEqual({ snapshotOnDisk: false, startsWithoutSnapshot: false, walOnDisk: true });
  });

  test('is not asked where the snapshot is', async () => {
    await writeWal(first, idle);
    await writeFile(join(directory.snapshots, '0-1002080.snap'), '');
    expect(await look()).toEqual({ snapshotOnDisk: true, startsWithoutSnapshot: null, walOnDisk: true });
  });

  test('is what all timelines say that have the position, and is not known to be so if they differ', async () => {
    await writeWal(first, idle);
    await writeWal(second, aPage(0, Buffer.alloc(0), { at: page }));
    expect(await look()).toMatchObject({ startsWithoutSnapshot: true });
    await look(position + 64n);
    await writeWal(second, busy);
    expect(await look()).toMatchObject({ startsWithoutSnapshot: false });
  });

  test('is read over the end of a file, which may be the last one of its timeline', async () => {
    const end = 2n * begin;
    const record = aRecord();
    const at = end - 24n;
    const last = aPage(pageBytes - 24, record.subarray(0, 24), { at: end - BigInt(pageBytes) });
    await writeWal(first, last);
    expect(await look(at)).toMatchObject({ startsWithoutSnapshot: null });
    await writeWal('000000020000000000000002', aPage(40, record.subarray(24), { at: end, continued: 26 }));
    expect(await look(at)).toMatchObject({ startsWithoutSnapshot: true });
  });

  test('is not read from a file with segments of another size', async () => {
    await writeWal(first, idle);
    const watch = watchFilesOnDisk(directory);
    const other = { major, segmentBytes: segmentBytes / 2 };
    // Its second half, by that size, would be in a file of another name.
    await writeWal('000000010000000000000002', idle);
    expect((await watch(other, [position]))(position)).toMatchObject({ startsWithoutSnapshot: null, walOnDisk: true });
  });
});
