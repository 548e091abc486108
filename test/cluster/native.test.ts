import { beforeAll, describe, expect, test } from 'vitest';
import { Consumer } from '../../src/demo/consumer.ts';
import { Writer } from '../../src/demo/writer.ts';
import { nativeSince } from '../../src/view/method.ts';
import { cascade, memberSlots, useCluster } from '../support/cluster.ts';
import {
  patienceMs,
  startedAt,
  untilLeads,
  untilProblem,
  untilReady,
  untilSynchronous,
  untilVerdict,
} from '../support/cluster-state.ts';
import { eventually } from '../support/eventually.ts';
import { postgresMajorsSince } from '../support/majors.ts';

const rowsPerSecond = 50;

interface NativeSlot {
  readonly name: string;
  readonly failover: boolean;
  readonly synced: boolean;
  readonly temporary: boolean;
}

/**
 * PostgreSQL's own synchronisation where nobody has prepared anything for it: what it leaves to an operator is slotkeeper's.
 * alpha is the primary, beta streams from it, gamma from beta.
 */
describe.each(postgresMajorsSince(nativeSince))('native synchronisation, PostgreSQL %i', (major) => {
  const cluster = useCluster({ members: cascade, major });
  const serverOf = (name: string) => cluster().member(name).server;
  const starts = new Map<string, string>();
  let consumer: Consumer;
  let writer: Writer;
  /** The last row of those that may have been written before the slot was made. */
  let lastBefore = 0;
  /** The last row that the consumer of `unread` may have got. */
  let lastRead = 0;
  const all = ['orders', 'idle', 'unread'];

  const config = (slots: Record<string, unknown>, method: string): unknown => ({
    loop_wait: 2,
    slots: { ...slots, ...memberSlots(cluster()) },
    failover_slots: { method },
  });
  const orders = { orders: { type: 'logical', database: 'postgres', plugin: 'pgoutput' } };

  beforeAll(async () => {
    const alpha = serverOf('alpha');
    await alpha.query('create table orders (id bigint primary key)');
    await alpha.query('create publication orders for table orders');
    await alpha.query('create database side');
    await alpha.query('create table noise (id int)');
    // made before anybody thought of failover; nothing is written where the first one looks, a lot where the other does
    await createSlot('idle', 'side');
    await createSlot('unread', 'postgres');
    // what they need of the catalog is older from now on than what a standby can decode from
    for (let i = 0; i < 5; i += 1) await alpha.query('insert into noise values (1)');
    const { primaryUrl } = cluster();
    consumer = new Consumer({ slot: 'orders', publication: 'orders', findPrimary: primaryUrl });
    writer = new Writer({ findPrimary: primaryUrl, table: 'orders', rowsPerSecond });
    return () => Promise.all([writer.stop(), consumer.stop()]);
  });

  async function createSlot(name: string, database: string): Promise<void> {
    await serverOf('alpha').query(`select pg_create_logical_replication_slot($1, 'test_decoding')`, [name], database);
  }

  async function nativeSlots(name: string): Promise<ReadonlyMap<string, NativeSlot>> {
    const rows = await serverOf(name).query<NativeSlot>(
      `select slot_name as name, failover, synced, temporary from pg_replication_slots where slot_type = 'logical'`,
    );
    return new Map(rows.map((row) => [row.name, row]));
  }

  async function expectNative(name: string, ...slots: readonly string[]): Promise<void> {
    const found = await nativeSlots(name);
    for (const slot of slots) {
      expect(found.get(slot)).toEqual({ name: slot, failover: true, synced: true, temporary: false });
    }
  }

  /** What came from a template before stays until PostgreSQL can take it over. */
  async function untilNative(name: string, ...slots: readonly string[]): Promise<void> {
    await eventually(
      async () => {
        await expectNative(name, ...slots);
        return true;
      },
      { what: `${slots.join(', ')} on ${name} to be PostgreSQL's own`, timeoutMs: patienceMs },
    );
  }

  async function untilMoreRows(count: number): Promise<void> {
    const wanted = writer.acknowledged.size + count;
    await eventually(() => writer.acknowledged.size >= wanted, { what: `${count} more rows`, timeoutMs: patienceMs });
  }

  async function untilNothingIsMissing(): Promise<void> {
    const acknowledged = [...writer.acknowledged.keys()].filter((row) => row > lastBefore);
    await eventually(
      () => {
        const arrived = consumer.rows;
        const lost = acknowledged.filter((row) => !arrived.has(row));
        if (lost.length === 0) return true;
        throw new Error(`${lost.length} of ${acknowledged.length} are missing, first ${lost.slice(0, 10).join(', ')}`);
      },
      { what: 'every acknowledged row to arrive', timeoutMs: 30_000 },
    );
  }

  async function replicateTo(primary: string, standby: string): Promise<void> {
    await serverOf(primary).alterSystem({ synchronous_standby_names: `FIRST 1 (${standby})` });
    await untilSynchronous(serverOf(primary), [standby]);
    await untilMoreRows(rowsPerSecond);
  }

  async function measured(what: string, work: () => Promise<unknown>): Promise<void> {
    const beganAt = performance.now();
    await work();
    console.info(`PostgreSQL ${major}: ${what} after ${Math.round(performance.now() - beganAt)} ms`);
  }

  test('slots get ready under load, natively on a direct standby and from a template on the cascade', async () => {
    for (const name of ['beta', 'gamma']) starts.set(name, await startedAt(serverOf(name)));
    await cluster().configure(config({}, 'auto'));
    await cluster().startAgents();
    await untilLeads(cluster(), 'alpha');
    writer.start();
    await untilMoreRows(rowsPerSecond);
    await cluster().configure(config(orders, 'native'));
    await eventually(async () => (await nativeSlots('alpha')).has('orders'), {
      what: 'the slot on the primary',
      timeoutMs: patienceMs,
    });
    lastBefore = Math.max(...writer.acknowledged.keys());
    consumer.start();
    await measured('ready', () => untilReady(cluster(), ['orders'], ['beta', 'gamma'], 'alpha'));
    await untilNative('beta', 'orders');
    expect((await nativeSlots('gamma')).get('orders')).toMatchObject({ synced: false });
  });

  test('slots that were there are marked, and an idle one gets ready', async () => {
    await measured('an idle slot ready', () => untilReady(cluster(), ['idle'], ['beta', 'gamma'], 'alpha'));
    await untilNative('beta', 'idle');
  });

  test('a slot for whose consumer changes wait gets ready when they are read, and says so until then', async () => {
    await untilVerdict(cluster(), 'beta', 'unread', 'not_ready', /temporary until its consumer goes on/);
    await whileReading('alpha', async () => {
      await measured('a slot that is read again ready', () => untilReady(cluster(), ['unread'], ['beta'], 'alpha'));
    });
    await expectNative('beta', 'unread');
    lastRead = Math.max(...writer.acknowledged.keys());
    await untilReady(cluster(), all, ['beta', 'gamma'], 'alpha');
  });

  /** The consumer of the slot `unread` is there until `work` is done. */
  async function whileReading(primary: string, work: () => Promise<void>): Promise<void> {
    const reading = setInterval(() => {
      void serverOf(primary).query(`select count(*) from pg_logical_slot_get_changes('unread', null, null)`);
    }, 500);
    try {
      await work();
    } finally {
      clearInterval(reading);
    }
  }

  /**
   * The slot `unread` starts at a position where no transaction runs: a standby has no snapshot of it, and needs none. From one
   * with a transaction it would have to wait for a consumer.
   */
  async function startUnreadWhereNothingRuns(primary: string): Promise<void> {
    const server = serverOf(primary);
    await server.withClient(async (client) => {
      // Whoever writes waits before having a transaction id.
      await client.query('begin');
      await client.query('lock table orders in share mode');
      const { rows } = await client.query<{ lsn: string }>('select pg_log_standby_snapshot()::text as lsn');
      const read = `select count(*) from pg_logical_slot_get_changes('unread', null, null)`;
      // The record ends there; it has 50 bytes, and there may be the header of a page in it.
      const isThere = `
        select restart_lsn > $1::pg_lsn - 100 as there from pg_replication_slots where slot_name = 'unread'`;
      await eventually(
        async () => {
          await server.query(read);
          return (await server.query<{ there: boolean }>(isThere, [rows[0]?.lsn]))[0]?.there;
        },
        { what: 'the start of unread to move', timeoutMs: patienceMs },
      );
      await client.query('rollback');
    });
  }

  test('nothing of this needed a restart', async () => {
    for (const [name, at] of starts) expect(await startedAt(serverOf(name))).toBe(at);
  });

  test('the standby takes over: nothing is lost, and what streamed from it as a cascade goes over to PostgreSQL', async () => {
    await replicateTo('alpha', 'beta');
    await untilReady(cluster(), all, ['beta', 'gamma'], 'alpha');
    await serverOf('alpha').stop();
    await serverOf('beta').promote();
    await untilLeads(cluster(), 'beta');
    await measured('a cascade that has become a direct standby ready', () =>
      untilReady(cluster(), all, ['gamma'], 'beta'),
    );
    // Copies from templates begin later than what they are copies of: PostgreSQL takes them over when that has moved on.
    await whileReading('beta', async () => {
      await untilNative('gamma', ...all);
    });
    await startUnreadWhereNothingRuns('beta');
    lastRead = Math.max(...writer.acknowledged.keys());
    await untilReady(cluster(), all, ['gamma'], 'beta');
    await untilMoreRows(rowsPerSecond);
    await untilNothingIsMissing();
    expect(await startedAt(serverOf('gamma'))).toBe(starts.get('gamma'));
  });

  test('the old primary comes back with slots that stop the synchronisation, and is ready with all of them', async () => {
    await serverOf('alpha').rejoin(serverOf('beta'), 'plain');
    await measured('a rejoined primary ready', () => untilReady(cluster(), all, ['alpha'], 'beta'));
    await expectNative('alpha', ...all);
  });

  test('it takes over once more after the primary is killed, with every change for who was away', async () => {
    await serverOf('alpha').alterSystem({ synchronous_standby_names: null });
    await replicateTo('beta', 'alpha');
    await serverOf('beta').kill();
    await serverOf('alpha').promote();
    await untilLeads(cluster(), 'alpha');
    await serverOf('gamma').follow(serverOf('alpha'));
    await measured('a standby of another primary ready', () => untilReady(cluster(), all, ['gamma'], 'alpha'));
    await untilMoreRows(rowsPerSecond);
    await untilNothingIsMissing();

    const wanted = [...writer.acknowledged.keys()].filter((row) => row > lastRead);
    const changes = await serverOf('alpha').query<{ data: string }>(
      `select data from pg_logical_slot_get_changes('unread', null, null) where data like 'table public.orders: INSERT%'`,
    );
    const read = new Set(changes.map(({ data }) => Number(/id\[bigint\]:(\d+)/.exec(data)?.[1])));
    expect(wanted.filter((row) => !read.has(row))).toEqual([]);
  });

  test('a rewound primary, which has lost its slots, is ready again, and so is one that was stopped in order', async () => {
    await serverOf('beta').rejoin(serverOf('alpha'), serverOf('beta').canRewind ? 'rewind' : 'backup');
    await measured('a rewound primary ready', () => untilReady(cluster(), ['orders'], ['beta'], 'alpha'));

    // made on alpha after PostgreSQL had synchronised the others to it: what it has is partly of one kind, partly of the other
    await createSlot('late', 'side');
    await untilReady(cluster(), ['orders', 'late'], ['beta'], 'alpha');
    await serverOf('alpha').stop();
    await serverOf('beta').promote();
    await untilLeads(cluster(), 'beta');
    await serverOf('gamma').follow(serverOf('beta'));
    await serverOf('alpha').rejoin(serverOf('beta'), 'plain');
    await measured('a former primary with slots of both kinds ready', () =>
      untilReady(cluster(), ['orders', 'late'], ['alpha'], 'beta'),
    );
    await expectNative('alpha', 'orders', 'late');
    await untilMoreRows(rowsPerSecond);
    await writer.stop();
    await untilNothingIsMissing();
  });

  test('a slot that PostgreSQL made and cannot keep on a cascade is a problem that is named', async () => {
    await serverOf('alpha').follow(serverOf('gamma'));
    await untilProblem(cluster().member('alpha'), 'native_stuck', /orders/);
  });
});
