import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { BinaryNotFound } from '../../../src/sandbox/binaries.ts';
import { cached, cacheFolder } from '../../../src/sandbox/cache.ts';
import { fetchConsulRelease } from '../../../src/sandbox/fetch-consul.ts';
import { findConsul, findPostgres } from '../../../src/sandbox/locate.ts';
import { readZipEntry } from '../../../src/sandbox/zip.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sk-unit-'));
  vi.stubEnv('SLOTKEEPER_CACHE', join(folder, 'cache'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

const program = '#!/bin/sh\necho "Consul v9.8.7"\n';

/** As `zip` writes it: entries with their local headers, then the directory, then its end. */
function zipOf(files: Readonly<Record<string, string>>): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const packed = deflateRawSync(text);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    local.writeUInt16LE(4, 28);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(8, 10);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(offset, 42);
    const whole = Buffer.concat([local, Buffer.from(name), Buffer.alloc(4), packed]);
    locals.push(whole);
    directory.push(entry, Buffer.from(name));
    offset += whole.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, ...directory, end]);
}

test('a file comes out of a zip archive as it went in', () => {
  const archive = zipOf({ 'LICENSE.txt': 'free', consul: program });
  expect(readZipEntry(archive, 'consul').toString()).toBe(program);
  expect(() => readZipEntry(archive, 'nomad')).toThrow('no nomad');
  expect(() => readZipEntry(Buffer.from('<html>'), 'consul')).toThrow('not a zip archive');
});

describe('the official release', () => {
  let site: Server;
  let pages: Record<string, Buffer | string>;

  beforeEach(async () => {
    pages = {};
    site = createServer((request, response) => {
      const page = pages[request.url ?? ''];
      response.statusCode = page === undefined ? 404 : 200;
      response.end(page);
    });
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
    vi.stubEnv('CONSUL_VERSION', '9.8.7');
    vi.stubEnv('CONSUL_RELEASES_URL', `http://127.0.0.1:${(site.address() as AddressInfo).port}/consul/`);
  });
  afterEach(() => site.close());

  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const archive = `consul_9.8.7_${process.platform}_${architecture}.zip`;

  function publish(zip: Buffer, checksum = createHash('sha256').update(zip).digest('hex')): void {
    pages[`/consul/9.8.7/${archive}`] = zip;
    pages['/consul/9.8.7/consul_9.8.7_SHA256SUMS'] = `${'0'.repeat(64)}  other.zip\n${checksum}  ${archive}\n`;
  }

  test('is unpacked into the cache, once', async () => {
    publish(zipOf({ consul: program }));
    const said: string[] = [];
    const file = await fetchConsulRelease((line) => said.push(line));
    expect(file).toBe(join(cacheFolder(), 'consul-9.8.7', 'consul'));
    expect(await readFile(file, 'utf8')).toBe(program);
    pages = {};
    expect(await fetchConsulRelease((line) => said.push(line))).toBe(file);
    expect(said).toHaveLength(1);
  });

  test('is refused when its checksum is another, and leaves nothing in the cache', async () => {
    publish(zipOf({ consul: program }), 'f'.repeat(64));
    await expect(fetchConsulRelease(() => undefined)).rejects.toThrow(
      /has checksum [0-9a-f]{64}, the published one is f/,
    );
    expect(await readdir(cacheFolder())).toEqual([]);
  });

  test('is not there: the answer says so', async () => {
    await expect(fetchConsulRelease(() => undefined)).rejects.toThrow('HTTP 404');
  });
});

describe('the cache', () => {
  test('two callers at the same time get one whole folder', async () => {
    const fill = async (draft: string): Promise<void> => writeFile(join(draft, 'file'), 'whole');
    const [one, other] = await Promise.all([cached('thing', fill), cached('thing', fill)]);
    expect(one).toBe(other);
    expect(await readdir(cacheFolder())).toEqual(['thing']);
  });

  test('what failed to be fetched is not there', async () => {
    await expect(cached('thing', () => Promise.reject(new Error('no network')))).rejects.toThrow('no network');
    expect(await readdir(cacheFolder())).toEqual([]);
  });
});

describe('with nothing on the machine and no network', () => {
  beforeEach(() => {
    vi.stubEnv('PATH', join(folder, 'empty'));
    // the discard port: nobody listens
    vi.stubEnv('CONSUL_RELEASES_URL', 'http://127.0.0.1:9/consul');
  });

  test('a named binary that is not there is not replaced by another', async () => {
    vi.stubEnv('CONSUL_BIN', join(folder, 'consul'));
    const error: unknown = await findConsul().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BinaryNotFound);
    expect((error as BinaryNotFound).attempts.map(({ place }) => place)).toEqual(['CONSUL_BIN']);
  });

  test('a folder named for one major is not replaced by another', async () => {
    vi.stubEnv('PG_BIN_DIR_99', folder);
    const error: unknown = await findPostgres(99).catch((reason: unknown) => reason);
    expect((error as BinaryNotFound).attempts.map(({ place }) => place)).toEqual(['PG_BIN_DIR_99']);
  });

  test('the error says for PostgreSQL which places were tried, why each failed, and what to do', async () => {
    vi.stubEnv('PG_BIN_DIR', folder);
    const error: unknown = await findPostgres(99).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BinaryNotFound);
    const { message } = error as BinaryNotFound;
    expect(message).toContain(`${folder} has no initdb, no pg_ctl, no postgres`);
    expect(message).toMatch(/npm {2,}npm view .*ENOENT/);
    expect(message).toContain('Set PG_BIN_DIR_99 to the folder that holds initdb, pg_ctl and postgres.');
  });
});
