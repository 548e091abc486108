import { describe, expect, test } from 'vitest';
import { managedRest, type ManagedCluster } from '../../support/managed-rest.ts';
import { eventually } from '../../support/eventually.ts';
import { noTags } from '../../../src/domain/config.ts';

/** Sends a request that waits for its result; resolves as soon as the key `failover` is there. */
async function switching(cluster: ManagedCluster, path: string, body: unknown) {
  const rest = await managedRest(cluster);
  const answer = rest.send('POST', path, body);
  await eventually(() => rest.stored('failover'), { what: 'the request in the key', intervalMs: 5 });
  return { ...rest, answer };
}

describe('a switchover at once', () => {
  test('is left in the key as Patroni has it, and answered when the candidate leads', async () => {
    const rest = await switching({}, '/switchover', { leader: 'alpha', candidate: 'beta' });
    expect(rest.stored('failover')).toBe('{"leader":"alpha","member":"beta"}');
    rest.lead('beta');
    const { status, text } = await rest.answer;
    expect([status, text]).toEqual([200, 'Successfully switched over to "beta"']);
  });

  test('to somebody else than asked for is told', async () => {
    const cluster = { members: { gamma: {} } };
    const rest = await switching(cluster, '/switchover', { leader: 'alpha', candidate: 'beta' });
    rest.lead('gamma');
    const { status, text } = await rest.answer;
    expect([status, text]).toEqual([200, 'Switched over to "gamma" instead of "beta"']);
  });

  test('fails when the request goes and the leader stays', async () => {
    const rest = await switching({}, '/switchover', { leader: 'alpha' });
    rest.remove('failover');
    const { status, text } = await rest.answer;
    expect([status, text]).toEqual([503, 'Switchover failed']);
  });

  test('with force says so in our own field', async () => {
    const rest = await switching({}, '/switchover', { leader: 'alpha', candidate: 'beta', force: true });
    expect(rest.stored('failover')).toBe('{"leader":"alpha","member":"beta","force":true}');
    rest.lead('beta');
    await rest.answer;
  });

  test('a failover has no leader in the key', async () => {
    const rest = await switching({ leader: null }, '/failover', { candidate: 'beta' });
    expect(rest.stored('failover')).toBe('{"member":"beta"}');
    rest.lead('beta');
    const { status, text } = await rest.answer;
    expect([status, text]).toEqual([200, 'Successfully failed over to "beta"']);
  });

  test('is told of', async () => {
    const rest = await switching({}, '/switchover', { leader: 'alpha' });
    rest.lead('beta');
    await rest.answer;
    const told = { kind: 'command_answered', method: 'POST', path: '/switchover', client: '127.0.0.1', status: 200 };
    expect(rest.events).toContainEqual(told);
  });
});

const pause = { config: { pause: true } };
const sync = { config: { synchronous_mode: true }, keys: { sync: '{"leader":"alpha","sync_standby":"beta"}' } };
const gamma = { gamma: {} };

test.each<[string, ManagedCluster, string, unknown, number, string]>([
  [
    'no leader',
    {},
    '/switchover',
    { candidate: 'beta' },
    400,
    'Switchover could be performed only from a specific leader',
  ],
  [
    'no candidate',
    {},
    '/failover',
    { leader: 'alpha' },
    400,
    'Failover could be performed only to a specific candidate',
  ],
  [
    'a failover later',
    {},
    '/failover',
    { candidate: 'beta', scheduled_at: '2027-01-01T00:00Z' },
    400,
    "Failover can't be scheduled",
  ],
  [
    'later, in pause',
    pause,
    '/switchover',
    { leader: 'alpha', candidate: 'beta', scheduled_at: '2027-01-01T00:00Z' },
    400,
    "Can't schedule switchover in the paused state",
  ],
  [
    'to anybody, in pause',
    pause,
    '/switchover',
    { leader: 'alpha' },
    400,
    'Switchover is possible only to a specific candidate in a paused state',
  ],
  [
    'to itself',
    {},
    '/switchover',
    { leader: 'alpha', candidate: 'alpha' },
    400,
    'Switchover target and source are the same',
  ],
  [
    'without a zone',
    {},
    '/switchover',
    { leader: 'alpha', scheduled_at: '2027-01-01T00:00' },
    400,
    'Timezone information is mandatory for the scheduled switchover',
  ],
  [
    'in the past',
    {},
    '/switchover',
    { leader: 'alpha', scheduled_at: '2020-01-01T00:00Z' },
    422,
    'Cannot schedule switchover in the past',
  ],
  [
    'some time',
    {},
    '/switchover',
    { leader: 'alpha', scheduled_at: 'soon' },
    422,
    'Unable to parse scheduled timestamp. It should be in an unambiguous format, e.g. ISO 8601',
  ],
  ['another leader', {}, '/switchover', { leader: 'beta' }, 412, 'leader name does not match'],
  ['nobody', {}, '/switchover', { leader: 'alpha', candidate: 'omega' }, 412, 'candidate does not exists'],
  [
    'the leader itself',
    {},
    '/failover',
    { candidate: 'alpha' },
    412,
    'failover is not possible: alpha is the leader already',
  ],
  [
    'one that may not',
    { members: { beta: { tags: { ...noTags, nofailover: true } } } },
    '/switchover',
    { leader: 'alpha', candidate: 'beta' },
    412,
    'switchover is not possible: no good candidates have been found',
  ],
  [
    'one that is down',
    { members: { beta: { state: 'stopped' } } },
    '/failover',
    { candidate: 'beta' },
    412,
    'failover is not possible: no good candidates have been found',
  ],
  [
    'an asynchronous one',
    { ...sync, members: gamma },
    '/switchover',
    { leader: 'alpha', candidate: 'gamma' },
    412,
    'candidate name does not match with sync_standby',
  ],
  [
    'no synchronous one',
    { config: { synchronous_mode: true } },
    '/switchover',
    { leader: 'alpha' },
    412,
    'switchover is not possible: can not find sync_standby',
  ],
])('%s: refused, and nothing is written', async (_what, cluster, path, body, status, text) => {
  const rest = await managedRest(cluster);
  const reply = await rest.send('POST', path, body);
  expect([reply.status, reply.text]).toEqual([status, text]);
  expect(rest.stored('failover')).toBeNull();
});

test('a manual failover to an asynchronous member is possible: it is the operator who says so', async () => {
  const rest = await switching({ ...sync, members: gamma }, '/failover', { candidate: 'gamma' });
  rest.lead('gamma');
  expect((await rest.answer).status).toBe(200);
});

test.each(['', '[]', '{}', '{"leader":'])('the body %j is 400', async (body) => {
  const rest = await managedRest({});
  expect((await rest.send('POST', '/switchover', body)).status).toBe(400);
});

describe('a scheduled switchover', () => {
  const body = { leader: 'alpha', candidate: 'beta', scheduled_at: '2027-01-01 10:00+02' };

  test('is answered at once, shown in /cluster, and taken back', async () => {
    const rest = await managedRest({});
    const reply = await rest.send('POST', '/switchover', body);
    expect([reply.status, reply.text]).toEqual([202, 'Switchover scheduled']);
    expect(rest.stored('failover')).toBe(
      '{"leader":"alpha","member":"beta","scheduled_at":"2027-01-01T08:00:00+00:00"}',
    );
    expect((await rest.get('/cluster')).body).toMatchObject({
      scheduled_switchover: { at: '2027-01-01T08:00:00+00:00', from: 'alpha', to: 'beta' },
    });
    const gone = await rest.send('DELETE', '/switchover');
    expect([gone.status, gone.text]).toEqual([200, 'scheduled switchover deleted']);
    expect(rest.stored('failover')).toBeNull();
  });

  test('that nobody has asked for is 404', async () => {
    const rest = await managedRest({ keys: { failover: '{"leader":"alpha"}' } });
    const gone = await rest.send('DELETE', '/switchover');
    expect([gone.status, gone.text]).toEqual([404, 'no switchover is scheduled']);
    expect(rest.stored('failover')).not.toBeNull();
  });
});
