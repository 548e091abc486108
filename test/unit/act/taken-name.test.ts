import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { refuseTakenName, TakenNameError } from '../../../src/act/taken-name.ts';
import { encodeMember } from '../../../src/consul/codec/member.ts';
import { memberKey, scopeKeys } from '../../../src/consul/keys.ts';
import type { ConsulPort, KvEntry } from '../../../src/consul/port.ts';
import type { Member } from '../../../src/domain/cluster.ts';
import { systemClock } from '../../../src/ports.ts';
import { aMember, aSelf } from '../../support/turns.ts';

const keys = scopeKeys('service', 'main');
const self = aSelf('alpha');
let listener: Server;
let apiUrl: string;

beforeEach(async () => {
  listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  apiUrl = `https://127.0.0.1:${(listener.address() as AddressInfo).port}/patroni`;
});
afterEach(async () => {
  if (listener.listening) await new Promise((resolve) => listener.close(resolve));
});

/** What becomes of a start while the key of our name says this. */
async function starting(over: Partial<Member>, entry: Partial<KvEntry> = {}): Promise<void> {
  const key = memberKey(keys, self.name);
  const value = encodeMember(aMember('alpha', { connUrl: 'postgres://elsewhere:5432/postgres', apiUrl, ...over }));
  const readPrefix: ConsulPort['readPrefix'] = () =>
    Promise.resolve({
      index: 1,
      entries: [{ key, value, createIndex: 1, modifyIndex: 1, session: 's', ...entry }],
    });
  await refuseTakenName(self, keys, { consul: { readPrefix }, clock: systemClock });
}

test('a name under which another agent answers is taken', async () => {
  await expect(starting({})).rejects.toThrow(TakenNameError);
  await expect(starting({})).rejects.toThrow(`'alpha'`);
});

test('what an earlier run for this very server has left is no reason not to start', async () => {
  await starting({ connUrl: self.connUrl });
  await starting({}, { session: null });
});

test('nor is an agent that nobody reaches, or a key of another member', async () => {
  await starting({}, { key: `${memberKey(keys, self.name)}2` });
  await starting({ apiUrl: 'not a url' });
  await new Promise((resolve) => listener.close(resolve));
  await starting({});
});

test('nor a Consul that does not answer', async () => {
  const readPrefix = () => Promise.reject(new Error('connection refused'));
  await refuseTakenName(self, keys, { consul: { readPrefix }, clock: systemClock });
});
