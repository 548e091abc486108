import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { PostgresServer } from '../../src/sandbox/postgres-server.ts';
import { memberSlots, useCluster } from '../support/cluster.ts';
import {
  patienceMs,
  slotsOn,
  untilAllRun,
  untilLeads,
  untilReady,
  untilSlots,
  untilVerdict,
  verdictIn,
} from '../support/cluster-state.ts';
import { eventually } from '../support/eventually.ts';
import { postgresMajors } from '../support/majors.ts';

/**
 * What the tests of pg_failover_slots ask of that extension, asked of slotkeeper: slots that somebody makes on the primary
 * get onto the standby and move there, go there when they go on the primary, also while nobody looks, and serve their
 * consumers after a failover. That consumers wait for standbys is asked in gate.test.ts.
 */
describe.each(postgresMajors())('slots that are followed by name, PostgreSQL %i', (major) => {
  const cluster = useCluster({
    major,
    members: [
      { name: 'alpha', upstream: null },
      { name: 'beta', upstream: 'alpha' },
    ],
  });
  const plugins = { app_1: 'test_decoding', app_2: 'test_decoding', app_3: 'pgoutput', app_4: 'pgoutput' } as const;
  type Slot = keyof typeof plugins;
  const all = Object.keys(plugins) as readonly Slot[];
  const serverOf = (name: string) => cluster().member(name).server;
  let written = 0;

  const configure = (filter: string, more: { ignore?: readonly string[]; dropExtraSlots?: boolean } = {}) =>
    cluster().configure({
      loop_wait: 2,
      slots: memberSlots(cluster()),
      ignore_slots: (more.ignore ?? []).map((name) => ({ name })),
      failover_slots: { synchronize_slot_names: filter, drop_extra_slots: more.dropExtraSlots ?? true },
    });

  /** Writes a row. */
  async function write(server: PostgresServer): Promise<void> {
    written += 1;
    await server.query('insert into written values ($1)', [written]);
  }

  /** How many rows the slot gives its consumer. */
  async function consume(server: PostgresServer, slot: Slot): Promise<number> {
    if (plugins[slot] === 'test_decoding') {
      const changes = await server.query<{ data: string }>(
        `select data from pg_logical_slot_get_changes($1, null, null) where data like '%INSERT%'`,
        [slot],
      );
      return changes.length;
    }
    // the first byte of a message of pgoutput says what it is
    const messages = await server.query(
      `select from pg_logical_slot_get_binary_changes($1, null, null, 'proto_version', '1', 'publication_names', 'written')
        where get_byte(data, 0) = ascii('I')`,
      [slot],
    );
    return messages.length;
  }

  async function logicalOn(server: PostgresServer): Promise<readonly string[]> {
    const found = [...(await slotsOn(server)).values()].filter(({ type }) => type === 'logical');
    return found
      .map(({ name }) => name)
      .filter((name) => !name.startsWith('slotkeeper_'))
      .sort();
  }

  beforeAll(async () => {
    await serverOf('alpha').query('create table written (id bigint primary key)');
    await serverOf('alpha').query('create publication written for table written');
  });

  test('four slots, of two plugins, get onto the standby while their consumers move', async () => {
    await cluster().startAgents();
    await untilLeads(cluster(), 'alpha');
    await untilAllRun(cluster());
    await configure('name_like:app%');
    for (const slot of all) {
      await serverOf('alpha').query('select pg_create_logical_replication_slot($1, $2)', [slot, plugins[slot]]);
    }
    await moveUntilReady(all);
    await write(serverOf('alpha'));
    for (const slot of all) expect(await consume(serverOf('alpha'), slot)).toBe(1);
    await untilPositionsAreEqual(all);
    const there = await slotsOn(serverOf('beta'));
    for (const slot of all) expect(there.get(slot)?.plugin).toBe(plugins[slot]);
  });

  /** A slot that was made before anything of its database was followed gets there when its consumer has moved. */
  async function moveUntilReady(slots: readonly Slot[]): Promise<void> {
    await eventually(
      async () => {
        await write(serverOf('alpha'));
        for (const slot of all) await consume(serverOf('alpha'), slot);
        const keys = await cluster().read();
        return slots.every((slot) => verdictIn(keys, 'beta', slot)?.kind === 'ready');
      },
      { what: `${slots.join(', ')} to be ready on beta`, timeoutMs: patienceMs, intervalMs: 250 },
    );
  }

  async function untilPositionsAreEqual(slots: readonly Slot[]): Promise<void> {
    const wanted = await slotsOn(serverOf('alpha'));
    await eventually(
      async () => {
        const found = await slotsOn(serverOf('beta'));
        return slots.every((slot) => found.get(slot)?.confirmed === wanted.get(slot)?.confirmed);
      },
      { what: `${slots.join(', ')} to be where they are on the primary`, timeoutMs: patienceMs },
    );
  }

  test('the filter says which by name, by pattern or by plugin; the others go on the standby only', async () => {
    await configure('app_1, name_like:app\\_4, plugin:nobody');
    await untilSlots(serverOf('beta'), { has: ['app_1', 'app_4'], lacks: ['app_2', 'app_3'] });
    await configure('plugin:pgoutput');
    await untilSlots(serverOf('beta'), { has: ['app_4'], lacks: ['app_1', 'app_2'] });
    await moveUntilReady(['app_3', 'app_4']);
    expect(await logicalOn(serverOf('alpha'))).toEqual(all);
    await configure('name_like:app%');
    await moveUntilReady(all);
  });

  test('one that is dropped on the primary goes on the standby, also when the primary lost it while it was down', async () => {
    await serverOf('alpha').query(`select pg_drop_replication_slot('app_4')`);
    await untilSlots(serverOf('beta'), { has: ['app_1', 'app_2', 'app_3'], lacks: ['app_4'] });
    await serverOf('alpha').stop();
    await rm(join(serverOf('alpha').dataDir, 'pg_replslot', 'app_3'), { recursive: true });
    await serverOf('alpha').start();
    await untilSlots(serverOf('beta'), { has: ['app_1', 'app_2'], lacks: ['app_3'] });
    await untilReady(cluster(), ['app_1', 'app_2'], ['beta'], 'alpha');
  });

  test('after a failover each gives what its consumer has not had, and nothing else', async () => {
    await configure('name_like:app%', { ignore: ['kept'], dropExtraSlots: false });
    for (const name of ['kept', 'foreign']) {
      await serverOf('alpha').query(`select pg_create_logical_replication_slot($1, 'test_decoding')`, [name]);
    }
    await write(serverOf('alpha'));
    expect(await consume(serverOf('alpha'), 'app_1')).toBe(1);
    await untilPositionsAreEqual(['app_1', 'app_2']);
    // Stopped in order: everything is on the standby.
    await serverOf('alpha').stop();
    await serverOf('beta').promote();
    await untilLeads(cluster(), 'beta');
    expect(await logicalOn(serverOf('beta'))).toEqual(['app_1', 'app_2']);
    await write(serverOf('beta'));
    expect(await consume(serverOf('beta'), 'app_1')).toBe(1);
    expect(await consume(serverOf('beta'), 'app_2')).toBe(2);
    const { value } = (await cluster().read()).slotHistory ?? {};
    expect(value?.at(-1)).toMatchObject({ leader: 'beta', gaps: [] });
  });

  test('what the old primary has left over is dropped when it comes back, by the rules, and ignored slots are not', async () => {
    await serverOf('alpha').rejoin(serverOf('beta'), 'plain');
    await untilVerdict(cluster(), 'alpha', 'foreign', 'orphan');
    expect(await logicalOn(serverOf('alpha'))).toEqual(['app_1', 'app_2', 'foreign', 'kept']);
    await configure('name_like:app%', { ignore: ['kept'] });
    await untilSlots(serverOf('alpha'), { has: ['app_1', 'app_2', 'kept'], lacks: ['foreign'] });
    await untilReady(cluster(), ['app_1', 'app_2'], ['alpha'], 'beta');
  });
});
