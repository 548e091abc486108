import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { ListenError } from '../../../src/report/rest.ts';
import { mostBodyBytes } from '../../../src/report/rest/body.ts';
import { startRest, type RestUnderTest } from '../../support/rest.ts';
import { aTurn } from '../../support/turns.ts';

async function started(): Promise<RestUnderTest> {
  const rest = await startRest();
  rest.server.show(aTurn('alpha'));
  return rest;
}

async function dial(rest: RestUnderTest): Promise<Socket> {
  const { hostname, port } = new URL(rest.url);
  const socket = connect(Number(port), hostname);
  // The server may cut a connection while it is being written to.
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Sends raw bytes and resolves to everything that comes back until the server closes. */
async function raw(rest: RestUnderTest, bytes: string): Promise<string> {
  const socket = await dial(rest);
  let received = '';
  socket.setEncoding('latin1').on('data', (part: string) => (received += part));
  socket.write(bytes);
  await once(socket, 'close');
  return received;
}

async function expectAlive(rest: RestUnderTest): Promise<void> {
  expect((await rest.get('/primary')).status).toBe(200);
  expect(rest.events.filter(({ kind }) => kind === 'rest_request_failed')).toEqual([]);
}

test.each([
  ['no HTTP', 'hello\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['an unknown method token', 'BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['endless headers', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(40_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
  ['a wrong length', 'PATCH /config HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n', /^HTTP\/1\.1 400 /],
  [
    'two lengths',
    'PATCH /config HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}',
    /^HTTP\/1\.1 400 /,
  ],
  ['a target without a path', 'GET // HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', /^HTTP\/1\.1 404 /],
  ['half a percent sign', 'GET /%E0%A4%A HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', /^HTTP\/1\.1 404 /],
  [
    'odd queries',
    'GET /replica?%&=&lag=%ff&tag_=&x=%00 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    /^HTTP\/1\.1 503 /,
  ],
  ['no body at all', 'PATCH /config HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', /^HTTP\/1\.1 411 /],
])('%s', async (_what, bytes, answer) => {
  const rest = await started();
  expect(await raw(rest, bytes)).toMatch(answer);
  await expectAlive(rest);
});

test('a header cannot be injected through the path', async () => {
  const rest = await started();
  const reply = await raw(
    rest,
    'GET /%0d%0aX-Evil:%201?a=%0d%0aX-Evil:%201 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  );
  expect(reply).toMatch(/^HTTP\/1\.1 404 /);
  expect(reply).not.toMatch(/x-evil/i);
});

test.each([
  ['not JSON', '{"ttl":', 400],
  ['a list', '[]', 400],
  ['a number', '3', 400],
  ['null', 'null', 400],
  ['nothing', '', 400],
  ['bytes that are not UTF-8', Buffer.from([0xff, 0xfe, 0x7b]), 400],
  ['deeper than any configuration', `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`, 400],
])('a body that is %s', async (_what, body, status) => {
  const rest = await started();
  expect((await rest.get('/config', { method: 'PUT', body })).status).toBe(status);
  await expectAlive(rest);
});

test('a body that is too large is refused by its length, before it is read', async () => {
  const rest = await started();
  const head = `PUT /config HTTP/1.1\r\nHost: a\r\nContent-Length: ${mostBodyBytes + 1}\r\n\r\n`;
  expect(await raw(rest, head)).toMatch(/^HTTP\/1\.1 413 [^]*\r\nConnection: close\r\n/);
  await expectAlive(rest);
});

test('a body without a length is refused as soon as it is too large', async () => {
  const rest = await started();
  const chunk = 'a'.repeat(65_536);
  const head = 'PUT /config HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
  const chunks = `10000\r\n${chunk}\r\n`.repeat(9);
  expect(await raw(rest, head + chunks)).toMatch(/^HTTP\/1\.1 413 [^]*\r\nConnection: close\r\n/);
  await expectAlive(rest);
});

test('a client that sends its headers slowly is cut off', async () => {
  const rest = await started();
  expect(await raw(rest, 'GET /primary HTTP/1.1\r\nHost: a\r\nX-Slow: ')).toMatch(/^HTTP\/1\.1 408 /);
  await expectAlive(rest);
});

test('a client that goes away in the middle of a body disturbs nobody', async () => {
  const rest = await started();
  const socket = await dial(rest);
  socket.write('PUT /config HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"ttl"');
  await rest.get('/primary');
  socket.resetAndDestroy();
  await once(socket, 'close');
  await expectAlive(rest);
});

test.each([
  ['HEAD', '/primary', 200],
  ['HEAD', '/replica', 503],
  ['OPTIONS', '/primary', 200],
  ['OPTIONS', '/replica', 503],
  ['HEAD', '/metrics', 200],
  ['POST', '/primary', 405],
  ['DELETE', '/config', 405],
  ['PUT', '/cluster', 405],
  ['PROPFIND', '/primary', 501],
  ['POST', '/switchover', 501],
  ['POST', '/nowhere', 404],
  ['GET', '/nowhere', 404],
  ['GET', '/constructor', 404],
])('%s %s → %i', async (method, path, status) => {
  const rest = await started();
  const reply = await rest.get(path, { method });
  expect(reply.status).toBe(status);
  if (method === 'HEAD' || method === 'OPTIONS') expect(reply.text).toBe('');
  if (status === 405) expect(reply.headers.get('allow')).toMatch(/^GET, HEAD, OPTIONS/);
});

test('a connection is used again for further requests', async () => {
  const rest = await started();
  const socket = await dial(rest);
  let received = '';
  socket.setEncoding('latin1').on('data', (part: string) => (received += part));
  const request = 'GET /liveness HTTP/1.1\r\nHost: a\r\n\r\n';
  socket.write(request + request + request.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
  await once(socket, 'close');
  expect(received.match(/HTTP\/1\.1 200 /g)).toHaveLength(3);
});

test('an address in use is told in words that help', async () => {
  const { url } = await started();
  const { hostname: host, port } = new URL(url);
  const second = startRest({ listen: { host, port: Number(port) } });
  await expect(second).rejects.toThrow(ListenError);
  await expect(second).rejects.toThrow(new RegExp(`cannot listen on ${host}:${port}: something else listens there`));
});

test('closing does not wait for clients that keep their connection open', async () => {
  const rest = await started();
  const socket = await dial(rest);
  socket.write('GET /liveness HTTP/1.1\r\nHost: a\r\n\r\n');
  await once(socket, 'data');
  const closed = once(socket, 'close');
  await rest.server.close();
  await closed;
});
