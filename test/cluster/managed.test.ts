import { afterAll, describe, expect, test } from 'vitest';
import { Consumer } from '../../src/demo/consumer.ts';
import { Writer } from '../../src/demo/writer.ts';
import { leaderName } from '../../src/domain/cluster.ts';
import { nativeSince } from '../../src/view/method.ts';
import { patienceMs } from '../support/cluster-state.ts';
import { slotkeeper, twoStandbys, useCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { completePostgres } from '../support/majors.ts';
import { untilWhole as untilClusterIsWhole, untilStandbysAreSynchronous } from '../support/managed-cluster.ts';

interface Variant {
  readonly title: string;
  readonly major: number;
  readonly failoverSlots: Readonly<Record<string, unknown>>;
}

/** On each major with what it does by default, and where PostgreSQL synchronises slots itself also with that. */
async function variants(): Promise<readonly Variant[]> {
  return (await completePostgres()).flatMap(({ major, version }) => {
    const usual = { title: `ha: manage, from empty folders, PostgreSQL ${version}`, major, failoverSlots: {} };
    const native = { ...usual, title: `${usual.title}, native slots`, failoverSlots: { method: 'native' } };
    return major < nativeSince ? [usual] : [usual, native];
  });
}

/** Only a complete installation of PostgreSQL can be copied and rewound: `pg_basebackup`, `pg_rewind`. */
describe.each(await variants())('$title', { timeout: 4 * patienceMs }, ({ major, failoverSlots }) => {
  const cluster = useCluster({
    members: twoStandbys,
    ha: 'manage',
    major,
    dynamicConfig: {
      synchronous_mode: true,
      failover_slots: failoverSlots,
      slots: { orders: { type: 'logical', database: 'postgres', plugin: 'pgoutput' } },
    },
  });
  const serverOf = (name: string) => cluster().member(name).server;
  const findPrimary = (): Promise<string | null> => cluster().primaryUrl();
  const writer = new Writer({ findPrimary, table: 'orders', rowsPerSecond: 100 });
  const consumer = new Consumer({ slot: 'orders', publication: 'orders', findPrimary });
  afterAll(async () => {
    await Promise.all([writer.stop(), consumer.stop()]);
  });

  const untilWhole = (...among: readonly string[]): Promise<string> => untilClusterIsWhole(cluster(), among);

  async function untilMoreRows(count: number): Promise<void> {
    const wanted = writer.acknowledged.size + count;
    await eventually(() => writer.acknowledged.size >= wanted, { what: `${count} more rows`, timeoutMs: patienceMs });
  }

  async function untilSlotReady(...names: readonly string[]): Promise<void> {
    await eventually(
      async () => {
        const keys = await cluster().read();
        for (const name of names) {
          const verdict = keys.members.get(name)?.value?.slots.get('orders')?.verdict;
          if (verdict?.kind !== 'ready') throw new Error(`${name}: ${JSON.stringify(verdict ?? null)}`);
        }
        return true;
      },
      { what: `the slot to be ready on ${names.join(', ')}`, timeoutMs: patienceMs },
    );
  }

  async function untilNothingIsMissing(): Promise<void> {
    await eventually(
      () => {
        const lost = [...writer.acknowledged.keys()].filter((row) => !consumer.rows.has(row));
        if (lost.length > 0) throw new Error(`${lost.length} rows are missing, first ${lost.slice(0, 10).join(', ')}`);
        return true;
      },
      { what: 'every acknowledged row to arrive', timeoutMs: patienceMs },
    );
  }

  async function writable(): Promise<readonly string[]> {
    const found: string[] = [];
    for (const [name, { server }] of cluster().members) {
      const isPrimary = await server.isInRecovery().then(
        (standby) => !standby,
        () => false,
      );
      if (isPrimary) found.push(name);
    }
    return found;
  }

  /** The longest time between two rows that were acknowledged one after the other, in milliseconds. */
  function longestGapSince(fromMs: number): number {
    const times = [...writer.acknowledged.values()].filter((atMs) => atMs >= fromMs);
    return Math.max(...times.map((atMs, i) => atMs - (times[i - 1] ?? fromMs)));
  }

  async function startedAt(name: string): Promise<number> {
    const [row] = await serverOf(name).query<{ at: string }>(
      'select extract(epoch from pg_postmaster_start_time())::text as at',
    );
    return Number(row?.at);
  }

  test('the agents make a cluster: one bootstraps, the others copy it and stream', async () => {
    await cluster().startAgents();
    const leader = await untilWhole();
    expect(await writable()).toEqual([leader]);
    await serverOf(leader).query(
      'create table orders (id bigint primary key, at timestamptz default clock_timestamp())',
    );
    await serverOf(leader).query('create publication orders for table orders');
    writer.start();
    consumer.start();
    await untilMoreRows(100);
    const others = [...cluster().members.keys()].filter((name) => name !== leader);
    await untilSlotReady(...others);
  });

  test('agent and server of the leader are killed: another one leads in seconds, with the slot', async () => {
    const old = await untilWhole();
    const others = [...cluster().members.keys()].filter((name) => name !== old);
    const killedAt = performance.now();
    await Promise.all([cluster().member(old).agent.kill(), serverOf(old).kill()]);
    const leader = await untilWhole(...others);
    console.info(`a new leader with its standby after ${Math.round(performance.now() - killedAt)} ms`);
    expect(await writable()).toEqual([leader]);
    await untilMoreRows(100);
    await untilNothingIsMissing();
    await cluster().member(old).agent.start();
    expect(await untilWhole()).toBe(leader);
    await untilSlotReady(old);
  });

  test('the server of the leader is killed: somebody leads again, and nothing is lost', async () => {
    const old = await untilWhole();
    await serverOf(old).kill();
    await untilWhole();
    await untilMoreRows(100);
    await untilNothingIsMissing();
    expect(await writable()).toHaveLength(1);
  });

  test('the agent of the leader hangs: its server stops by the end of its lease, and another leads', async () => {
    const old = await untilWhole();
    const others = [...cluster().members.keys()].filter((name) => name !== old);
    cluster().member(old).agent.process().freeze();
    try {
      const leader = await untilWhole(...others);
      expect(await writable()).toEqual([leader]);
    } finally {
      cluster().member(old).agent.process().thaw();
    }
    await untilWhole();
    await untilMoreRows(100);
    await untilNothingIsMissing();
  });

  test('switchover: another one leads after a small gap, nothing is lost, and the old primary follows as it is', async () => {
    const old = await untilWhole();
    await untilStandbysAreSynchronous(cluster());
    await untilSlotReady(...[...cluster().members.keys()].filter((name) => name !== old));
    const logged = (await cluster().member(old).agent.log()).length;
    const beganAt = performance.now();
    await slotkeeper(cluster().member(old), 'switchover', '--force');
    const leader = await untilWhole();
    expect(leader).not.toBe(old);
    await untilMoreRows(100);
    const gapMs = longestGapSince(beganAt);
    console.info(`no row was written for ${Math.round(gapMs)} ms`);
    expect(gapMs).toBeLessThan(5_000);
    await untilNothingIsMissing();
    expect(await writable()).toEqual([leader]);
    const said = (await cluster().member(old).agent.log()).slice(logged);
    expect(said).not.toMatch(/rewound|was copied|was cleared/);
  });

  test('restart: the leader leads on in its term, a standby follows on', async () => {
    const leader = await untilWhole();
    const standby = [...cluster().members.keys()].find((name) => name !== leader)!;
    const term = (await cluster().read()).leader?.modifyIndex;
    for (const name of [standby, leader]) {
      const before = await startedAt(name);
      const said = await slotkeeper(cluster().member(name), 'restart', name, '--force');
      expect(said).toContain(`Success: restart on member ${name}`);
      expect(await startedAt(name)).toBeGreaterThan(before);
    }
    expect(await untilWhole()).toBe(leader);
    expect((await cluster().read()).leader?.modifyIndex).toBe(term);
    await untilMoreRows(100);
    await untilNothingIsMissing();
  });

  test('pause: nobody takes over while it lasts, and the server comes back when it ends', async () => {
    const leader = await untilWhole();
    await slotkeeper(cluster().member(leader), 'pause', '--wait');
    await serverOf(leader).kill();
    await eventually(async () => (await cluster().read()).members.get(leader)?.value?.state !== 'running', {
      what: `${leader} to say that its server is down`,
      timeoutMs: patienceMs,
    });
    expect(await writable()).toEqual([]);
    expect(leaderName(await cluster().read())).toBe(leader);
    await slotkeeper(cluster().member(leader), 'resume', '--wait');
    await untilWhole();
    await untilMoreRows(100);
    await untilNothingIsMissing();
    expect(await writable()).toHaveLength(1);
  });
});
