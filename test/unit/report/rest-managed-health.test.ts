import { describe, expect, test } from 'vitest';
import { managedRest, type ManagedCluster } from '../../support/managed-rest.ts';
import { aStandbyLook } from '../../support/turns.ts';

/** The paths of health checks that answer 200, out of those that depend on what slotkeeper leads. */
async function healthy(cluster: ManagedCluster, standby = cluster.name === 'beta'): Promise<readonly string[]> {
  const rest = await managedRest(cluster);
  if (standby) rest.learn({ kind: 'look', startedAtMs: rest.view().nowMs, look: aStandbyLook() });
  const paths = ['primary', 'leader', 'standby-leader', 'replica', 'sync', 'async', 'read-only', 'read-only-sync'];
  const found = await Promise.all(
    paths.map(async (path) => ((await rest.get(`/${path}`)).status === 200 ? [path] : [])),
  );
  return found.flat();
}

const synchronous = { config: { synchronous_mode: true }, keys: { sync: '{"leader":"alpha","sync_standby":"Beta"}' } };
const standbyCluster = { config: { standby_cluster: { host: '10.0.0.9', port: 5432 } } };

describe('which checks say yes', () => {
  test.each<[string, ManagedCluster, readonly string[]]>([
    ['a leader', {}, ['primary', 'leader', 'read-only', 'read-only-sync']],
    ['a standby', { name: 'beta' }, ['replica', 'async', 'read-only']],
    ['a synchronous standby', { ...synchronous, name: 'beta' }, ['replica', 'sync', 'read-only', 'read-only-sync']],
    ['a primary whose key is gone', { leader: null }, []],
    ['a standby of a standby cluster', { ...standbyCluster, name: 'beta' }, ['replica', 'async', 'read-only']],
  ])('%s', async (_what, cluster, paths) => {
    expect(await healthy(cluster)).toEqual(paths);
  });

  test('the leader of a standby cluster', async () => {
    const cluster = { ...standbyCluster, name: 'beta', leader: 'beta' };
    expect(await healthy(cluster)).toEqual(['leader', 'standby-leader', 'read-only', 'read-only-sync']);
  });
});

test('a leader whose lease is over says no, although the session was not seen to end', async () => {
  const rest = await managedRest({});
  expect((await rest.get('/primary')).status).toBe(200);
  // The session of 15 s was renewed a second ago; the agent stops to lead a while before Consul may end it.
  rest.clock.aheadMs = 13_000;
  const reply = await rest.get('/primary');
  expect(reply.status).toBe(503);
  expect(reply.body['reason']).toMatch(/lease has run out/);
});

test('/cluster and /patroni say who is synchronous', async () => {
  const rest = await managedRest({ ...synchronous, name: 'beta' });
  expect((await rest.get('/cluster')).body['members']).toMatchObject([
    { name: 'alpha', role: 'leader' },
    { name: 'beta', role: 'sync_standby', state: 'streaming' },
  ]);
  expect((await rest.get('/patroni')).body).toMatchObject({ sync_standby: true });
  expect((await rest.get('/metrics')).text).toMatch(/^patroni_sync_standby\{.*\} 1$/m);
});
