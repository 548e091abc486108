import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { memberKey, scopeKeys } from '../../../src/consul/keys.ts';
import type { ConsulClient } from '../../../src/consul/client.ts';
import { startConsul, type ConsulAgent } from '../../../src/sandbox/consul-server.ts';
import { findConsul } from '../../../src/sandbox/locate.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { run } from '../../../src/sandbox/run.ts';
import { clientOf, never, sessionSpec } from './fixtures.ts';

/** The scope that consul/policy.hcl is written for. */
const keys = scopeKeys('service', 'demo');
const policyFile = new URL('../../../consul/policy.hcl', import.meta.url);

let sandbox: Sandbox;
let server: ConsulAgent;
let folder: string;

beforeAll(async () => {
  sandbox = await Sandbox.open();
  folder = await sandbox.makeFolder('tokens');
  server = await startConsul(sandbox, { consul: await findConsul(), mode: 'dev', acl: true, tls: true });
  const policy = { Name: 'slotkeeper-demo', Rules: await readFile(policyFile, 'utf8') };
  await server.request('PUT', '/v1/acl/policy', JSON.stringify(policy));
}, 120_000);

afterAll(() => sandbox.close());

interface Token {
  readonly AccessorID: string;
  readonly SecretID: string;
}

async function newToken(): Promise<Token> {
  const body = JSON.stringify({ Policies: [{ Name: 'slotkeeper-demo' }] });
  return JSON.parse(await server.request('PUT', '/v1/acl/token', body)) as Token;
}

/** Everything that an agent asks of Consul, once. */
async function everything(client: ConsulClient): Promise<void> {
  const session = await client.createSession(sessionSpec({ nodeChecks: ['serfHealth'] }), never);
  expect(await client.renewSession(session, never)).toBe('renewed');
  const lock = (key: string) => client.transact([{ verb: 'lock', key, value: 'a', session }], never);
  expect(await lock(keys.leader)).toMatchObject({ kind: 'done' });
  expect(await lock(memberKey(keys, 'a'))).toMatchObject({ kind: 'done' });
  expect(await lock(keys.restartTurn)).toMatchObject({ kind: 'done' });
  const published = [keys.status, keys.optimeLeader, keys.history, keys.slotHistory, keys.config];
  const fenced = await client.transact(
    [
      { verb: 'check-session', key: keys.leader, session },
      ...published.map((key) => ({ verb: 'set' as const, key, value: '{}' })),
    ],
    never,
  );
  expect(fenced).toMatchObject({ kind: 'done' });
  const { entries } = await client.readPrefix(keys.prefix, { index: 0, waitMs: 0, signal: never });
  expect(entries).toHaveLength(8);
  const check = { kind: 'ttl' as const, id: 'demo/a:slots', name: 'slots', ttlSeconds: 60 };
  await client.registerService(
    { id: 'demo/a', name: 'demo', tags: ['primary'], address: null, port: 5432, checks: [check] },
    never,
  );
  expect(await client.updateTtlCheck(check.id, 'passing', 'all ready', never)).toBe('updated');
  expect(await client.updateTtlCheck('demo/none', 'passing', '', never)).toBe('unknown');
  await client.deregisterService('demo/a', never);
  await client.destroySession(session, never);
}

describe('the policy in consul/policy.hcl', () => {
  test('is enough for everything that an agent does', async () => {
    const client = clientOf(server.address, { token: (await newToken()).SecretID });
    await everything(client);
    client.close();
  });

  test('gives nothing beyond the scope: refused rights are errors, not "look again"', async () => {
    const client = clientOf(server.address, { token: (await newToken()).SecretID });
    const other = scopeKeys('service', 'other');
    await expect(client.transact([{ verb: 'set', key: other.leader, value: 'a' }], never)).rejects.toThrow(
      /cannot write to Consul: Consul answers 40[39] .*Permission denied/,
    );
    const service = { id: 'x', name: 'other', tags: [], address: null, port: 1, checks: [] };
    await expect(client.registerService(service, never)).rejects.toMatchObject({ statusCode: 403 });
    client.close();
  });
});

test('the agent configuration in consul/agent.hcl is one that Consul takes', async () => {
  const { file } = await findConsul();
  // On a machine with several private addresses Consul wants to be told which: that is the operator's to add.
  const address = join(folder, 'address.json');
  await writeFile(address, JSON.stringify({ bind_addr: '127.0.0.1' }));
  const example = fileURLToPath(new URL('../../../consul/agent.hcl', import.meta.url));
  expect(await run(file, ['validate', example, address])).toMatch(/Configuration is valid/);
});

describe('a token in a file', () => {
  const reading = (client: ConsulClient) => client.readPrefix(keys.prefix, { index: 0, waitMs: 0, signal: never });

  test('that is rotated is used from the next request on', async () => {
    const file = join(folder, 'rotated');
    const [first, second] = [await newToken(), await newToken()];
    await writeFile(file, `${first.SecretID}\n`);
    const client = clientOf(server.address, { tokenFile: file });
    await everything(client);
    await server.request('DELETE', `/v1/acl/token/${first.AccessorID}`);
    await expect(reading(client)).rejects.toMatchObject({ statusCode: 403 });
    await expect(reading(client)).rejects.not.toThrow(first.SecretID);
    await writeFile(`${file}.new`, second.SecretID);
    await rename(`${file}.new`, file);
    await everything(client);
    client.close();
  });

  test('that is missing is an error which names the file, until it is there', async () => {
    const file = join(folder, 'late');
    const client = clientOf(server.address, { tokenFile: file });
    await expect(reading(client)).rejects.toThrow(`cannot read the Consul token file ${file}`);
    await writeFile(file, '');
    await expect(reading(client)).rejects.toThrow(/the file is empty/);
    await writeFile(file, (await newToken()).SecretID);
    await reading(client);
    client.close();
  });

  test('that goes away for a moment does not take the last token away', async () => {
    const file = join(folder, 'flaky');
    await writeFile(file, (await newToken()).SecretID);
    const client = clientOf(server.address, { tokenFile: file });
    await everything(client);
    await rm(file);
    await everything(client);
    await writeFile(file, '');
    await everything(client);
    client.close();
  });
});

describe('TLS', () => {
  test('trusts the authority that is configured, and nobody else', async () => {
    const address = server.httpsAddress ?? { host: '', port: 0 };
    const token = (await newToken()).SecretID;
    const trusting = clientOf(address, { scheme: 'https', token, cacert: server.caFile ?? null });
    await everything(trusting);
    trusting.close();
    const strict = clientOf(address, { scheme: 'https', token });
    await expect(everything(strict)).rejects.toThrow(/cannot create a session: .*certificate/);
    strict.close();
    const lax = clientOf(address, { scheme: 'https', token, verify: false });
    await everything(lax);
    lax.close();
  });

  test('a certificate file that is missing is named', () => {
    expect(() => clientOf({ host: 'x', port: 1 }, { scheme: 'https', cacert: '/none/ca.pem' })).toThrow(
      /\/none\/ca\.pem/,
    );
  });
});
