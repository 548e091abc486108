import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ConsulClient } from '../../../src/consul/client.ts';
import { memberKey } from '../../../src/consul/keys.ts';
import { createLifeline } from '../../../src/lifeline/lifeline.ts';
import type { ConsulAccess } from '../../../src/lifeline/message.ts';
import { releaseBy } from '../../../src/lifeline/release.ts';
import { startConsul, type ConsulAgent } from '../../../src/sandbox/consul-server.ts';
import { findConsul } from '../../../src/sandbox/locate.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { compiled } from '../../sim/compiled.ts';
import { eventually } from '../../support/eventually.ts';
import { systemClock } from '../../support/system-clock.ts';
import { clientOf } from '../consul/fixtures.ts';
import { keysLeft, orderOf, takeLead, takeOver } from './scene.ts';

let sandbox: Sandbox;
let consul: ConsulAgent;
let client: ConsulClient;
let access: ConsulAccess;

beforeAll(async () => {
  sandbox = await Sandbox.open();
  consul = await startConsul(sandbox, { consul: await findConsul(), acl: true, tls: true });
  client = clientOf(consul.address, { token: consul.token ?? null });
  access = {
    ...consul.httpsAddress!,
    scheme: 'https',
    token: consul.token ?? null,
    tokenFile: null,
    dc: 'dc1',
    verify: true,
    cacert: consul.caFile ?? null,
    cert: null,
    key: null,
  };
});
afterAll(async () => {
  client.close();
  await sandbox.close();
});

test('through TLS and with a token: no lock delay follows', async () => {
  const lead = await takeLead(client);
  const release = await releaseBy(access);
  expect(await release({ key: lead.keys.leader, session: lead.session, index: lead.term })).toBe('released');
  expect(await release({ key: memberKey(lead.keys, 'one'), session: lead.session, index: null })).toBe('released');
  expect(await keysLeft(client, lead)).toEqual([]);
  const startedAtMs = performance.now();
  await takeOver(client, lead);
  expect(performance.now() - startedAtMs).toBeLessThan(5_000);
});

test('never of another term, nor of another session', async () => {
  const lead = await takeLead(client);
  const release = await releaseBy(access);
  const { leader } = lead.keys;
  expect(await release({ key: leader, session: lead.session, index: lead.term - 1 })).toBe('not_ours');
  const other = '00000000-0000-4000-8000-000000000000';
  expect(await release({ key: leader, session: other, index: lead.term })).toBe('not_ours');
  expect(await keysLeft(client, lead)).toContain('leader');
});

test('by the token that its agent has by then', async () => {
  const lead = await takeLead(client);
  const program = await compiled(fileURLToPath(new URL('../../../src/lifeline/main.ts', import.meta.url)));
  const said: string[] = [];
  let token: string | null = 'canary-token';
  const lifeline = createLifeline(
    {
      ...orderOf(sandbox.folder, lead),
      consul: {
        ...access,
        get token() {
          return token;
        },
      },
      clock: systemClock,
      report: (text) => said.push(text),
    },
    program.entry,
  );
  try {
    const deadlineMs = systemClock.monotonicMs() + 60_000;
    await lifeline.guard({ kind: 'leader', term: lead.term, session: lead.session, deadlineMs });
    token = access.token;
    await lifeline.guard({ kind: 'leader', term: lead.term, session: lead.session, deadlineMs });
    // No server runs there: once its agent is gone, the key is due.
    await lifeline.close();
    await eventually(async () => (await keysLeft(client, lead)).length === 0, { what: 'the keys to be given back' });
    expect(said).toEqual([]);
  } finally {
    await program.remove();
  }
});

test('whatever keeps it from that is an error, without the token in it', async () => {
  const lead = await takeLead(client);
  const held = { key: lead.keys.leader, session: lead.session, index: lead.term };
  const message = async (changed: Partial<ConsulAccess>): Promise<string> => {
    const release = await releaseBy({ ...access, ...changed });
    return release(held).then(String, String);
  };
  expect(await message({ cacert: null })).toMatch(/certificate/);
  expect(await message({ port: 1 })).toMatch(/ECONNREFUSED/);
  const wrongToken = 'canary-token';
  const denied = await message({ token: wrongToken });
  expect(denied).toMatch(/Consul answered 40[39]/);
  expect(denied).not.toContain(wrongToken);
  await expect(releaseBy({ ...access, cacert: '/nonexistent' })).rejects.toThrow(/ENOENT/);
});
