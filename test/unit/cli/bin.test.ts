import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slotkeeper-test-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the program with nothing in its environment but what is given. */
function slotkeeper(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', 'src/bin.ts', ...words], {
      cwd: root,
      env: { PATH: process.env['PATH'], HOME: folder, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

/** A port that nobody listens on: reserved, and never given out. */
const nobody = '127.0.0.1:1';

describe('slotkeeper', { timeout: 30_000 }, () => {
  it.each([
    [['--help'], 'slotkeeper edit-config'],
    [['slots', '--help'], 'slotkeeper slots --history'],
    [['doctor', '--help'], 'slotkeeper doctor /etc/slotkeeper.yml'],
    [['edit-config', '--help'], 'slots.orders.plugin=pgoutput'],
  ])('teaches: %j', async (words, taught) => {
    const { code, out } = await slotkeeper(words);
    expect(code).toBe(0);
    expect(out.replaceAll(/\s+/g, ' ')).toContain(taught);
  });

  it.each([
    [[], 'no command was given'],
    [['lisst'], 'Did you mean list?'],
    [['list', '--jsn'], 'Unknown argument'],
    [['agent'], 'Not enough non-option arguments'],
    [['list', '--scope'], 'scope'],
  ])('ends with 2 for a wrong command line: %j', async (words, message) => {
    const { code, out, err } = await slotkeeper(words);
    expect(err).toContain(message);
    expect(code).toBe(2);
    expect(out + err).not.toMatch(/\n\s+at /);
  });

  it.each(['agent', 'plan', 'doctor'])(
    '%s ends with 3 for a wrong configuration and lists all of it',
    async (command) => {
      const path = await file(
        'bad.yml',
        'scope: a/b\nconsul: {token: [HUSH]}\npostgresql: {listen: HUSH2@}\nlogg: {}\n',
      );
      const { code, out, err } = await slotkeeper([command, path]);
      expect(code).toBe(3);
      expect(err).toContain(`slotkeeper: 6 mistakes in ${path}\n`);
      expect(err.match(/^ {2}- /gm)).toHaveLength(6);
      expect(err).toContain('consul.token (line 2) is ***');
      expect(out + err).not.toContain('HUSH]');
      expect(out + err).not.toMatch(/\n\s+at /);
    },
  );

  it.each([
    [['--ha', 'lead'], 3, 'ha (--ha) is "lead"; allowed: manage, observe'],
    [['--ha=lead'], 3, 'ha (--ha) is "lead"; allowed: manage, observe'],
    [['--ha'], 2, 'Not enough arguments following: ha'],
  ])('agent says what is wrong with %j', async (words, wanted, message) => {
    const path = await file('good.yml', 'scope: a\nname: b\nconsul: {}\npostgresql: {data_dir: /nowhere}\n');
    const { code, err } = await slotkeeper(['agent', path, ...words]);
    expect(err).toContain(message);
    expect(code).toBe(wanted);
  });

  it('ends with 3 when it is not clear which cluster is meant', async () => {
    const { code, err } = await slotkeeper(['list']);
    expect(code).toBe(3);
    expect(err).toContain('scope is missing');
    const missing = await slotkeeper(['list'], { PATRONICTL_CONFIG_FILE: join(folder, 'absent.yml') });
    expect(missing.code).toBe(3);
    expect(missing.err).toContain('the file cannot be read');
  });

  it.each(['list', 'slots', 'history', 'show-config', 'edit-config'])(
    '%s ends with 4 without Consul',
    async (command) => {
      const { code, out, err } = await slotkeeper([command, '--scope', 'main', '--consul', nobody], {
        CONSUL_HTTP_TOKEN: 'HUSH',
      });
      expect(err).toMatch(/^slotkeeper: [^\n]*ECONNREFUSED[^\n]*\n$/);
      expect(code).toBe(4);
      expect(out + err).not.toContain('HUSH');
    },
  );

  it('finds Consul and the scope in a configuration file, which the command line overrules', async () => {
    const config = await file('patronictl.yaml', `scope: main\nconsul: {host: "${nobody}"}\nctl: {insecure: true}\n`);
    expect((await slotkeeper(['list', '-c', config])).code).toBe(4);
    expect((await slotkeeper(['list'], { PATRONICTL_CONFIG_FILE: config })).code).toBe(4);
    const overruled = await slotkeeper(['list', '-c', config, '--scope', 'a/b', '--consul', 'x:y']);
    expect(overruled.code).toBe(3);
    expect(overruled.err).toContain('scope (--scope) is "a/b"');
    expect(overruled.err).toContain('consul.url (--consul) is "x:y"');
  });

  it('shows where an error arose only when asked', async () => {
    const { err } = await slotkeeper(['list', '--scope', 'main', '--consul', nobody, '--debug']);
    expect(err).toMatch(/\n\s+at /);
  });
});
