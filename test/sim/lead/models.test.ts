import { describe, expect, test } from 'vitest';
import type { ServerPlan } from '../../../src/domain/managed.ts';
import { healthyLink } from '../link.ts';
import { Random } from '../random.ts';
import { VirtualTime } from '../virtual-time.ts';
import { FreezableConsul } from './frozen-consul.ts';
import { Host } from './host.ts';
import { LeadCluster } from './lead-cluster.ts';
import { refusalByNumber } from './lines.ts';
import { simManaged } from './sim-managed.ts';
import { SimProcess } from './sim-process.ts';
import { parsedNames } from './writers.ts';

/** Three servers of one cluster, `a` up as the primary, the others streaming from it. No agents. */
async function cluster() {
  const time = new VirtualTime();
  const random = new Random(1);
  const diverged: string[] = [];
  const servers = new LeadCluster(
    time,
    random.fork(),
    () => undefined,
    (standby, upstream) => {
      diverged.push(`${standby.name} from ${upstream.name}`);
    },
  );
  const run = async (ms: number): Promise<void> => {
    const endMs = time.nowMs() + ms;
    while (await time.step(endMs));
  };
  const setup = { versionNum: 150_018, maxSlots: 10, walLevel: 'logical', keepBytes: 1_000_000_000n } as const;
  const witness = {
    writable: () => undefined,
    drained: () => undefined,
    told: () => undefined,
    counted: () => undefined,
  };
  const [a, b, c] = ['a', 'b', 'c'].map((name) => new Host(time, random.fork(), { ...setup, name }, witness)) as [
    Host,
    Host,
    Host,
  ];
  for (const host of [a, b, c]) servers.addHost(host);
  a.initdb('7300000000000000001');
  a.start(true);
  for (const host of [b, c]) {
    host.copyOf(a);
    host.directory = 'cluster';
    host.server.upstream = a.server;
    host.start(false);
  }
  await run(2_000);
  const process = new SimProcess(time, 0);
  const deps = { time, random, cluster: servers, process, newSystemIdentifier: () => '1' };
  const managed = (host: Host) => simManaged({ ...deps, host });
  return { time, run, servers, a, b, c, diverged, managed, process };
}

const never = new AbortController().signal;

function planOf(upstream: Host): ServerPlan {
  const { name } = upstream;
  return {
    parameters: {},
    hba: null,
    ident: null,
    upstream: { member: name, host: name, port: 5432, slot: null },
    synchronousStandbyNames: null,
  };
}

function write(host: Host): void {
  host.server.end(host.server.begin(60n), 'commit', 40n);
}

describe('timelines', () => {
  test('two servers that are promoted from one point choose one number, and each takes the other’s line for its own', async () => {
    const { run, a, b, c, diverged } = await cluster();
    a.crash('test');
    b.promote();
    c.promote();
    await run(1_000);
    write(b);
    write(b);
    write(c);
    c.crash('test');
    c.server.role = 'standby';
    c.server.upstream = b.server;
    c.start(false);
    await run(2_000);
    expect(c.server.branch.timeline).toBe(b.server.branch.timeline);
    expect(refusalByNumber(c.server, b.server)).toBeNull();
    expect(diverged).toContain('c from b');
  });

  test('pg_rewind sees nothing to do where the numbers are the same', async () => {
    const { run, a, b, c, managed } = await cluster();
    a.crash('test');
    b.promote();
    c.promote();
    await run(1_000);
    write(c);
    c.crash('test');
    const line = c.server.branch;
    await Promise.all([managed(c).rewind(planOf(b).upstream!, '', never), run(5_000)]);
    expect(c.server.branch).toBe(line);
    expect(c.server.role).toBe('standby');
  });

  test('a primary that stops cleanly ends with a record that a standby without a stream does not have', async () => {
    const { run, servers, a, b } = await cluster();
    servers.streams.get('b')!.broken = true;
    a.stopFast();
    await run(2_000);
    const disk = a.disk();
    expect(disk).toMatchObject({ kind: 'cluster', control: { state: 'shut down', checkpointLsn: b.server.received } });
    expect(a.server.branch.end).toBeGreaterThan(b.server.received);
  });

  test('a standby that is started as a primary goes on from its own end, on the same timeline', async () => {
    const { run, a, b } = await cluster();
    a.crash('test');
    b.stopFast();
    await run(2_000);
    b.start(true);
    await run(2_000);
    expect(b.isWritable).toBe(true);
    expect(b.server.branch.timeline).toBe(a.server.branch.timeline);
    expect(b.server.branch).not.toBe(a.server.branch);
  });

  test('a directory is of no use from the beginning of a copy to its end', async () => {
    const { run, a, b, managed, process } = await cluster();
    b.stopFast();
    await run(2_000);
    b.removeData();
    void managed(b).clone(planOf(a).upstream!, '', never);
    await run(100);
    expect(b.disk()).toEqual({ kind: 'unfinished', what: 'clone' });
    process.freeze();
    await run(10_000);
    expect(b.disk()).toEqual({ kind: 'unfinished', what: 'clone' });
    process.thaw();
    await run(10);
    expect(b.disk()).toMatchObject({ kind: 'cluster', isStandby: true, term: null });
  });
});

describe('an agent that is frozen', () => {
  test('hears of nothing until it goes on, and knows by its clock how long that was', async () => {
    const time = new VirtualTime();
    const process = new SimProcess(time, 5_000);
    const clock = process.clock(() => 0);
    const heard: number[] = [];
    clock.scheduler.schedule(() => heard.push(clock.monotonicMs()), 1_000);
    process.freeze();
    while (await time.step(20_000));
    expect(heard).toEqual([]);
    process.thaw();
    while (await time.step(20_001));
    expect(heard).toEqual([25_000]);
  });
});

describe('a Consul that is frozen', () => {
  test('does afterwards what it was asked meanwhile, also for somebody who has given up', async () => {
    const time = new VirtualTime();
    const random = new Random(1);
    const consul = new FreezableConsul(time, random, () => undefined);
    const port = consul.connect('a', { alive: true }, healthyLink());
    const run = async (untilMs: number): Promise<void> => {
      while (await time.step(untilMs));
    };
    consul.freeze();
    const asked = port.transact([{ verb: 'set', key: 'k', value: 'v' }], never).then(
      () => 'answered',
      () => 'given up',
    );
    await run(20_000);
    expect(await asked).toBe('given up');
    expect(consul.state.keys.has('k')).toBe(false);
    consul.thaw();
    await run(21_000);
    expect(consul.state.keys.get('k')?.value).toBe('v');
  });

  test('ends no session while it is frozen, and those that are due afterwards', async () => {
    const time = new VirtualTime();
    const random = new Random(1);
    const consul = new FreezableConsul(time, random, () => undefined);
    const spec = { name: 's', ttlSeconds: 10, lockDelaySeconds: 0, nodeChecks: [], serviceChecks: [] };
    consul.state.createSession('a', { ...spec, behavior: 'delete' });
    consul.freeze();
    while (await time.step(60_000));
    expect(consul.state.sessions.size).toBe(1);
    consul.thaw();
    while (await time.step(61_000));
    expect(consul.state.sessions.size).toBe(0);
  });
});

test.each([
  ['', 0, []],
  ['*', 1, ['*']],
  ['"node-b"', 1, ['node-b']],
  ['2 (a,"node-b")', 2, ['a', 'node-b']],
  ['ANY 1 (a, b)', 1, ['a', 'b']],
])('synchronous_standby_names %j', (text, count, names) => {
  expect(parsedNames(text)).toEqual({ count, names });
});
