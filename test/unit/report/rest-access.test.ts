import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RestTls } from '../../../src/config/sections/restapi.ts';
import { isAllowed } from '../../../src/report/rest/allowlist.ts';
import { CertificateError, loadTls } from '../../../src/report/rest/tls.ts';
import { askMember } from '../../../src/peer/member-rest.ts';
import { managedRest } from '../../support/managed-rest.ts';
import { openAccess, startRest } from '../../support/rest.ts';
import { aTurn } from '../../support/turns.ts';

describe('who may change something, by where the request comes from', () => {
  const from = (entries: readonly string[], address: string | undefined, members: readonly string[] | null = null) =>
    isAllowed({ entries, includeMembers: members !== null }, address, members ?? []);

  test.each<[string, readonly string[], string, boolean]>([
    ['no list', [], '203.0.113.9', true],
    ['an address', ['10.0.0.1'], '10.0.0.1', true],
    ['another address', ['10.0.0.1'], '10.0.0.2', false],
    ['a network', ['10.0.0.0/8'], '10.9.8.7', true],
    ['outside of it', ['10.0.0.0/8'], '11.0.0.1', false],
    ['IPv4 in IPv6', ['10.0.0.0/8'], '::ffff:10.9.8.7', true],
    ['IPv6', ['fd00::/8'], 'fd12::1', true],
    ['IPv6 outside', ['fd00::/8'], 'fe80::1', false],
    ['a name', ['localhost'], '127.0.0.1', true],
    ['a name of somebody else', ['localhost'], '10.0.0.1', false],
    ['a name that means nothing', ['no-such-host.invalid'], '10.0.0.1', false],
  ])('%s', async (_what, entries, address, allowed) => {
    expect(await from(entries, address)).toBe(allowed);
  });

  test('members, where they count', async () => {
    const members = ['http://10.0.0.5:8008/patroni', 'http://[fd00::5]:8008/patroni', 'nonsense'];
    expect(await from([], '10.0.0.5', members)).toBe(true);
    expect(await from([], 'fd00::5', members)).toBe(true);
    expect(await from([], '10.0.0.6', members)).toBe(false);
    expect(await from(['10.0.0.6'], '10.0.0.5')).toBe(false);
  });

  test('a client without an address is nobody', async () => {
    expect(await from(['10.0.0.1'], undefined)).toBe(false);
  });

  test('reading is for everybody', async () => {
    const rest = await startRest({
      access: { ...openAccess, allowlist: { entries: ['10.0.0.1'], includeMembers: true } },
    });
    rest.server.show(aTurn('alpha'));
    expect((await rest.get('/primary')).status).toBe(200);
    const reply = await rest.get('/config', { method: 'PATCH', body: '{}' });
    expect([reply.status, reply.body]).toEqual([403, { error: 'Access is denied' }]);
    expect(rest.events.at(-1)).toMatchObject({ kind: 'rest_access_refused', path: '/config' });
  });
});

test('commands need the credentials, too', async () => {
  const rest = await managedRest({ name: 'beta', credentials: { username: 'admin', password: 'secret' } });
  for (const [method, path] of [
    ['POST', '/switchover'],
    ['POST', '/failover'],
    ['DELETE', '/switchover'],
    ['POST', '/restart'],
    ['DELETE', '/restart'],
    ['POST', '/reload'],
    ['POST', '/reinitialize'],
    ['POST', '/failsafe'],
  ] as const) {
    expect([method, path, (await rest.send(method, path, '{"candidate":"beta"}')).status]).toEqual([method, path, 401]);
  }
  expect(rest.asked).toEqual([]);
  expect(rest.stored('failover')).toBeNull();
});

test('who may change something is what the file says by now', async () => {
  const rest = await startRest();
  rest.server.show(aTurn('alpha'));
  const credentials = { username: 'admin', password: 'new' };
  rest.server.adopt({ access: { ...openAccess, credentials }, extraHeaders: { 'X-New': 'yes' } }, null);
  const reply = await rest.get('/config', { method: 'PATCH', body: '{}' });
  expect([reply.status, reply.headers.get('x-new')]).toEqual([401, 'yes']);
  const headers = { Authorization: `Basic ${Buffer.from('admin:new').toString('base64')}` };
  expect((await rest.get('/config', { method: 'PATCH', body: '{}', headers })).status).not.toBe(401);
});

describe('HTTPS', () => {
  let folder = '';
  const at = (name: string): string => join(folder, name);

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'slotkeeper-tls-'));
    const openssl = (...words: readonly string[]): unknown =>
      execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' });
    openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      'ca.key',
      '-out',
      'ca.crt',
      '-subj',
      '/CN=test ca',
      '-days',
      '2',
    );
    for (const name of ['server', 'client']) {
      openssl(
        'req',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.csr`,
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=IP:127.0.0.1',
      );
      openssl(
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        '-CA',
        'ca.crt',
        '-CAkey',
        'ca.key',
        '-out',
        `${name}.crt`,
        '-days',
        '2',
        '-copy_extensions',
        'copy',
      );
    }
    openssl('rsa', '-in', 'server.key', '-aes128', '-passout', 'pass:hush', '-out', 'locked.key');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const files = (over: Partial<RestTls> = {}): RestTls => ({
    certFile: at('server.crt'),
    keyFile: at('server.key'),
    keyPassword: null,
    caFile: at('ca.crt'),
    verifyClient: 'none',
    ciphers: null,
    ...over,
  });

  async function started(over: Partial<RestTls> = {}) {
    const needsCertificate = over.verifyClient !== undefined && over.verifyClient !== 'none';
    const rest = await startRest({ tls: await loadTls(files(over)), access: { ...openAccess, needsCertificate } });
    rest.server.show(aTurn('alpha'));
    return rest;
  }

  function ask(url: string, method: string, withCertificate: boolean): Promise<number> {
    return new Promise((resolve, reject) => {
      const certificate = withCertificate
        ? { cert: readFileSync(at('client.crt')), key: readFileSync(at('client.key')) }
        : {};
      const sent = request(
        url,
        { method, agent: false, ca: readFileSync(at('ca.crt')), ...certificate },
        (response) => {
          response.resume();
          response.on('end', () => resolve(response.statusCode ?? 0));
        },
      );
      sent.on('error', reject);
      sent.end(method === 'PATCH' ? '{}' : undefined);
    });
  }

  test('answers, also with a key that has a password', async () => {
    const rest = await started({ keyFile: at('locked.key'), keyPassword: 'hush' });
    expect(rest.url).toMatch(/^https:/);
    expect(await ask(`${rest.url}/primary`, 'GET', false)).toBe(200);
  });

  test('a renewed certificate is shown to whoever connects from then on', async () => {
    const rest = await started();
    const nameShown = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const { port } = new URL(rest.url);
        const socket = connect({ host: '127.0.0.1', port: Number(port), ca: readFileSync(at('ca.crt')) }, () => {
          resolve(socket.getPeerCertificate().serialNumber);
          socket.destroy();
        });
        socket.on('error', reject);
      });
    const first = await nameShown();
    const renewed = await loadTls(files({ certFile: at('client.crt'), keyFile: at('client.key') }));
    rest.server.adopt({ access: openAccess, extraHeaders: {} }, renewed);
    expect(await nameShown()).not.toBe(first);
    expect(await ask(`${rest.url}/primary`, 'GET', false)).toBe(200);
  });

  test('optional: what changes something needs a certificate', async () => {
    const rest = await started({ verifyClient: 'optional' });
    expect(await ask(`${rest.url}/primary`, 'GET', false)).toBe(200);
    expect(await ask(`${rest.url}/config`, 'PATCH', false)).toBe(403);
    // Past the gate: there is no configuration in this Consul to change.
    expect(await ask(`${rest.url}/config`, 'PATCH', true)).not.toBe(403);
  });

  test('required: nobody is answered without one', async () => {
    const rest = await started({ verifyClient: 'required' });
    await expect(ask(`${rest.url}/primary`, 'GET', false)).rejects.toThrow();
    expect(await ask(`${rest.url}/primary`, 'GET', true)).toBe(200);
  });

  test('a command finds its way with cafile and its own certificate', async () => {
    const rest = await started({ verifyClient: 'required' });
    const own = { certFile: at('client.crt'), keyFile: at('client.key'), keyPassword: null };
    const access = { credentials: null, insecure: false, caFile: at('ca.crt'), ...own };
    const asked = { method: 'GET', path: '/primary', timeoutMs: 5_000 } as const;
    const { signal } = new AbortController();
    expect((await askMember(access, `${rest.url}/patroni`, asked, signal)).status).toBe(200);
    await expect(askMember({ ...access, caFile: null }, rest.url, asked, signal)).rejects.toThrow(/does not answer/);
    expect((await askMember({ ...access, caFile: null, insecure: true }, rest.url, asked, signal)).status).toBe(200);
  });

  test.each<[string, () => Partial<RestTls>, RegExp]>([
    ['a file that is not there', () => ({ certFile: at('none.crt') }), /restapi\.certfile cannot be read/],
    ['the key of another certificate', () => ({ keyFile: at('client.key') }), /do not fit/],
    ['a wrong password', () => ({ keyFile: at('locked.key'), keyPassword: 'loud' }), /do not fit/],
  ])('%s is told before anything listens', async (_what, over, why) => {
    const loading = loadTls(files(over()));
    await expect(loading).rejects.toThrow(CertificateError);
    await expect(loading).rejects.toThrow(why);
    await expect(loading).rejects.not.toThrow(/loud/);
  });
});
