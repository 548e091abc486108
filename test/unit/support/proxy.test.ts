import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { Proxy } from '../../support/proxy.ts';

let server: Server;
let proxy: Proxy;
let serverSide: Set<Socket>;

beforeEach(async () => {
  serverSide = new Set();
  // says back whatever it hears
  server = createServer((socket) => {
    serverSide.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => serverSide.delete(socket));
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy = await Proxy.to({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
});

afterEach(async () => {
  await proxy.close();
  for (const socket of serverSide) socket.destroy();
  server.close();
});

async function dial(): Promise<{ socket: Socket; heard: () => string; failed: () => string | undefined }> {
  const socket = connect(proxy.address);
  let heard = '';
  let failed: string | undefined;
  socket.setEncoding('utf8').on('data', (text: string) => (heard += text));
  socket.on('error', (error: NodeJS.ErrnoException) => (failed = error.code));
  await once(socket, 'connect');
  return { socket, heard: () => heard, failed: () => failed };
}

test('passes on what is said, in both directions', async () => {
  const { socket, heard } = await dial();
  socket.write('hello');
  await eventually(() => heard() === 'hello', { what: 'the echo' });
  socket.end();
  await eventually(() => socket.destroyed, { what: 'the end to come back' });
  await eventually(() => proxy.connections === 0, { what: 'the connection to be forgotten' });
});

test('a delay holds back each direction, in order', async () => {
  const { socket, heard } = await dial();
  proxy.delay(60);
  const startedAt = performance.now();
  socket.write('one ');
  socket.write('two');
  await eventually(() => heard() === 'one two', { what: 'the echo', intervalMs: 1 });
  expect(performance.now() - startedAt).toBeGreaterThan(115);
});

test('a black hole takes everything and gives nothing, until it heals', async () => {
  const { socket, heard, failed } = await dial();
  proxy.blackHole();
  socket.write('before');
  const late = await dial();
  late.socket.write('late');
  // long enough for an echo that got through
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect([heard(), late.heard(), failed()]).toEqual(['', '', undefined]);
  await proxy.heal();
  await eventually(() => heard() === 'before' && late.heard() === 'late', { what: 'what was held back' });
});

test('a black hole in one direction lets the server hear what the client gets no answer to', async () => {
  const { socket, heard } = await dial();
  proxy.blackHole('to client');
  socket.write('x');
  await eventually(() => [...serverSide].some(({ bytesRead }) => bytesRead === 1), { what: 'the server to hear' });
  expect(heard()).toBe('');
});

test('a cut resets what is there and lets new connections in', async () => {
  const { failed } = await dial();
  proxy.cut();
  await eventually(() => failed() === 'ECONNRESET', { what: 'the reset' });
  await eventually(() => serverSide.size === 0, { what: 'the server to notice' });
  const { socket, heard } = await dial();
  socket.write('again');
  await eventually(() => heard() === 'again', { what: 'the echo' });
});

test('refuses, and takes connections on the same port again when it is healed', async () => {
  const { failed } = await dial();
  await proxy.refuse();
  await eventually(() => failed() === 'ECONNRESET', { what: 'the reset' });
  await expect(dial()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await proxy.heal();
  const { socket, heard } = await dial();
  socket.write('back');
  await eventually(() => heard() === 'back', { what: 'the echo' });
});

test('a server that is gone looks like a reset', async () => {
  server.close();
  const { failed } = await dial();
  await eventually(() => failed() === 'ECONNRESET', { what: 'the reset' });
});
