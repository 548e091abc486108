import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LocalServer } from '../../../src/postgres/port.ts';
import { type PostgresServer, startPrimary, startStandby } from '../../../src/sandbox/postgres-server.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { localServer, logicalSlot, never, postgresUnderTest, settingsFor } from './servers.ts';

const script = fileURLToPath(new URL('killed-copier.ts', import.meta.url));

/** Stage, intend, stop, place snapshots, place two slots, remove one. */
const stepCount = 7;
const stopStep = 3;

async function runKilledCopier(order: object): Promise<NodeJS.Signals | null> {
  const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(order)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()));
  return new Promise((resolve, reject) => {
    child.on('exit', (code, signal) => {
      if (signal === null) reject(new Error(`the copier ended by itself with ${code ?? '?'}: ${said}`));
      else resolve(signal);
    });
  });
}

describe.each(await postgresUnderTest())('an agent killed in a file copy on PostgreSQL $version', (postgres) => {
  let sandbox: Sandbox;
  let primary: PostgresServer;
  let standby: PostgresServer;
  let source: LocalServer;
  const wanted = (name: string) => ({ name, database: 'postgres', plugin: 'test_decoding' });

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    primary = await startPrimary(sandbox, { name: 'one', postgres });
    standby = await startStandby(sandbox, { name: 'two', postgres, upstream: primary });
    source = localServer(primary);
    for (const name of ['fresh', 'again', 'gone']) await source.createLogicalSlot(wanted(name), never);
    // So that there are snapshots to be copied.
    for (let round = 0; round < 3; round += 1) {
      await primary.query('checkpoint');
      await primary.query(`select * from pg_logical_slot_get_changes('fresh', null, null)`);
    }
  });
  afterAll(async () => {
    await source.close();
    await sandbox.close();
  });

  test.each(Array.from({ length: stepCount + 2 }, (_, steps) => steps))('after %i steps', async (steps) => {
    const primaryUrl = primary.connUrl();
    const before = localServer(standby);
    await before.dropSlot({ name: 'fresh', type: 'logical' }, never);
    const present = new Set((await before.look(never)).slots.map(({ name }) => name));
    const missing = ['again', 'gone'].filter((name) => !present.has(name));
    await standby.untilReplayed(primary);
    if (missing.length > 0) await before.copySlots({ primaryUrl, slots: missing.map(wanted), replace: [] }, never);
    await before.close();

    const settings = { ...settingsFor(standby), clock: undefined };
    const request = { primaryUrl, slots: [wanted('fresh'), wanted('again')], replace: ['again', 'gone'] };
    expect(await runKilledCopier({ settings, request, steps })).toBe('SIGKILL');

    // The next agent, of the same server.
    const agent = localServer(standby);
    const isDown = steps >= stopStep && steps <= stepCount;
    if (isDown) {
      await expect(agent.look(never)).rejects.toMatchObject({ trouble: 'not_running' });
      expect(await agent.copyWasInterrupted()).toBe(true);
      // It is another member's business, should the directory have been cloned in that moment.
      const clone = localServer(standby, { member: 'clone' });
      expect(await clone.copyWasInterrupted()).toBe(false);
      await clone.close();
      await agent.startAfterCopy(never);
    }
    const look = await agent.look(never);
    expect(await agent.copyWasInterrupted()).toBe(false);
    expect(existsSync(join(standby.dataDir, 'slotkeeper.copy'))).toBe(false);

    const names = look.slots.map(({ name }) => name).sort();
    const placed = Math.max(0, Math.min(steps - stopStep - 1, 2));
    const expected = ['again', ...(placed >= 1 ? ['fresh'] : []), ...(steps >= stepCount ? [] : ['gone'])];
    expect(names).toEqual(expected.sort());
    // What was put in place is known to decode, although the agent that did it has remembered nothing, and also to the next
    // but one, should this one die right now.
    const next = localServer(standby);
    await next.look(never);
    for (const each of [next, agent])
      expect((await each.readLedger()).slots.get('fresh')?.decodable).toBe(placed >= 1 ? true : undefined);
    await next.close();
    // Whatever is there is whole: it decodes what is to come.
    await primary.query('create table if not exists t (i int)');
    await standby.untilReplayed(primary);
    const target = (await agent.look(never)).replayedLsn!;
    for (const name of names) {
      expect(await agent.advanceLogicalSlot({ name, database: 'postgres', target }, never)).toBe(target);
      expect(logicalSlot(look.slots, name)).toMatchObject({ invalidation: null, walOnDisk: true });
    }
    await agent.close();
  });
});
