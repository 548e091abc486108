import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LocalServer } from '../../../src/postgres/port.ts';
import { type PostgresServer, startPrimary, startStandby } from '../../../src/sandbox/postgres-server.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { localServer, never, postgresUnderTest } from './servers.ts';

const run = promisify(execFile);
const noRoomError = /ENOSPC|EFBIG|no space left/i;

/** A disk that can be filled needs a file system of its own, which only root may mount, and not in every container. */
const mountIsAllowed = await run('unshare', ['--mount', 'true']).then(
  () => process.geteuid?.() === 0,
  () => false,
);
/** Without it, this process is what has no room: a limit on the size of its files ends a write in the middle as well. */
const noRoom = mountIsAllowed ? 'a full disk' : 'no room for files';

describe.each(await postgresUnderTest())(`${noRoom} on PostgreSQL $version`, (postgres) => {
  let sandbox: Sandbox;
  let primary: PostgresServer;
  let standby: PostgresServer;
  let server: LocalServer;

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    primary = await startPrimary(sandbox, { name: 'one', postgres });
    standby = await startStandby(sandbox, { name: 'two', postgres, upstream: primary });
    if (mountIsAllowed) await moveToOwnDisk();
    server = localServer(standby);
    const source = localServer(primary);
    await source.createLogicalSlot({ name: 's', database: 'postgres', plugin: 'test_decoding' }, never);
    await source.close();
    await standby.untilReplayed(primary);
  });
  afterAll(async () => {
    await server.close();
    if (mountIsAllowed) {
      await standby.stop('immediate').catch(() => undefined);
      await run('umount', ['-l', standby.dataDir]);
    }
    await sandbox.close();
  });

  async function moveToOwnDisk(): Promise<void> {
    await standby.stop();
    // The same data, on a disk of its own.
    const aside = join(standby.home, 'aside');
    await run('cp', ['-a', standby.dataDir, aside]);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=256m', 'slotkeeper-test', standby.dataDir]);
    await run('cp', ['-aT', aside, standby.dataDir]);
    await rm(aside, { recursive: true });
    await standby.start();
  }

  /** Takes the room that there is; resolves to what gives it back. */
  async function takeRoom(): Promise<() => Promise<void>> {
    if (!mountIsAllowed) return limitFiles();
    const filler = join(standby.dataDir, 'filler');
    await fill(filler);
    return () => rm(filler);
  }

  test('costs no restart and leaves nothing behind; with room again, the copy works', async () => {
    const before = await server.look(never);
    const giveRoom = await takeRoom();
    const request = {
      primaryUrl: primary.connUrl(),
      slots: [{ name: 's', database: 'postgres', plugin: 'test_decoding' }],
      replace: [],
    };
    await expect(server.copySlots(request, never)).rejects.toThrow(noRoomError);
    const look = await server.look(never);
    expect(look.startedAtWallMs).toBe(before.startedAtWallMs);
    expect(look.slots).toEqual([]);
    expect(existsSync(join(standby.dataDir, 'slotkeeper.copy'))).toBe(false);
    expect(await server.copyWasInterrupted()).toBe(false);
    await expect(
      server.writeLedger({
        member: 'two',
        systemIdentifier: look.systemIdentifier,
        slots: new Map(),
        feedbackSet: true,
        settingsSet: [],
      }),
    ).rejects.toThrow(noRoomError);
    await giveRoom();
    expect((await server.copySlots(request, never)).copied).toMatchObject([{ name: 's' }]);
  });
});

/** No file of this process gets longer than a part of a slot file, until what this resolves to is called. */
async function limitFiles(): Promise<() => Promise<void>> {
  const limit = (bytes: string): Promise<unknown> => run('prlimit', [`--pid=${process.pid}`, `--fsize=${bytes}:`]);
  // Without a listener the signal would end the process; with one the write fails.
  const ignore = (): void => undefined;
  process.on('SIGXFSZ', ignore);
  await limit('64');
  return async () => {
    await limit('unlimited');
    process.off('SIGXFSZ', ignore);
  };
}

/** Takes every block that is left. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    const { bsize } = await statfs(path);
    for (const size of [1 << 20, bsize]) {
      for (;;) {
        const { bytesWritten } = await file.write(Buffer.alloc(size, 1));
        if (bytesWritten < size) break;
      }
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  } finally {
    await file.close();
  }
  const { bavail } = await statfs(path);
  if (bavail > 0) throw new Error(`${bavail} blocks are left`);
}
