import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ConsulClient } from '../../../src/consul/client.ts';
import { memberKey } from '../../../src/consul/keys.ts';
import { ConsulError, TtlRefusedError, type KvEntry } from '../../../src/consul/port.ts';
import { startConsul, startConsulClient, type ConsulAgent } from '../../../src/sandbox/consul-server.ts';
import { findConsul } from '../../../src/sandbox/locate.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { clientOf, freshScope, never, serve, sessionSpec } from './fixtures.ts';

let sandbox: Sandbox;
let server: ConsulAgent;
let client: ConsulClient;
let keys = freshScope();

beforeAll(async () => {
  sandbox = await Sandbox.open();
  server = await startConsul(sandbox, { consul: await findConsul(), mode: 'dev' });
  client = clientOf(server.address);
}, 120_000);

afterAll(async () => {
  client.close();
  await sandbox.close();
});

afterEach(() => {
  keys = freshScope();
});

const set = (key: string, value: string) => client.transact([{ verb: 'set', key, value }], never);
const read = (index = 0, waitMs = 10_000, signal = never) => client.readPrefix(keys.prefix, { index, waitMs, signal });
const newSession = () => client.createSession(sessionSpec(), never);

describe('reading', () => {
  test('a missing prefix is an empty list with an index', async () => {
    const { index, entries } = await read();
    expect(entries).toEqual([]);
    expect(index).toBeGreaterThan(0);
  });

  test('values, stamps and locks come as they are', async () => {
    const session = await newSession();
    await set(keys.config, '{"ä":"€𝄞"}');
    await client.transact([{ verb: 'lock', key: keys.leader, value: 'a', session }], never);
    await client.transact([{ verb: 'set', key: memberKey(keys, 'a'), value: '' }], never);
    const { entries } = await read();
    const of = (key: string): KvEntry | undefined => entries.find((entry) => entry.key === key);
    expect(of(keys.config)).toMatchObject({ value: '{"ä":"€𝄞"}', session: null });
    expect(of(keys.leader)).toMatchObject({ value: 'a', session });
    expect(of(memberKey(keys, 'a'))?.value ?? '').toBe('');
    expect(of(keys.leader)?.modifyIndex).toBeGreaterThan(of(keys.config)?.modifyIndex ?? Infinity);
  });

  test('a blocking read ends when something is written below the prefix, not before', async () => {
    // Below a prefix with nothing in it every write anywhere in Consul would end the read.
    await set(keys.status, '{}');
    const { index } = await read();
    const other = freshScope();
    let over = false;
    const blocked = read(index).then((answer) => {
      over = true;
      return answer;
    });
    await client.transact([{ verb: 'set', key: other.config, value: '{}' }], never);
    await client.readPrefix(other.prefix, { index: 0, waitMs: 0, signal: never });
    expect(over).toBe(false);
    await set(keys.config, '{}');
    expect((await blocked).entries).toMatchObject([{ key: keys.config }, { key: keys.status }]);
  });

  test('a blocking read in which nothing happens ends with the same index', async () => {
    await set(keys.config, '{}');
    const { index } = await read();
    expect((await read(index, 200)).index).toBe(index);
  });

  test('is over when it is aborted', async () => {
    const { index } = await read();
    const stop = new AbortController();
    const blocked = expect(read(index, 50_000, stop.signal)).rejects.toThrow(ConsulError);
    await read();
    stop.abort();
    await blocked;
    await expect(read(0, 0, stop.signal)).rejects.toThrow(/given up before it was sent/);
  });

  test.each(['consistent', 'stale'] as const)('in the mode %s', async (consistency) => {
    const other = clientOf(server.address, { consistency, dc: 'dc1' });
    await set(keys.config, '{}');
    expect((await other.readPrefix(keys.prefix, { index: 0, waitMs: 0, signal: never })).entries).toHaveLength(1);
    other.close();
  });

  test('of a datacenter that is not there is an error in words', async () => {
    const other = clientOf(server.address, { dc: 'elsewhere' });
    await expect(other.readPrefix(keys.prefix, { index: 0, waitMs: 0, signal: never })).rejects.toThrow(
      /cannot read the keys: Consul answers 500 No path to datacenter/,
    );
    other.close();
  });
});

describe('transactions', () => {
  test('answer with the new stamps of what was written', async () => {
    const result = await set(keys.status, '1');
    const { entries } = await read();
    expect(result).toMatchObject({ kind: 'done', entries: [{ key: keys.status }] });
    expect(result.kind === 'done' ? result.entries[0]?.modifyIndex : null).toBe(entries[0]?.modifyIndex);
  });

  test('only the holder of the leader key publishes: fenced in the same transaction', async () => {
    const [holder, other] = [await newSession(), await newSession()];
    await client.transact([{ verb: 'lock', key: keys.leader, value: 'a', session: holder }], never);
    const publish = (session: string, value: string) =>
      client.transact(
        [
          { verb: 'check-session', key: keys.leader, session },
          { verb: 'set', key: keys.status, value },
          { verb: 'set', key: keys.history, value },
        ],
        never,
      );
    expect(await publish(holder, '1')).toMatchObject({ kind: 'done' });
    expect(await publish(other, '2')).toMatchObject({ kind: 'refused', dead: false });
    await client.destroySession(holder, never);
    expect(await publish(holder, '3')).toMatchObject({ kind: 'refused' });
    const { entries } = await read();
    expect(entries.map(({ key, value }) => [key, value])).toEqual([
      [keys.history, '1'],
      [keys.status, '1'],
    ]);
  });

  test('a lock that somebody holds is refused, one of a dead session says so', async () => {
    const [holder, other] = [await newSession(), await newSession()];
    const lock = (session: string) => client.transact([{ verb: 'lock', key: keys.leader, value: 'x', session }], never);
    expect(await lock(holder)).toMatchObject({ kind: 'done', entries: [{ session: holder }] });
    expect(await lock(other)).toMatchObject({ kind: 'refused', dead: false });
    await client.destroySession(other, never);
    const refused = await lock(other);
    expect(refused).toMatchObject({ kind: 'refused', dead: true });
    expect(refused.kind === 'refused' ? refused.why : '').toMatch(/invalid session/);
  });

  test('a lock changes over to another session without a moment in which the key is not there', async () => {
    const [former, present] = [await newSession(), await newSession()];
    await client.transact([{ verb: 'lock', key: keys.leader, value: 'a', session: former }], never);
    const changeOver = (from: string, to: string) =>
      client.transact(
        [
          { verb: 'check-session', key: keys.leader, session: from },
          { verb: 'delete', key: keys.leader },
          { verb: 'lock', key: keys.leader, value: 'a', session: to },
        ],
        never,
      );
    expect(await changeOver(former, present)).toMatchObject({ kind: 'done' });
    // The end of the former one locks nothing for its lock delay.
    await client.destroySession(former, never);
    expect((await read()).entries).toMatchObject([{ key: keys.leader, session: present }]);
    expect(await changeOver(former, present)).toMatchObject({ kind: 'refused' });
  });

  test('every verb does what it says', async () => {
    const session = await newSession();
    const [a, b] = [`${keys.prefix}a`, `${keys.prefix}b`];
    const did = async (...operations: Parameters<ConsulClient['transact']>[0]) =>
      (await client.transact(operations, never)).kind;
    expect(await did({ verb: 'check-not-exists', key: a }, { verb: 'set', key: a, value: '1' })).toBe('done');
    expect(await did({ verb: 'check-not-exists', key: a }, { verb: 'set', key: b, value: '1' })).toBe('refused');
    const index = (await read()).entries[0]?.modifyIndex ?? 0;
    expect(await did({ verb: 'cas', key: a, value: '2', index: index - 1 })).toBe('refused');
    expect(await did({ verb: 'check-index', key: a, index }, { verb: 'cas', key: a, value: '2', index })).toBe('done');
    expect(await did({ verb: 'delete-cas', key: a, index })).toBe('refused');
    expect(await did({ verb: 'lock', key: a, value: '3', session })).toBe('done');
    expect(await did({ verb: 'unlock', key: a, value: '4', session })).toBe('done');
    expect(await did({ verb: 'unlock', key: a, value: '5', session })).toBe('refused');
    expect((await read()).entries).toMatchObject([{ key: a, value: '4', session: null }]);
    expect(await did({ verb: 'delete', key: a })).toBe('done');
    expect((await read()).entries).toEqual([]);
  });

  test('too large a value is an error, not a refusal', async () => {
    await expect(set(keys.status, 'x'.repeat(600_000))).rejects.toMatchObject({ name: 'ConsulError', statusCode: 413 });
  });
});

describe('sessions', () => {
  test('live, are renewed, and are gone once destroyed', async () => {
    const session = await newSession();
    expect(await client.renewSession(session, never)).toBe('renewed');
    await client.destroySession(session, never);
    expect(await client.renewSession(session, never)).toBe('gone');
    await client.destroySession(session, never);
  });

  test('have exactly the checks and the lock delay that were asked for', async () => {
    const none = await client.createSession(sessionSpec({ ttlSeconds: 12.5 }), never);
    const serf = await client.createSession(sessionSpec({ nodeChecks: ['serfHealth'], lockDelaySeconds: 3 }), never);
    const info = async (id: string) =>
      (JSON.parse(await server.request('GET', `/v1/session/info/${id}`)) as unknown[])[0];
    expect(await info(none)).toMatchObject({ NodeChecks: [], LockDelay: 0, TTL: '12.5s', Behavior: 'delete' });
    expect(await info(serf)).toMatchObject({ NodeChecks: ['serfHealth'], LockDelay: 3e9 });
  });

  test('a lock delay of 0 lets the next one take the lock at once, one of 15 s does not', async () => {
    for (const [lockDelaySeconds, kind] of [
      [0, 'done'],
      [15, 'refused'],
    ] as const) {
      const key = `${keys.prefix}${lockDelaySeconds}`;
      const first = await client.createSession(sessionSpec({ lockDelaySeconds }), never);
      const second = await newSession();
      await client.transact([{ verb: 'lock', key, value: 'a', session: first }], never);
      await client.destroySession(first, never);
      expect(await client.transact([{ verb: 'lock', key, value: 'b', session: second }], never)).toMatchObject({
        kind,
      });
    }
  });

  test('take their keys with them', async () => {
    const session = await newSession();
    await client.transact([{ verb: 'lock', key: memberKey(keys, 'a'), value: '{}', session }], never);
    await client.destroySession(session, never);
    expect((await read()).entries).toEqual([]);
  });

  test('a TTL below the minimum is refused with the bounds, straight and through a client agent', async () => {
    const beside = await startConsulClient(sandbox, { consul: await findConsul(), server });
    const through = clientOf(beside.address);
    for (const consul of [client, through]) {
      const refused = consul.createSession(sessionSpec({ ttlSeconds: 3 }), never);
      await expect(refused).rejects.toBeInstanceOf(TtlRefusedError);
      await expect(refused).rejects.toMatchObject({ minSeconds: 10, maxSeconds: 86_400 });
    }
    through.close();
  }, 60_000);

  test('bound to a check that is not there is an error in words', async () => {
    await expect(client.createSession(sessionSpec({ serviceChecks: ['nope'] }), never)).rejects.toThrow(
      /cannot create a session: Consul answers 500 .*Missing check 'nope'/,
    );
  });
});

describe('services', () => {
  const service = (id: string, tags: readonly string[]) => ({
    id,
    name: 'demo',
    tags,
    address: '10.1.2.3',
    port: 5432,
    checks: [{ kind: 'ttl' as const, id: `${id}:slots`, name: 'slots', ttlSeconds: 60 }],
  });
  const checks = async () =>
    JSON.parse(await server.request('GET', '/v1/agent/checks')) as Record<string, { Status: string; Output: string }>;

  test('are registered, replaced without losing the state of their checks, and deregistered', async () => {
    const id = 'demo/node-1';
    await client.registerService(service(id, ['replica']), never);
    expect(await client.updateTtlCheck(`${id}:slots`, 'warning', 'orders is not ready: ä', never)).toBe('updated');
    await client.registerService(service(id, ['primary']), never);
    expect((await checks())[`${id}:slots`]).toMatchObject({ Status: 'warning', Output: 'orders is not ready: ä' });
    const catalog = JSON.parse(await server.request('GET', '/v1/agent/services')) as Record<string, unknown>;
    expect(catalog[id]).toMatchObject({ Service: 'demo', Tags: ['primary'], Address: '10.1.2.3', Port: 5432 });
    await client.deregisterService(id, never);
    await client.deregisterService(id, never);
    expect(await checks()).not.toHaveProperty([`${id}:slots`]);
  });

  test('a check that is no longer asked for goes away', async () => {
    await client.registerService(service('demo/2', []), never);
    await client.registerService({ ...service('demo/2', []), checks: [] }, never);
    expect(await checks()).not.toHaveProperty(['demo/2:slots']);
  });

  test('an HTTP check is asked by Consul', async () => {
    const rest = await serve((_, response) => response.end());
    const { port } = rest.address() as AddressInfo;
    await client.registerService(
      {
        ...service('demo/3', []),
        checks: [
          {
            kind: 'http',
            id: 'demo/3:role',
            name: 'role',
            url: `http://127.0.0.1:${port}/replica`,
            method: 'HEAD',
            intervalSeconds: 1,
            timeoutSeconds: 1,
            tlsSkipVerify: false,
            tlsServerName: null,
            deregisterAfterSeconds: null,
          },
        ],
      },
      never,
    );
    const [request] = (await once(rest, 'request')) as [IncomingMessage];
    expect(`${request.method ?? ''} ${request.url ?? ''}`).toBe('HEAD /replica');
    rest.closeAllConnections();
    rest.close();
  });

  test('a check that the agent does not know (any more) is unknown, not an error', async () => {
    expect(await client.updateTtlCheck('nope', 'passing', '', never)).toBe('unknown');
  });
});
