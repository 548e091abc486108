import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { cached } from './cache.ts';
import type { Progress } from './binaries.ts';
import { resolveCommand } from './server-user.ts';
import { CommandFailed, run } from './run.ts';
import { readZipEntry } from './zip.ts';

const officialReleases = 'https://releases.hashicorp.com/consul';
const defaultVersion = '1.21.5';

// A machine without a way out should come to the next source soon: a refused or unknown host fails at once, a silent
// firewall only by this.
const answerWithinMs = 5_000;
const downloadWithinMs = 180_000;

/** The official archive, checked against the list of checksums published beside it. Resolves to the binary. */
export async function fetchConsulRelease(progress: Progress): Promise<string> {
  const version = process.env['CONSUL_VERSION'] ?? defaultVersion;
  const base = (process.env['CONSUL_RELEASES_URL'] ?? officialReleases).replace(/\/+$/, '');
  const archive = `consul_${version}_${releasePlatform()}.zip`;
  const folder = await cached(`consul-${version}`, async (draft) => {
    progress(`fetching Consul ${version} from its release site`);
    const checksums = (await download(`${base}/${version}/consul_${version}_SHA256SUMS`, answerWithinMs)).toString();
    const expected = new RegExp(`^([0-9a-f]{64}) +${archive.replaceAll('.', '\\.')}$`, 'm').exec(checksums)?.[1];
    if (expected === undefined) throw new Error(`${archive} is not in the published list of checksums`);
    const zip = await download(`${base}/${version}/${archive}`, downloadWithinMs);
    const actual = createHash('sha256').update(zip).digest('hex');
    if (actual !== expected) throw new Error(`${archive} has checksum ${actual}, the published one is ${expected}`);
    await writeFile(join(draft, 'consul'), readZipEntry(zip, 'consul'), { mode: 0o755 });
  });
  return join(folder, 'consul');
}

function releasePlatform(): string {
  const architectures: Partial<Record<NodeJS.Architecture, string>> = { x64: 'amd64', arm64: 'arm64', ia32: '386' };
  const architecture = architectures[process.arch];
  if (architecture === undefined || (process.platform !== 'linux' && process.platform !== 'darwin')) {
    throw new Error(`no release for ${process.platform} on ${process.arch}`);
  }
  return `${process.platform}_${architecture}`;
}

async function download(url: string, withinMs: number): Promise<Buffer> {
  const signal = AbortSignal.timeout(withinMs);
  try {
    const response = await fetch(url, { signal });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  } catch (error) {
    // fetch hides what went wrong in `cause`
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new Error(`${url}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause: error });
  }
}

/** The package `consul` of the system's own package sources, where they have one (Ubuntu, HashiCorp's repository). */
export async function fetchConsulFromSystemSources(progress: Progress): Promise<string> {
  const folder = await cached('consul-apt', async (draft) => {
    const known = await run('apt-cache', ['show', '--no-all-versions', 'consul'], { timeoutMs: 30_000 }).catch(
      () => '',
    );
    if (known === '') throw new Error("this system's package sources have no package consul");
    progress("fetching Consul from this system's package sources");
    await run('apt-get', [...asRoot(), 'download', 'consul'], { cwd: draft });
    await unpackConsul(draft);
  });
  return join(folder, 'consul');
}

const suite = 'bullseye';

/**
 * Consul 1.8.7 as Debian 11 has it, later Debian having none: from the mirror that this system uses, by apt, which
 * verifies the signatures. Lists, cache and sources are private, so that nothing of the system's changes and no
 * privilege is needed.
 */
export async function fetchConsulFromDebian(progress: Progress): Promise<string> {
  const folder = await cached(`consul-${suite}`, async (draft) => {
    if (resolveCommand('apt-get') === undefined) throw new Error('no apt here');
    const mirrors = await debianMirrors();
    if (mirrors.length === 0) throw new Error("this system's package sources name no Debian mirror");
    const keyring = ['gpg', 'pgp']
      .map((ending) => `/usr/share/keyrings/debian-archive-keyring.${ending}`)
      .find((file) => existsSync(file));
    if (keyring === undefined) throw new Error('the package debian-archive-keyring is not installed');
    let reason: unknown;
    for (const mirror of mirrors) {
      progress(`fetching Consul 1.8.7 of Debian 11 from ${new URL(mirror).host}`);
      try {
        await fetchPackageOf(mirror, keyring, draft);
        return;
      } catch (error) {
        reason = error;
      }
    }
    throw reason;
  });
  return join(folder, 'consul');
}

async function fetchPackageOf(mirror: string, keyring: string, draft: string): Promise<void> {
  const apt = join(draft, 'apt');
  await rm(apt, { recursive: true, force: true });
  await mkdir(join(apt, 'lists', 'partial'), { recursive: true });
  await mkdir(join(apt, 'cache', 'archives', 'partial'), { recursive: true });
  const sources = join(apt, 'sources.list');
  await writeFile(sources, `deb [signed-by=${keyring}] ${mirror} ${suite} main\n`);
  const settings = [
    `Dir::Etc::sourcelist=${sources}`,
    'Dir::Etc::sourceparts=/dev/null',
    `Dir::State::lists=${join(apt, 'lists')}`,
    `Dir::Cache=${join(apt, 'cache')}`,
    'Acquire::Languages=none',
    'Acquire::Retries=1',
    'Acquire::http::Timeout=10',
    'Acquire::https::Timeout=10',
    // an index that cannot be had is an error, not a warning
    'APT::Update::Error-Mode=any',
  ].flatMap((setting) => ['-o', setting]);
  await run('apt-get', [...asRoot(), ...settings, 'update'], { cwd: draft });
  await run('apt-get', [...asRoot(), ...settings, 'download', 'consul'], { cwd: draft });
  await unpackConsul(draft);
  await rm(apt, { recursive: true, force: true });
}

/** As root, apt wants to drop to a user of its own, who cannot write where we fetch to. */
function asRoot(): string[] {
  return process.getuid?.() === 0 ? ['-o', 'APT::Sandbox::User=root'] : [];
}

/** A folder with one .deb in it: only its binary stays. */
async function unpackConsul(folder: string): Promise<void> {
  const deb = (await readdir(folder)).find((name) => name.endsWith('.deb'));
  if (deb === undefined) throw new Error('apt downloaded nothing');
  const unpacked = join(folder, 'unpacked');
  await run('dpkg-deb', ['-x', join(folder, deb), unpacked]);
  await copyFile(join(unpacked, 'usr', 'bin', 'consul'), join(folder, 'consul'));
  await chmod(join(folder, 'consul'), 0o755);
  await rm(unpacked, { recursive: true });
  await rm(join(folder, deb));
}

/** The mirrors in this system's sources, the likeliest first; security and third-party sources have no bullseye. */
async function debianMirrors(): Promise<string[]> {
  const listed = await run('apt-get', ['indextargets', '--format', '$(ORIGIN)|$(CODENAME)|$(REPO_URI)'])
    .then((text) => text.split('\n').map((line) => line.split('|')))
    .catch((error: unknown) => {
      if (error instanceof CommandFailed) return [];
      throw error;
    });
  const thisSystem = await codename();
  const fromLists = listed
    .filter(([origin]) => origin === 'Debian')
    .sort(([, a], [, b]) => Number(b === thisSystem) - Number(a === thisSystem))
    .map(([, , uri]) => uri);
  // apt lists only what `apt-get update` has fetched before, which in a fresh container is nothing
  const uris = fromLists.length > 0 ? fromLists : await urisInSources();
  const mirrors = uris
    .filter((uri) => uri !== undefined)
    .filter((uri) => /^https?:/.test(uri) && /\/debian\/?$/.test(uri))
    .map((uri) => uri.replace(/\/*$/, '/'));
  return [...new Set(mirrors)];
}

async function codename(): Promise<string | undefined> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^VERSION_CODENAME="?([^"\n]*)/m.exec(release)?.[1];
}

async function urisInSources(): Promise<string[]> {
  const parts = await readdir('/etc/apt/sources.list.d').catch(() => []);
  const files = ['/etc/apt/sources.list', ...parts.map((name) => `/etc/apt/sources.list.d/${name}`)];
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
  return texts
    .flatMap((text) => text.split('\n'))
    .filter((line) => /^\s*(deb\s|URIs:)/.test(line))
    .flatMap((line) => line.match(/https?:\S+/g) ?? []);
}
