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

/** A disk that can be filled needs a file system of its own, which only root may mount (and not in every container). */
const mountIsAllowed = await run('unshare', ['--mount', 'true']).then(
  () => process.geteuid?.() === 0,
  () => false,
);
if (!mountIsAllowed) console.warn('NOT TESTED: a full disk during a file copy (no right to mount a file system)');

describe.runIf(mountIsAllowed).each(await postgresUnderTest())('a full disk on PostgreSQL $version', (postgres) => {
  let sandbox: Sandbox;
  let primary: PostgresServer;
  let standby: PostgresServer;
  let server: LocalServer;

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    primary = await startPrimary(sandbox, { name: 'one', postgres });
    standby = await startStandby(sandbox, { name: 'two', postgres, upstream: primary });
    await standby.stop();
    // The same data, on a disk of its own.
    const aside = join(standby.home, 'aside');
    await run('cp', ['-a', standby.dataDir, aside]);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=256m', 'slotkeeper-test', standby.dataDir]);
    await run('cp', ['-aT', aside, standby.dataDir]);
    await rm(aside, { recursive: true });
    await standby.start();
    server = localServer(standby);
    const source = localServer(primary);
    await source.createLogicalSlot({ name: 's', database: 'postgres', plugin: 'test_decoding' }, never);
    await source.close();
    await standby.untilReplayed(primary);
  });
  afterAll(async () => {
    await server.close();
    await standby.stop('immediate').catch(() => undefined);
    await run('umount', ['-l', standby.dataDir]);
    await sandbox.close();
  });

  test('costs no restart and leaves nothing behind; with room again, the copy works', async () => {
    const before = await server.look(never);
    const filler = join(standby.dataDir, 'filler');
    await fill(filler);
    const request = {
      primaryUrl: primary.connUrl(),
      slots: [{ name: 's', database: 'postgres', plugin: 'test_decoding' }],
      replace: [],
    };
    await expect(server.copySlots(request, never)).rejects.toThrow(/ENOSPC|no space left/i);
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
    ).rejects.toThrow(/ENOSPC|no space left/i);
    await rm(filler);
    expect((await server.copySlots(request, never)).copied).toMatchObject([{ name: 's' }]);
  });
});

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
