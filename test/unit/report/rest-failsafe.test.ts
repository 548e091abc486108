import { expect, test } from 'vitest';
import { encodeFailsafeCall } from '../../../src/peer/failsafe-call.ts';
import { managedRest, type ManagedCluster } from '../../support/managed-rest.ts';

const beta: ManagedCluster = { name: 'beta' };
const on = { config: { failsafe_mode: true }, keys: { failsafe: '{"alpha":"http://alpha.test:8008/patroni"}' } };
const asks = (name: string) => ({ name, conn_url: 'postgres://x:5432/postgres', api_url: 'http://x:8008/patroni' });

test('502 where it is off', async () => {
  const rest = await managedRest(beta);
  expect((await rest.get('/failsafe')).status).toBe(502);
  expect((await rest.send('POST', '/failsafe', asks('alpha'))).status).toBe(502);
  expect(rest.asked).toEqual([]);
});

test('shows the members', async () => {
  const rest = await managedRest({ ...beta, ...on });
  expect((await rest.get('/failsafe')).body).toEqual({ alpha: 'http://alpha.test:8008/patroni' });
});

test('a standby lets the leader go on, says how far it is, and shows that it has given its word', async () => {
  const rest = await managedRest({ ...beta, ...on });
  rest.look();
  const reply = await rest.send('POST', '/failsafe', asks('alpha'));
  expect([reply.status, reply.text, reply.headers.get('lsn')]).toEqual([200, 'Accepted', '20480']);
  expect((await rest.get('/patroni')).body).toMatchObject({ failsafe_mode_is_active: true });
  expect((await rest.get('/metrics')).text).toMatch(/patroni_failsafe_mode_is_active\{[^}]*\} 1/);
});

test('not one that does not lead by what Consul says here', async () => {
  const rest = await managedRest({ ...beta, ...on });
  rest.look();
  const reply = await rest.send('POST', '/failsafe', asks('gamma'));
  expect([reply.status, reply.text]).toEqual([500, 'alpha leads']);
  expect((await rest.get('/patroni')).body).not.toHaveProperty('failsafe_mode_is_active');
});

test('a primary lets nobody', async () => {
  const rest = await managedRest(on);
  const reply = await rest.send('POST', '/failsafe', asks('beta'));
  expect([reply.status, reply.text]).toEqual([500, 'Running as a leader']);
});

test.each([['no JSON'], ['[]'], ['{}'], ['{"name":""}'], ['{"name":7}']])(
  'a body that names nobody: %s',
  async (body) => {
    const rest = await managedRest({ ...beta, ...on });
    expect((await rest.send('POST', '/failsafe', body)).status).toBe(400);
    expect(rest.asked).toEqual([]);
  },
);

test('what cannot be read of a body is left out', async () => {
  const rest = await managedRest({ ...beta, ...on });
  rest.look();
  const body = { ...asks('alpha'), slots: { orders: 5, __proto__: 6, other: 'x' }, slotkeeper: { binds_ms: -1 } };
  expect((await rest.send('POST', '/failsafe', body)).status).toBe(200);
  expect(rest.asked).toMatchObject([{ call: { leader: 'alpha', slots: new Map([['orders', 5n]]), bindsMs: null } }]);
});

test('the body is Patroni’s, with what is our own beside it', () => {
  const call = {
    leader: 'alpha',
    connUrl: 'postgres://x:5432/postgres',
    apiUrl: 'http://x:8008/patroni',
    slots: new Map([['orders', 5n]]),
    incarnations: new Map([['orders', 3n]]),
    bindsMs: 10_000,
  };
  const own = { incarnations: { orders: 3 }, binds_ms: 10_000 };
  expect(encodeFailsafeCall(call)).toEqual({ ...asks('alpha'), slots: { orders: 5 }, slotkeeper: own });
});
