import { afterAll, describe, expect, test } from 'vitest';
import { Writer } from '../../src/demo/writer.ts';
import { leaderName } from '../../src/domain/cluster.ts';
import { askAgent, patienceMs } from '../support/cluster-state.ts';
import { twoStandbys, useCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';

/** The longest lease that a leader can have here, in which it stops when it is not agreed with any more. */
const leaseMs = 10_000;

describe('failsafe_mode, with Consul frozen', { timeout: 4 * patienceMs }, () => {
  const cluster = useCluster({
    members: twoStandbys,
    ha: 'manage',
    dynamicConfig: { ttl: 20, loop_wait: 2, retry_timeout: 3, failsafe_mode: true, synchronous_mode: true },
  });
  const memberOf = (name: string) => cluster().member(name);
  const names = (): readonly string[] => [...cluster().members.keys()];
  let leader = '';
  const findPrimary = async (): Promise<string | null> => {
    for (const name of names())
      if (await isPrimary(name)) return `postgres://postgres@127.0.0.1:${memberOf(name).server.port}/postgres`;
    return null;
  };
  const writer = new Writer({ findPrimary, table: 'kept', rowsPerSecond: 50 });
  afterAll(async () => {
    await writer.stop();
  });

  const statusOf = (name: string) => askAgent<Record<string, unknown>>(memberOf(name), '/primary');
  const isPrimary = (name: string): Promise<boolean> =>
    memberOf(name)
      .server.isInRecovery()
      .then(
        (isStandby) => !isStandby,
        () => false,
      );

  async function primaries(): Promise<readonly string[]> {
    const found = await Promise.all(names().map(async (name) => ((await isPrimary(name)) ? [name] : [])));
    return found.flat();
  }

  /** One primary at most, asked again and again, until `isDone`. */
  async function watchUntil(isDone: () => boolean | Promise<boolean>, what: string): Promise<void> {
    await eventually(
      async () => {
        expect((await primaries()).length).toBeLessThan(2);
        return isDone();
      },
      { what, timeoutMs: 2 * patienceMs },
    );
  }

  async function untilWhole(): Promise<string> {
    return eventually(
      async () => {
        const keys = await cluster().read();
        const name = leaderName(keys);
        if (name === null || !(await isPrimary(name))) throw new Error(`the leader is ${name ?? 'nobody'}`);
        const listed = [...(keys.failsafe?.value?.keys() ?? [])].sort();
        if (listed.join() !== [...names()].sort().join()) throw new Error(`listed are ${listed.join()}`);
        const rows = await memberOf(name).server.query(`select from pg_stat_replication where state = 'streaming'`);
        if (rows.length < names().length - 1) throw new Error(`${rows.length} stream from ${name}`);
        return name;
      },
      { what: 'a leader that lists and feeds all members', timeoutMs: 2 * patienceMs },
    );
  }

  async function untilMoreRows(count: number): Promise<void> {
    const wanted = writer.acknowledged.size + count;
    await watchUntil(() => writer.acknowledged.size >= wanted, `${count} more rows`);
  }

  test('the primary goes on for longer than any lease, since all agree', async () => {
    await cluster().startAgents();
    leader = await untilWhole();
    await memberOf(leader).server.query('create table kept (id bigint primary key, at timestamptz)');
    writer.start();
    await untilMoreRows(20);
    cluster().consul.freeze();
    const untilMs = performance.now() + 3 * leaseMs;
    await watchUntil(() => performance.now() > untilMs, 'three leases to pass');
    expect(await primaries()).toEqual([leader]);
    expect(await statusOf(leader)).toMatchObject({ failsafe_mode_is_active: true });
    await untilMoreRows(20);
  });

  test('it leads on when Consul is back, and nobody else has led', async () => {
    cluster().consul.thaw();
    expect(await untilWhole()).toBe(leader);
    await untilMoreRows(20);
  });

  test('it stops when one member does not answer any more, and is read from while Consul is away', async () => {
    cluster().consul.freeze();
    await eventually(async () => (await statusOf(leader))['failsafe_mode_is_active'] === true, {
      what: 'failsafe mode to be active',
      timeoutMs: patienceMs,
    });
    const [silent = ''] = names().filter((name) => name !== leader);
    memberOf(silent).agent.process().freeze();
    try {
      await watchUntil(async () => (await primaries()).length === 0, `${leader} to stop`);
      await eventually(() => memberOf(leader).server.isInRecovery(), {
        what: `${leader} to run as a standby`,
        timeoutMs: patienceMs,
      });
    } finally {
      memberOf(silent).agent.process().thaw();
    }
    cluster().consul.thaw();
    await watchUntil(async () => (await primaries()).length === 1, 'one of them to lead');
    leader = await untilWhole();
    await untilMoreRows(20);
    const acknowledged = [...writer.acknowledged.keys()];
    const kept = await memberOf(leader).server.query<{ id: string }>('select id::text from kept');
    const ids = new Set(kept.map(({ id }) => Number(id)));
    expect(acknowledged.filter((row) => !ids.has(row))).toEqual([]);
  });
});
