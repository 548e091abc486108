import { beforeAll, describe, expect, test } from 'vitest';
import { Consumer } from '../../src/demo/consumer.ts';
import { Writer } from '../../src/demo/writer.ts';
import { nativeSince } from '../../src/view/method.ts';
import { memberSlots, twoStandbys, useCluster } from '../support/cluster.ts';
import { patienceMs, untilLeads, untilNoProblem, untilProblem, untilReady } from '../support/cluster-state.ts';
import { eventually } from '../support/eventually.ts';
import { postgresMajorsSince } from '../support/majors.ts';

const rowsPerSecond = 50;
const graceSeconds = 4;
/** What is late on a busy machine: the agent's look, the reload, the consumer. */
const allowanceMs = 5_000;

/**
 * Physical before logical, with standbys that die, hang and come back: the consumer never has what the next primary lacks,
 * and nobody's death stops it for good.
 */
describe.each(postgresMajorsSince(nativeSince))('the gate, PostgreSQL %i', (major) => {
  const cluster = useCluster({ members: twoStandbys, major });
  const serverOf = (name: string) => cluster().member(name).server;
  let consumer: Consumer;
  let writer: Writer;

  const configure = (failoverSlots: Record<string, unknown>): Promise<void> =>
    cluster().configure({
      loop_wait: 2,
      slots: memberSlots(cluster()),
      failover_slots: { standby_slot_names: 'all', standby_slots_grace: graceSeconds, ...failoverSlots },
    });

  beforeAll(async () => {
    const alpha = serverOf('alpha');
    await alpha.query('create table orders (id bigint primary key)');
    await alpha.query('create publication orders for table orders');
    await alpha.query(`select pg_create_logical_replication_slot('orders', 'pgoutput', false, false, true)`);
    const { primaryUrl } = cluster();
    consumer = new Consumer({ slot: 'orders', publication: 'orders', findPrimary: primaryUrl });
    writer = new Writer({ findPrimary: primaryUrl, table: 'orders', rowsPerSecond });
    return () => Promise.all([writer.stop(), consumer.stop()]);
  });

  async function listedOn(name: string): Promise<readonly string[]> {
    const [row] = await serverOf(name).query<{ slots: string }>(
      `select current_setting('synchronized_standby_slots') as slots`,
    );
    return (row?.slots ?? '').split(',').filter((slot) => slot !== '');
  }

  async function untilListed(name: string, slots: readonly string[]): Promise<void> {
    await eventually(
      async () => {
        const found = await listedOn(name);
        if (found.join() === slots.join()) return true;
        throw new Error(`it lists [${found.join(', ')}]`);
      },
      { what: `${name} to list [${slots.join(', ')}]`, timeoutMs: patienceMs },
    );
  }

  async function publishedGate(): Promise<Readonly<Record<string, unknown>>> {
    const gate = (await cluster().read()).status?.value?.extras?.gate ?? null;
    return { ...gate, leftOut: Object.fromEntries(gate?.leftOut ?? []) };
  }

  async function untilPublished(gate: Readonly<Record<string, unknown>>): Promise<void> {
    await eventually(
      async () => {
        const found = await publishedGate();
        expect(found).toEqual({ enforcedBy: 'synchronized_standby_slots', ...gate });
        return true;
      },
      { what: 'the status to tell it', timeoutMs: patienceMs },
    );
  }

  /** Every row that is acknowledged by now arrives. */
  async function untilArrived(): Promise<void> {
    const rows = [...writer.acknowledged.keys()];
    await eventually(() => rows.every((row) => consumer.arrivedAtMs(row) !== null), {
      what: `${rows.length} rows to arrive`,
      timeoutMs: patienceMs,
    });
  }

  /** The longest time since `sinceMs` in which nothing arrived. */
  function longestStallMs(sinceMs: number): number {
    const arrivals = [...consumer.rows].map((row) => consumer.arrivedAtMs(row) ?? 0).filter((atMs) => atMs > sinceMs);
    const times = [sinceMs, ...arrivals.sort((a, b) => a - b)];
    return Math.max(...times.slice(1).map((atMs, i) => atMs - (times[i] ?? atMs)));
  }

  /** Does it, and waits until the consumer has all again; resolves to how long it got nothing at the longest. */
  async function stallOf(what: string, work: () => Promise<void>): Promise<number> {
    await untilArrived();
    const sinceMs = performance.now();
    await work();
    await untilArrived();
    const stallMs = longestStallMs(sinceMs);
    console.info(`PostgreSQL ${major}: ${what}: the consumer got nothing for ${Math.round(stallMs)} ms`);
    return stallMs;
  }

  test('lists every standby, and the status says so', async () => {
    await configure({});
    await cluster().startAgents();
    await untilLeads(cluster(), 'alpha');
    await untilListed('alpha', ['beta', 'gamma']);
    await untilPublished({ slots: ['beta', 'gamma'], leftOut: {} });
    consumer.start();
    writer.start();
    await eventually(() => consumer.distinct >= rowsPerSecond, { what: 'the first rows', timeoutMs: patienceMs });
  });

  test('a standby is killed: the consumer waits for it as long as the grace, then goes on without it', async () => {
    const stallMs = await stallOf('a standby killed', async () => {
      await serverOf('gamma').kill();
      await untilListed('alpha', ['beta']);
    });
    expect(stallMs).toBeGreaterThan((graceSeconds - 2) * 1_000);
    expect(stallMs).toBeLessThan(graceSeconds * 1_000 + allowanceMs);
    await untilPublished({ slots: ['beta'], leftOut: { gamma: 'nobody streams through it' } });
    expect(await cluster().member('alpha').agent.log()).toContain('gate_changed');
  });

  test('it comes back, and is listed again once it has caught up', async () => {
    await serverOf('gamma').start();
    await untilListed('alpha', ['beta', 'gamma']);
    await untilArrived();
    await untilPublished({ slots: ['beta', 'gamma'], leftOut: {} });
  });

  test('a standby hangs, connected as before: the same', async () => {
    const stallMs = await stallOf('a standby that hangs', async () => {
      await serverOf('gamma').freeze();
      await untilListed('alpha', ['beta']);
    });
    expect(stallMs).toBeLessThan(graceSeconds * 1_000 + allowanceMs);
    await serverOf('gamma').thaw();
    await untilListed('alpha', ['beta', 'gamma']);
  });

  test('one that is dead when the gate begins is waited for as long as the grace; a slot that keeps no WAL never', async () => {
    await configure({ standby_slot_names: null });
    await untilListed('alpha', []);
    await serverOf('alpha').query(`select pg_create_physical_replication_slot('fresh', false)`);
    const stallMs = await stallOf('a standby dead when the gate begins', async () => {
      await serverOf('gamma').kill();
      await configure({ standby_slot_names: ['beta', 'gamma', 'fresh'] });
      await untilListed('alpha', ['beta', 'gamma']);
      await untilListed('alpha', ['beta']);
    });
    expect(stallMs).toBeLessThan(graceSeconds * 1_000 + allowanceMs);
    await untilPublished({
      slots: ['beta'],
      leftOut: { fresh: 'it reserves no WAL yet', gamma: 'nobody streams through it' },
    });
  });

  test('one of two is enough where one is asked for; where two are, consumers wait and it says for whom', async () => {
    await configure({ standby_slots_min_confirmed: 1 });
    await untilListed('alpha', ['beta']);
    await configure({ standby_slots_min_confirmed: 2 });
    await untilListed('alpha', ['beta', 'gamma']);
    await untilProblem(cluster().member('alpha'), 'gate_waits', /gamma \(nobody streams through it\)/);
    const arrived = consumer.distinct;
    const acknowledged = writer.acknowledged.size;
    await eventually(() => writer.acknowledged.size > acknowledged + rowsPerSecond, {
      what: 'more rows to be written',
    });
    expect(consumer.distinct).toBe(arrived);

    await serverOf('gamma').start();
    await untilNoProblem(cluster().member('alpha'), 'gate_waits');
    await configure({});
    await untilArrived();
  });

  test('after a promotion the consumer has nothing that the new primary lacks, and the gate is there again', async () => {
    await untilReady(cluster(), ['orders'], ['beta', 'gamma'], 'alpha');
    expect([await listedOn('beta'), await listedOn('gamma')]).toEqual([[], []]);
    await serverOf('alpha').kill();
    await serverOf('beta').promote();
    const had = consumer.rows;
    const rows = await serverOf('beta').query<{ id: string }>('select id from orders');
    const there = new Set(rows.map(({ id }) => Number(id)));
    expect([...had].filter((row) => !there.has(row))).toEqual([]);

    await untilLeads(cluster(), 'beta');
    await serverOf('gamma').follow(serverOf('beta'));
    await untilListed('beta', ['gamma']);
    await eventually(() => consumer.rows.size > had.size + rowsPerSecond, {
      what: 'the consumer to go on at the new primary',
      timeoutMs: patienceMs,
    });

    // a base backup brings the primary's list along
    await serverOf('alpha').rejoin(serverOf('beta'), 'backup');
    await untilListed('beta', ['alpha', 'gamma']);
    await untilListed('alpha', []);
  });
});
