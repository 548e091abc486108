import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type DataDirectory, dataDirectory, slotDirectory } from '../../../src/postgres/data-directory.ts';
import { watchSlotIdentities } from '../../../src/postgres/slot-identity.ts';

describe('the identity of a slot', () => {
  let folder: string;
  let directory: DataDirectory;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slotkeeper-'));
    directory = dataDirectory(folder);
    await mkdir(slotDirectory(directory, 'a'), { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('is sure once it has been found twice', async () => {
    const look = watchSlotIdentities(directory);
    expect(await look(['a'])).toEqual({ sure: new Map(), anyUnsure: true });
    const { sure, anyUnsure } = await look(['a']);
    expect([...sure.keys()]).toEqual(['a']);
    expect(anyUnsure).toBe(false);
  });

  test('is not known of a slot that is not on disk, and that makes no other unsure', async () => {
    const look = watchSlotIdentities(directory);
    await look(['a', 'b']);
    const { sure, anyUnsure } = await look(['a', 'b']);
    expect([...sure.keys()]).toEqual(['a']);
    expect(anyUnsure).toBe(false);
  });

  test('of a directory that replaced another is a new one, and unsure at first', async () => {
    const look = watchSlotIdentities(directory);
    await look(['a']);
    const before = (await look(['a'])).sure.get('a');
    await rm(slotDirectory(directory, 'a'), { recursive: true });
    await mkdir(slotDirectory(directory, 'a'));
    expect(await look(['a'])).toEqual({ sure: new Map(), anyUnsure: true });
    expect((await look(['a'])).sure.get('a')).not.toBe(before);
  });

  test('is not known without a data directory', async () => {
    const look = watchSlotIdentities(dataDirectory(join(folder, 'absent')));
    expect(await look(['a'])).toEqual({ sure: new Map(), anyUnsure: false });
  });
});
