import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { memberSlots, twoStandbys, useCluster } from '../../support/cluster.ts';
import { untilLeads, untilReady, untilSlots } from '../../support/cluster-state.ts';
import { downtimesOf, overlaps } from '../../support/copy-moments.ts';
import { eventually } from '../../support/eventually.ts';
import { clusterMajors } from '../../support/majors.ts';
import { Random } from '../../sim/random.ts';

const rounds = 20;
/** From the turn that is taken to the server that runs again, with some room on both sides. */
const longestMs = 1_500;
const seed = Number(process.env['SLOTKEEPER_TEST_SEED'] ?? Date.now() % 1_000_000);

describe.each(clusterMajors())(`an agent killed at any moment of a file copy, seed ${seed}, PostgreSQL %i`, (major) => {
  const cluster = useCluster({ members: twoStandbys, major });
  const standbys = ['beta', 'gamma'];
  const random = new Random(seed);

  test(`${rounds} times`, { timeout: rounds * 30_000 }, async () => {
    const slot = { type: 'logical', database: 'postgres', plugin: 'test_decoding' };
    await cluster().startAgents();
    await untilLeads(cluster(), 'alpha');
    for (let round = 0; round < rounds; round += 1) {
      const name = `s${round}`;
      await cluster().configure({
        slots: { [name]: slot, ...memberSlots(cluster()) },
        failover_slots: { method: 'file_copy' },
      });
      const victim = await eventually(async () => (await cluster().read()).restartTurn?.value, {
        what: 'a standby to take its turn',
        intervalMs: 1,
      });
      const { agent } = cluster().member(victim);
      await delay(random.next() * longestMs);
      await agent.kill();
      await agent.start();
      await untilReady(cluster(), [name], standbys, 'alpha');
    }
    await untilSlots(cluster().member('beta').server, { has: [`s${rounds - 1}`], lacks: ['s0'] });
    const downtimes = (await Promise.all(standbys.map((name) => downtimesOf(cluster().member(name).server)))).flat();
    expect(overlaps(downtimes)).toEqual([]);
  });
});
