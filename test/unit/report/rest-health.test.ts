import { describe, expect, test } from 'vitest';
import type { Member } from '../../../src/domain/cluster.ts';
import { noTags } from '../../../src/domain/config.ts';
import { tagsFrom } from '../../../src/domain/tags.ts';
import type { View } from '../../../src/view/view.ts';
import { defaultConfig } from '../../../src/domain/default-config.ts';
import { startRest } from '../../support/rest.ts';
import { aKey, aMember, aSelf, aStandbyLook, aTurn, aView, nowMs, sessionOf, someKeys } from '../../support/turns.ts';

const paths = [
  '/', '/primary', '/master', '/leader', '/read-write',
  '/replica', '/asynchronous', '/read-only',
  '/synchronous', '/standby-leader', '/read-only-sync',
  '/health', '/liveness', '/readiness',
]; // prettier-ignore

async function statuses(name: string, view: Partial<View> = {}): Promise<Record<string, number>> {
  const rest = await startRest();
  rest.server.show(aTurn(name, { view }));
  const found: Record<string, number> = {};
  for (const path of paths) found[path] = (await rest.get(path)).status;
  return found;
}

/** The paths that answer 200. */
async function open(name: string, view: Partial<View> = {}): Promise<readonly string[]> {
  return Object.entries(await statuses(name, view)).flatMap(([path, status]) => (status === 200 ? [path] : []));
}

const writing = ['/', '/primary', '/master', '/leader', '/read-write'];
const reading = ['/replica', '/asynchronous', '/read-only'];
const agent = ['/health', '/liveness', '/readiness'];

describe('which checks a member passes', () => {
  test('a primary that holds the leader key', async () => {
    expect(await open('alpha')).toEqual([...writing, '/read-only', '/read-only-sync', ...agent]);
  });

  test('a standby', async () => {
    expect(await open('beta')).toEqual([...reading, ...agent]);
  });

  test('a primary whose leader key somebody else holds', async () => {
    const keys = someKeys({ leader: aKey('beta', { modifyIndex: 31, session: sessionOf('beta') }) });
    const consul = { contact: { kind: 'good' as const, atMs: nowMs }, keys };
    expect(await open('alpha', { consul })).toEqual(['/health', '/liveness']);
  });

  test('a standby that still holds the leader key', async () => {
    const { local } = aView('alpha');
    expect(await open('alpha', { local: { ...local, look: aStandbyLook() } })).toEqual([...reading, ...agent]);
  });

  test('a server that does not answer', async () => {
    const { local } = aView('alpha');
    const contact = { kind: 'broken' as const, sinceMs: nowMs - 1_000, why: 'connection refused' };
    expect(await open('alpha', { local: { ...local, contact, trouble: 'not_running' } })).toEqual(['/liveness']);
  });

  test('before the first turn nothing is known', async () => {
    const rest = await startRest();
    for (const path of [...paths, '/patroni', '/cluster', '/slots', '/metrics']) {
      expect((await rest.get(path)).status, path).toBe(503);
    }
  });
});

describe('while Consul is away', () => {
  const away = { contact: { kind: 'broken' as const, sinceMs: nowMs, why: 'connect ECONNREFUSED' }, keys: someKeys() };

  test('a primary is one as long as its lease lasts, and says why it is not any more', async () => {
    const rest = await startRest();
    rest.server.show(aTurn('alpha', { view: { consul: away } }));
    rest.clock.aheadMs = 13_900;
    expect((await rest.get('/primary')).status).toBe(200);
    rest.clock.aheadMs = 14_100;
    const late = await rest.get('/primary');
    expect(late.status).toBe(503);
    expect(late.body['reason']).toMatch(/lease has run out/);
    expect((await rest.get('/health')).status).toBe(200);
  });

  test('in pause the role alone counts', async () => {
    const rest = await startRest();
    rest.server.show(aTurn('alpha', { view: { consul: away, config: { ...defaultConfig, pause: true } } }));
    rest.clock.aheadMs = 3_600_000;
    expect((await rest.get('/primary')).status).toBe(200);
    expect((await rest.get('/liveness')).status).toBe(200);
  });

  test('a standby goes on serving reads, and the age of what it knows is told', async () => {
    const rest = await startRest();
    rest.server.show(aTurn('beta', { view: { consul: away } }));
    rest.clock.aheadMs = 42_000;
    expect((await rest.get('/replica')).status).toBe(200);
    const cluster = await rest.get('/cluster');
    expect(cluster.status).toBe(200);
    expect(cluster.body['slotkeeper']).toMatchObject({
      consul: { state: 'broken', age_seconds: 42, why: 'connect ECONNREFUSED' },
    });
  });
});

describe('why not', () => {
  test.each([
    ['beta', '/primary', /in recovery/],
    ['alpha', '/replica', /not in recovery/],
    ['beta', '/replica?lag=255', /256 bytes behind/],
    ['beta', '/replica?replication_state=stopping', /replication state is streaming/],
    ['beta', '/replica?tag_zone=b', /tag zone/],
    ['beta', '/readiness?lag=0', /256 bytes behind/],
    ['beta', '/synchronous', /synchronous_mode is off/],
  ])('%s %s', async (name, path, why) => {
    const rest = await startRest();
    rest.server.show(aTurn(name));
    const reply = await rest.get(path);
    expect(reply.status).toBe(503);
    expect(reply.body['reason']).toMatch(why);
  });

  test('nobody holds the leader key', async () => {
    const rest = await startRest();
    const consul = { contact: { kind: 'good' as const, atMs: nowMs }, keys: someKeys({ leader: null }) };
    rest.server.show(aTurn('alpha', { view: { consul } }));
    expect((await rest.get('/primary')).body).toMatchObject({
      reason: 'nobody holds the leader key',
      cluster_unlocked: true,
    });
  });
});

describe('filters', () => {
  test.each([
    ['/replica?lag=256', 200],
    ['/replica?lag=0.25kB', 200],
    ['/replica?lag=0.2kB', 503],
    ['/replica?lag=1MB', 200],
    // Patroni's rule: what cannot be read limits nothing.
    ['/replica?lag=plenty', 200],
    ['/replica?replication_state=streaming', 200],
    ['/replica?tag_zone=a', 200],
    ['/replica?tag_clonefrom=true', 200],
    ['/replica?tag_zone=a&tag_clonefrom=false', 503],
    ['/replica?tag___proto__=x', 503],
    ['/read-only?tag_zone=b', 503],
    ['/readiness?lag=0&mode=write', 200],
    ['/readiness?lag=0&mode=apply', 503],
    ['/readiness', 200],
  ])('%s → %i', async (path, status) => {
    const rest = await startRest();
    const self = aSelf('beta', { tags: tagsFrom({ zone: 'a', clonefrom: true }) });
    rest.server.show(aTurn('beta', { view: { self } }));
    expect((await rest.get(path)).status).toBe(status);
  });

  test('maximum_lag_on_failover is the limit of readiness where none is given', async () => {
    const rest = await startRest();
    const keys = someKeys({ configText: '{"maximum_lag_on_failover": 200}' });
    rest.server.show(aTurn('beta', { view: { consul: { contact: { kind: 'good', atMs: nowMs }, keys } } }));
    expect((await rest.get('/readiness')).status).toBe(503);
  });

  test('a member tagged noloadbalance is no replica', async () => {
    const rest = await startRest();
    rest.server.show(
      aTurn('beta', { view: { self: aSelf('beta', { tags: { ...noTags, raw: { noloadbalance: true } } }) } }),
    );
    expect((await rest.get('/replica')).status).toBe(503);
  });
});

test('liveness fails when the loop has stopped for ttl on a primary, twice that on a standby', async () => {
  const rest = await startRest();
  rest.server.show(aTurn('alpha'));
  rest.clock.aheadMs = 30_001;
  expect((await rest.get('/liveness')).status).toBe(503);
  rest.clock.aheadMs = 0;
  rest.server.show(aTurn('beta'));
  rest.clock.aheadMs = 30_001;
  expect((await rest.get('/liveness')).status).toBe(200);
  rest.clock.aheadMs = 60_001;
  expect((await rest.get('/liveness')).status).toBe(503);
});

test('/cluster has Patroni’s fields, and lag counted from the leader’s position', async () => {
  const rest = await startRest();
  const { members } = someKeys();
  const broken = aKey<Member>(null, { problem: 'the key members/gamma is not JSON' });
  const nowhere = { xlogLocation: null, receiveLsn: null, replayLsn: null, replicationState: null };
  const silent = aKey(aMember('delta', { ...nowhere, state: 'starting', connUrl: null }));
  const keys = someKeys({ members: new Map([...members, ['gamma', broken], ['delta', silent]]) });
  rest.server.show(aTurn('alpha', { view: { consul: { contact: { kind: 'good', atMs: nowMs }, keys } } }));
  const { body } = await rest.get('/cluster');
  expect(body).toMatchObject({ scope: 'demo' });
  expect(body['members']).toEqual([
    {
      name: 'alpha',
      role: 'leader',
      state: 'running',
      api_url: 'http://alpha.test:8008/patroni',
      host: 'alpha.test',
      port: 5432,
      timeline: 1,
    },
    {
      name: 'beta',
      role: 'replica',
      state: 'streaming',
      api_url: 'http://beta.test:8008/patroni',
      host: 'beta.test',
      port: 5432,
      timeline: 1,
      receive_lsn: '0/5000',
      receive_lag: 0,
      replay_lsn: '0/4F00',
      replay_lag: 256,
      lsn: '0/4F00',
      lag: 256,
    },
    {
      name: 'delta',
      role: 'replica',
      state: 'starting',
      api_url: 'http://delta.test:8008/patroni',
      timeline: 1,
      receive_lsn: 'unknown',
      receive_lag: 'unknown',
      replay_lsn: 'unknown',
      replay_lag: 'unknown',
      lsn: 'unknown',
      lag: 'unknown',
    },
    { name: 'gamma', role: 'replica', state: 'unknown', problem: 'the key members/gamma is not JSON' },
  ]);
});

test('/history has Patroni’s lines', async () => {
  const rest = await startRest();
  const history = aKey([
    {
      timeline: 1,
      lsn: 0x5000n,
      reason: 'no recovery target specified',
      timestamp: '2026-01-02T03:04:05Z',
      newLeader: 'beta',
    },
    { timeline: 2, lsn: 0x6000n, reason: 'no recovery target specified', timestamp: null, newLeader: null },
  ]);
  const keys = someKeys({ history });
  rest.server.show(aTurn('alpha', { view: { consul: { contact: { kind: 'good', atMs: nowMs }, keys } } }));
  expect((await rest.get('/history')).body).toEqual([
    [1, 20480, 'no recovery target specified', '2026-01-02T03:04:05Z', 'beta'],
    [2, 24576, 'no recovery target specified'],
  ]);
});

test('/patroni has Patroni’s fields, and what the agent knows of itself', async () => {
  const rest = await startRest();
  rest.server.show(aTurn('alpha'));
  const { status, body } = await rest.get('/patroni/');
  expect(status).toBe(200);
  expect(body).toMatchObject({
    state: 'running',
    role: 'primary',
    server_version: 150018,
    xlog: { location: 20480 },
    timeline: 1,
    database_system_identifier: '7300000000000000001',
    postmaster_start_time: '2026-01-02 02:04:05.000+00:00',
    replication: [{ application_name: 'beta', client_addr: '10.0.0.2', state: 'streaming', sync_state: 'async' }],
    patroni: { version: '4.1.0', scope: 'demo', name: 'alpha' },
    slotkeeper: { session: { held: true, ttl_seconds: 15 }, slots: { status: 'passing' } },
  });
});
