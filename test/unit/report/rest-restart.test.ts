import { describe, expect, test } from 'vitest';
import type { ActionOf } from '../../../src/domain/action.ts';
import type { ServerPlan } from '../../../src/domain/managed.ts';
import { eventually } from '../../support/eventually.ts';
import { managedRest, type ManagedCluster } from '../../support/managed-rest.ts';
import { startRest } from '../../support/rest.ts';
import { done } from '../../support/situations.ts';
import { aStandbyLook, aTurn } from '../../support/turns.ts';

const plan: ServerPlan = { parameters: {}, hba: null, ident: null, upstream: null, synchronousStandbyNames: null };
const action: ActionOf<'restart_server'> = { kind: 'restart_server', plan, term: null, why: { kind: 'operator' } };
const beta: ManagedCluster = { name: 'beta' };

describe('POST /restart', () => {
  test('is answered when the server is up again', async () => {
    const rest = await managedRest(beta);
    const answer = rest.send('POST', '/restart');
    await eventually(() => rest.asked.length === 1, { what: 'the request in the loop', intervalMs: 5 });
    const { nowMs } = rest.view();
    rest.learn(done(action, new Map(), 0, nowMs + 1));
    rest.learn({ kind: 'look', startedAtMs: nowMs + 2, look: aStandbyLook() });
    const { status, text } = await answer;
    expect([status, text]).toEqual([200, 'restarted successfully']);
  });

  test('that fails says why', async () => {
    const rest = await managedRest(beta);
    const answer = rest.send('POST', '/restart', {});
    await eventually(() => rest.asked.length === 1, { what: 'the request in the loop', intervalMs: 5 });
    const atMs = rest.view().nowMs + 1;
    const failure = { message: 'no space left', sqlstate: null, sessionDead: false, refused: false };
    rest.learn({ kind: 'outcome', outcome: { kind: 'failed', startedAtMs: atMs, endedAtMs: atMs, action, failure } });
    const { status, text } = await answer;
    expect([status, text]).toEqual([503, 'restart failed: no space left']);
  });

  test.each<[string, unknown, number, string]>([
    ['conditions that do not hold', { role: 'primary' }, 503, 'restart conditions are not satisfied'],
    ['an unknown condition', { weather: 'fine' }, 400, 'Unknown filter for the scheduled restart: weather'],
    ['a role', { role: 'king' }, 400, 'PostgreSQL role should be either primary, standby_leader, or replica'],
    ['a version', { postgres_version: '15' }, 400, 'Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: 15'],
    ['a timeout', { timeout: 'soon' }, 400, 'Timeout should be a positive number of seconds'],
    ['no timeout', { timeout: 0 }, 400, 'Timeout should be a positive number of seconds'],
    ['no zone', { schedule: '2027-01-01T00:00' }, 400, 'Timezone information is mandatory for the scheduled restart'],
    ['the past', { schedule: '2020-01-01T00:00Z' }, 422, 'Cannot schedule restart in the past'],
  ])('%s', async (_what, body, status, text) => {
    const rest = await managedRest(beta);
    const reply = await rest.send('POST', '/restart', body);
    expect([reply.status, reply.text]).toEqual([status, text]);
  });

  test('in pause nothing is scheduled', async () => {
    const rest = await managedRest({ ...beta, config: { pause: true } });
    const reply = await rest.send('POST', '/restart', { schedule: '2027-01-01T00:00Z' });
    expect([reply.status, reply.text]).toEqual([500, "Can't schedule restart in the paused state"]);
    expect(rest.asked).toEqual([]);
  });

  test('at a later time: 202, 409 for a second one, and taken back', async () => {
    const rest = await managedRest(beta);
    const body = { schedule: '2027-01-01T00:00Z', role: 'replica', timeout: '2min', restart_pending: true };
    const reply = await rest.send('POST', '/restart', body);
    expect([reply.status, reply.text]).toEqual([202, 'Restart scheduled']);
    expect(rest.asked[0]).toMatchObject({
      kind: 'restart',
      restart: { scheduledAt: '2027-01-01T00:00:00+00:00', role: 'replica', timeoutSeconds: 120, onlyIfPending: true },
    });
    const second = await rest.send('POST', '/restart', body);
    expect([second.status, second.text]).toEqual([409, 'Another restart is already scheduled']);
    const back = await rest.send('DELETE', '/restart');
    expect([back.status, back.text]).toEqual([200, 'scheduled restart deleted']);
    const none = await rest.send('DELETE', '/restart');
    expect([none.status, none.text]).toEqual([404, 'no restarts are scheduled']);
  });
});

test('POST /reload is answered at once, also where something else manages the server', async () => {
  const observing: string[] = [];
  const observer = await startRest({ reload: () => observing.push('reload') });
  observer.server.show(aTurn('alpha'));
  expect((await observer.get('/reload', { method: 'POST' })).text).toBe('reload scheduled');
  expect(observing).toEqual(['reload']);

  const rest = await managedRest(beta);
  const reply = await rest.send('POST', '/reload');
  expect([reply.status, reply.text]).toEqual([202, 'reload scheduled']);
  expect(rest.view().memory.requests.reload).not.toBeNull();
});

describe('POST /reinitialize', () => {
  test('is answered when it has begun', async () => {
    const rest = await managedRest(beta);
    const reply = await rest.send('POST', '/reinitialize', { force: true, from_leader: 'on' });
    expect([reply.status, reply.text]).toEqual([200, 'reinitialize started']);
    expect(rest.asked[0]).toMatchObject({ kind: 'reinitialize', force: true, fromLeader: true });
    const again = await rest.send('POST', '/reinitialize');
    expect([again.status, again.text]).toEqual([503, 'reinitialize already in progress']);
  });

  test.each<[string, ManagedCluster, string]>([
    ['the leader', {}, 'I am the leader, can not reinitialize'],
    ['without a leader', { ...beta, leader: null }, 'Cluster has no leader, can not reinitialize'],
  ])('%s', async (_what, cluster, text) => {
    const reply = await (await managedRest(cluster)).send('POST', '/reinitialize');
    expect([reply.status, reply.text]).toEqual([503, text]);
  });
});
