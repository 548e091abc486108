import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memberSlots, twoStandbys, useCluster } from '../support/cluster.ts';
import { startedAt, untilLeads, untilReady, untilSlots, untilSynchronous } from '../support/cluster-state.ts';
import { copyMoments, downtimesOf, overlaps, untilMoment, type CopyMoment } from '../support/copy-moments.ts';
import { eventually } from '../support/eventually.ts';
import { clusterMajors } from '../support/majors.ts';

const moments: readonly CopyMoment[] = [
  copyMoments.staged,
  copyMoments.stopping,
  copyMoments.down,
  copyMoments.placed,
  copyMoments.starting,
];

/**
 * The agent of whichever standby has the turn is killed in the middle of its copy and started again: its server comes
 * up with the slot or without it, gets it in the end, and never are two standbys down at once.
 */
describe.each(clusterMajors())('an agent killed during a file copy, PostgreSQL %i', (major) => {
  const cluster = useCluster({ members: twoStandbys, major });
  const serverOf = (name: string) => cluster().member(name).server;
  const standbys = ['beta', 'gamma'];
  const made: string[] = [];
  const fileCopy = { method: 'file_copy' };

  async function declare(slot: string): Promise<void> {
    made.push(slot);
    const slots: Record<string, unknown> = memberSlots(cluster());
    for (const name of made) slots[name] = { type: 'logical', database: 'postgres', plugin: 'test_decoding' };
    await cluster().configure({ slots, failover_slots: fileCopy });
  }

  test('before anything is copied', async () => {
    await serverOf('alpha').query('create table written (id bigint primary key)');
    await cluster().startAgents();
    await untilLeads(cluster(), 'alpha');
    await cluster().configure({ slots: memberSlots(cluster()), failover_slots: fileCopy });
    for (const name of standbys) await untilSlots(serverOf(name), { has: ['alpha'] });
  });

  test.each(moments.map((moment, index) => [moment.name, moment, `s${index}`] as const))(
    '%s',
    async (_name, moment, slot) => {
      await declare(slot);
      const victim = await eventually(async () => (await cluster().read()).restartTurn?.value, {
        what: 'a standby to take its turn',
        intervalMs: 1,
      });
      const { agent, server } = cluster().member(victim);
      await untilMoment(moment, server, slot);
      await agent.kill();
      await agent.start();
      await untilReady(cluster(), made, standbys, 'alpha');
      // The server is back, and its slots with it, before what was staged has been cleared away.
      await eventually(async () => !(await readdir(server.dataDir)).includes('slotkeeper.copy'), {
        what: 'nothing to be left of what was staged',
      });
      const files = await readdir(join(server.dataDir, 'pg_replslot'));
      expect(files.filter((name) => name.startsWith('s')).sort()).toEqual(made);
      await serverOf('alpha').query(`insert into written values (${made.length})`);
    },
  );

  test('never were two standbys down at once', async () => {
    const downtimes = (await Promise.all(standbys.map((name) => downtimesOf(serverOf(name))))).flat();
    expect(downtimes.length).toBeGreaterThanOrEqual(moments.length * standbys.length);
    expect(overlaps(downtimes)).toEqual([]);
  });

  test('an agent that starts again keeps what it knows: nothing is copied a second time', async () => {
    const { agent, server } = cluster().member('beta');
    const before = await startedAt(server);
    await agent.kill();
    await agent.start();
    await untilReady(cluster(), made, ['beta'], 'alpha');
    expect(await startedAt(server)).toBe(before);
  });

  test('the slots give every row after a promotion', async () => {
    await serverOf('alpha').alterSystem({ synchronous_standby_names: 'beta' });
    await untilSynchronous(serverOf('alpha'), ['beta']);
    await serverOf('alpha').query('insert into written values (0)');
    await serverOf('alpha').kill();
    await serverOf('beta').promote();
    for (const [index, slot] of made.entries()) {
      const changes = await serverOf('beta').query<{ data: string }>(
        'select data from pg_logical_slot_get_changes($1, null, null)',
        [slot],
      );
      const ids = changes.flatMap(({ data }) => /id\[bigint\]:(\d+)/.exec(data)?.[1] ?? []);
      const later = made.slice(index).map((_, offset) => String(index + 1 + offset));
      expect(ids, slot).toEqual([...later, '0']);
    }
  });
});
