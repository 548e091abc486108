import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import type { ConsulClient } from '../../../src/consul/client.ts';
import { ConsulError } from '../../../src/consul/port.ts';
import { clientOf, never, serve } from './fixtures.ts';

let rest: Server | undefined;
afterEach(() => {
  rest?.closeAllConnections();
  rest?.close();
});
const against = async (listener: RequestListener, requestTimeoutMs = 5_000): Promise<ConsulClient> => {
  rest = await serve(listener);
  return clientOf(
    { host: '127.0.0.1', port: (rest.address() as AddressInfo).port },
    { token: 'top-secret', requestTimeoutMs },
  );
};
const reading = (consul: ConsulClient) => consul.readPrefix('service/x/', { index: 0, waitMs: 0, signal: never });

test.each([
  [429, 'Your IP is issuing too many concurrent connections'],
  [500, 'No cluster leader'],
  [503, ''],
  [403, 'ACL not found'],
])('status %d is an error with that status and the words', async (status, words) => {
  const consul = await against((_, response) => response.writeHead(status).end(words));
  await expect(reading(consul)).rejects.toMatchObject({ name: 'ConsulError', statusCode: status });
  await expect(reading(consul)).rejects.toThrow(`cannot read the keys: Consul answers ${status} ${words}`.trim());
  await expect(consul.renewSession('s', never)).rejects.toMatchObject({ statusCode: status });
});

test.each([
  ['the page of a proxy', 200, {}, '<html>'],
  ['a 404 that is not from Consul', 404, {}, ''],
  ['JSON that is not a list', 200, { 'x-consul-index': '5', 'content-type': 'application/json' }, '{"a":1}'],
  ['half of a JSON', 200, { 'x-consul-index': '5', 'content-type': 'application/json' }, '[{"Key":"a"'],
  [
    'a list that the token may see only a part of',
    404,
    { 'x-consul-index': '5', 'x-consul-results-filtered-by-acls': 'true' },
    '',
  ],
])('%s is an error, never an empty cluster', async (_, status, headers, body) => {
  const consul = await against((__, response) => response.writeHead(status, headers).end(body));
  await expect(reading(consul)).rejects.toThrow(ConsulError);
});

test('a connection that is cut in the middle of an answer is an error at once', async () => {
  const consul = await against((_, response) => {
    response.writeHead(200, { 'x-consul-index': '5', 'content-length': '1000' });
    response.write('[', () => response.destroy());
  }, 60_000);
  await expect(reading(consul)).rejects.toThrow(/cut in the middle of the answer/);
});

test('a request that hangs ends with its time limit', async () => {
  const consul = await against(() => undefined, 100);
  await expect(reading(consul)).rejects.toThrow(/cannot read the keys: request timed out \(100ms\)/);
});

test('nobody there is an error in words', async () => {
  const gone = await serve(() => undefined);
  const { port } = gone.address() as AddressInfo;
  await new Promise((resolve) => gone.close(resolve));
  const consul = clientOf({ host: '127.0.0.1', port });
  await expect(reading(consul)).rejects.toMatchObject({ statusCode: null });
  await expect(reading(consul)).rejects.toThrow(/cannot read the keys: .*ECONNREFUSED/);
});

test('the token is sent, and is in no error', async () => {
  let sent: unknown;
  const consul = await against((request, response) => {
    sent = request.headers['x-consul-token'];
    response.writeHead(500).end(`bad token ${String(sent)}`);
  });
  const error: unknown = await reading(consul).catch((thrown: unknown) => thrown);
  expect(sent).toBe('top-secret');
  expect(error).toBeInstanceOf(ConsulError);
  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('top-secret');
  expect((error as Error).message).toContain('bad token <token>');
});
