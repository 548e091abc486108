import { describe, expect, test } from 'vitest';
import { ConsulError } from '../../../src/consul/port.ts';
import { plan } from '../../../src/plan/plan.ts';
import { configKey, consulWithConfig, openAccess, startRest } from '../../support/rest.ts';

const stored = '{"ttl":30,"loop_wait":10,"postgresql":{"parameters":{"work_mem":"4MB","jit":"off"}}}';

async function configured(
  text: string | null = stored,
  credentials: { username: string; password: string } | null = null,
) {
  const consul = consulWithConfig(text);
  const rest = await startRest({
    config: { consul: consul.port, key: configKey },
    access: { ...openAccess, credentials },
  });
  const show = (): void => {
    const view = consul.view();
    rest.server.show({ view, plan: plan(view) });
  };
  show();
  const send = (method: string, body: unknown, headers: Record<string, string> = {}) =>
    rest.get('/config', { method, body: typeof body === 'string' ? body : JSON.stringify(body), headers });
  return { ...consul, get: rest.get, events: rest.events, show, send };
}

describe('GET', () => {
  test('shows the document as it stands, with what slotkeeper does not use', async () => {
    const { get } = await configured();
    expect((await get('/config')).body).toEqual(JSON.parse(stored));
  });

  test('502 when there is none, or none that can be read', async () => {
    expect((await (await configured(null)).get('/config')).status).toBe(502);
    expect((await (await configured('{"ttl":')).get('/config')).status).toBe(502);
  });
});

describe('PATCH', () => {
  test('merges, takes null away, and answers with the whole', async () => {
    const rest = await configured();
    const reply = await rest.send('PATCH', { ttl: 40, postgresql: { parameters: { jit: null, work_mem: '8MB' } } });
    expect(reply.status).toBe(200);
    expect(reply.body).toEqual({ ttl: 40, loop_wait: 10, postgresql: { parameters: { work_mem: '8MB' } } });
    expect(JSON.parse(rest.stored()!)).toEqual(reply.body);
    expect(rest.events).toContainEqual({ kind: 'config_written', method: 'PATCH', client: '127.0.0.1' });
  });

  test('a wrong value: every problem is told and nothing is written', async () => {
    const rest = await configured();
    const slots = { 'Bad-Name': { type: 'logical', database: 'shop', plugin: 'pgoutput' }, other: { type: 'odd' } };
    const reply = await rest.send('PATCH', { slots, ttl: 'soon' });
    expect(reply.status).toBe(400);
    const problems = reply.body['problems'] as string[];
    expect(problems).toHaveLength(3);
    for (const path of ['ttl', 'slots.Bad-Name', 'slots.other']) expect(problems.join('\n')).toContain(path);
    expect(rest.stored()).toBe(stored);
  });

  test('409 when the key has changed since it was read; nothing is overwritten', async () => {
    const rest = await configured();
    rest.overwrite('{"ttl":60}');
    expect((await rest.send('PATCH', { ttl: 40 })).status).toBe(409);
    expect(rest.stored()).toBe('{"ttl":60}');
    rest.show();
    expect((await rest.send('PATCH', { loop_wait: 5 })).body).toEqual({ ttl: 60, loop_wait: 5 });
  });

  test('nothing is written when nothing changes', async () => {
    const rest = await configured();
    rest.overwrite(stored);
    expect((await rest.send('PATCH', { ttl: 30 })).status).toBe(200);
  });

  test('503 when there is nothing to change', async () => {
    expect((await (await configured(null)).send('PATCH', { ttl: 40 })).status).toBe(503);
  });

  test('__proto__ is a key like any other', async () => {
    const rest = await configured();
    expect((await rest.send('PATCH', '{"__proto__":{"polluted":true}}')).status).toBe(200);
    expect(rest.stored()).toContain('"__proto__":{"polluted":true}');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('PUT', () => {
  test('replaces the whole, and creates it where there is none', async () => {
    const rest = await configured(null);
    expect((await rest.send('PUT', { ttl: 25 })).status).toBe(200);
    expect(rest.stored()).toBe('{"ttl":25}');
    rest.show();
    expect((await rest.send('PUT', { loop_wait: 5 })).body).toEqual({ loop_wait: 5 });
    expect(rest.stored()).toBe('{"loop_wait":5}');
  });

  test('409 when somebody else created it meanwhile', async () => {
    const rest = await configured(null);
    rest.overwrite('{"ttl":60}');
    expect((await rest.send('PUT', { ttl: 25 })).status).toBe(409);
    expect(rest.stored()).toBe('{"ttl":60}');
  });

  test('mends a document that cannot be read', async () => {
    const rest = await configured('{"ttl":');
    expect((await rest.send('PUT', { ttl: 25 })).status).toBe(200);
    expect(rest.stored()).toBe('{"ttl":25}');
  });
});

describe('who may write', () => {
  const credentials = { username: 'admin', password: 'sécret:with:colons' };
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

  test.each([
    ['nothing', undefined],
    ['another password', basic('admin:secret')],
    ['a longer one', basic('admin:sécret:with:colons!')],
    ['another scheme', basic('admin:sécret:with:colons').replace('Basic', 'Bearer')],
    ['no base64', 'Basic ???'],
  ])('%s: 401, nothing is written, and it is told', async (_what, authorization) => {
    const rest = await configured(stored, credentials);
    const reply = await rest.send('PATCH', { ttl: 40 }, authorization === undefined ? {} : { authorization });
    expect(reply.status).toBe(401);
    expect(reply.headers.get('www-authenticate')).toMatch(/^Basic/);
    expect(rest.stored()).toBe(stored);
    expect(rest.events.at(-1)).toMatchObject({ kind: 'rest_access_refused', path: '/config' });
  });

  test('the right ones write; reading needs none', async () => {
    const rest = await configured(stored, credentials);
    expect((await rest.get('/config')).status).toBe(200);
    const authorization = basic('admin:sécret:with:colons');
    expect((await rest.send('PATCH', { ttl: 40 }, { authorization })).status).toBe(200);
  });
});

test('503 when Consul cannot be asked, without what is secret in the reason', async () => {
  const { view } = consulWithConfig(stored);
  const consul = {
    transact: () => Promise.reject(new ConsulError('http://u:hunter2@10.0.0.1:8500 refused', null)),
  };
  const rest = await startRest({ config: { consul, key: configKey } });
  rest.server.show({ view: view(), plan: plan(view()) });
  const reply = await rest.get('/config', { method: 'PATCH', body: '{"ttl":40}' });
  expect(reply.status).toBe(503);
  expect(reply.text).toMatch(/10\.0\.0\.1/);
  expect(reply.text).not.toMatch(/hunter2/);
});
