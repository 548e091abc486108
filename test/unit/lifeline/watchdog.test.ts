import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { watchdogOf } from '../../../src/lifeline/watchdog.ts';

describe('the watchdog, a plain file in its place', () => {
  let folder: string;
  let said: string[];
  beforeEach(async () => {
    said = [];
    folder = await mkdtemp(join(tmpdir(), 'slotkeeper-watchdog-'));
    await mkdir(join(folder, 'watchdog0'));
    await writeFile(join(folder, 'watchdog'), '');
    await withTimeout('5\n');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const withTimeout = (text: string) => writeFile(join(folder, 'watchdog0', 'timeout'), text);
  const written = () => readFile(join(folder, 'watchdog'), 'utf8');
  const open = (mode: 'off' | 'automatic' | 'required', name = 'watchdog') =>
    watchdogOf({ mode, device: join(folder, name) }, (text) => said.push(text), folder);

  test('is fed while the lease is longer than its timeout, and disarmed when it is closed', async () => {
    const watchdog = open('required');
    watchdog.feed(9_000);
    expect(await written()).toBe('');
    expect(await watchdog.refusal(9_000)).toBeNull();
    watchdog.feed(9_000);
    watchdog.feed(5_000);
    watchdog.feed(4_999);
    expect(await written()).toBe('\0\0');
    watchdog.close();
    expect(await written()).toBe('\0\0V');
    watchdog.feed(9_000);
    watchdog.close();
    expect(await written()).toBe('\0\0V');
  });

  test('required: one that comes too late, or is not there, refuses the guard', async () => {
    await withTimeout('60\n');
    expect(await open('required').refusal(8_900)).toMatch(
      /60 s, is longer than the lease allows: wdctl --settimeout 8 /,
    );
    expect(await written()).toBe('V');
    expect(await open('required', 'watchdog1').refusal(9_000)).toMatch(/watchdog1 cannot be used: ENOENT/);
    await withTimeout('junk');
    expect(await open('required').refusal(9_000)).toMatch(/its timeout is "junk"/);
  });

  test('automatic: late is better than never, and it says so', async () => {
    await withTimeout('60\n');
    const watchdog = open('automatic');
    expect(await watchdog.refusal(9_000)).toBeNull();
    watchdog.feed(9_000);
    expect(await written()).toBe('\0');
    expect(said).toEqual([expect.stringContaining('longer than the lease allows')]);
    expect(await open('automatic', 'watchdog1').refusal(9_000)).toBeNull();
    expect(said.at(-1)).toContain('cannot be used');
  });

  test('off: is left alone', async () => {
    const watchdog = open('off');
    expect(await watchdog.refusal(9_000)).toBeNull();
    watchdog.feed(9_000);
    watchdog.close();
    expect(await written()).toBe('');
  });
});
