import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { memberSlots, twoStandbys, useCluster } from '../../support/cluster.ts';
import { askAgent, patienceMs, slotsOn, startedAt, untilLeads, untilReady } from '../../support/cluster-state.ts';
import { eventually } from '../../support/eventually.ts';
import { clusterMajors } from '../../support/majors.ts';

/** Longer than every session lives, so that all of them are gone when Consul goes on. */
const frozenMs = 45_000;

describe.each(clusterMajors())('Consul frozen for longer than a session lives, PostgreSQL %i', (major) => {
  const cluster = useCluster({ members: twoStandbys, major });
  const serverOf = (name: string) => cluster().member(name).server;

  test('the agents go on answering, drop nothing, restart nothing, and find each other again', async () => {
    await cluster().startAgents();
    await untilLeads(cluster(), 'alpha');
    await cluster().configure({
      ttl: 20,
      slots: { orders: { type: 'logical', database: 'postgres', plugin: 'test_decoding' }, ...memberSlots(cluster()) },
    });
    await untilReady(cluster(), ['orders'], ['beta', 'gamma'], 'alpha');
    const started = await Promise.all([...cluster().members.keys()].map((name) => startedAt(serverOf(name))));

    cluster().consul.freeze();
    const thawAtMs = performance.now() + frozenMs;
    while (performance.now() < thawAtMs) {
      for (const member of cluster().members.values()) {
        const askedAtMs = performance.now();
        expect(await askAgent(member, '/patroni')).toMatchObject({ state: 'running' });
        expect(performance.now() - askedAtMs).toBeLessThan(2_000);
        expect((await slotsOn(member.server)).has('orders')).toBe(true);
      }
      await delay(1_000);
    }
    cluster().consul.thaw();

    await untilReady(cluster(), ['orders'], ['beta', 'gamma'], 'alpha');
    await serverOf('alpha').query(`select pg_logical_emit_message(true, 'x', 'y')`);
    await serverOf('alpha').query(`select pg_logical_slot_get_changes('orders', null, null)`);
    const wanted = (await slotsOn(serverOf('alpha'))).get('orders')?.confirmed;
    for (const name of ['beta', 'gamma']) {
      await eventually(async () => (await slotsOn(serverOf(name))).get('orders')?.confirmed === wanted, {
        what: `the slot on ${name} to be at ${wanted ?? '?'}`,
        timeoutMs: patienceMs,
      });
    }
    expect(await Promise.all([...cluster().members.keys()].map((name) => startedAt(serverOf(name))))).toEqual(started);
  });
});
