import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

/** The rules of `src/README.md` on who may import whom, held against the files themselves. */
const root = path.resolve(import.meta.dirname, '../..');

interface SourceFile {
  /** From the repository's root, with slashes. */
  readonly name: string;
  readonly text: string;
  readonly imports: readonly string[];
}

function filesBelow(folder: string): readonly SourceFile[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map((name) => {
      const from = path.posix.join(folder, name.split(path.sep).join('/'));
      const text = readFileSync(path.join(root, from), 'utf8');
      const imports = ts
        .preProcessFile(text)
        .importedFiles.map(({ fileName }) =>
          fileName.startsWith('.') ? path.posix.join(path.posix.dirname(from), fileName) : fileName,
        );
      return { name: from, text, imports };
    });
}

const source = filesBelow('src');
const byName = new Map(source.map((file) => [file.name, file]));
/** `src/plan/copy.ts` is of `plan`, `src/agent.ts` of `agent.ts`. */
const folderOf = (name: string): string => name.split('/')[1] ?? name;
const inFolders = (...folders: readonly string[]) => source.filter(({ name }) => folders.includes(folderOf(name)));
const packagesOf = (file: SourceFile): readonly string[] => file.imports.filter((name) => !name.startsWith('src/'));
const withoutComments = (text: string): string => text.replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, '');

/** What each folder may import from `src`, besides itself. Files of `src` itself are named one by one. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  base: [],
  domain: ['base'],
  view: ['base', 'domain'],
  plan: ['base', 'domain', 'view'],
  rx: ['base'],
  consul: ['base', 'domain'],
  postgres: ['base', 'domain'],
  lifeline: ['base', 'domain', 'consul', 'postgres'],
  peer: ['base', 'domain', 'consul', 'config'],
  config: ['base', 'domain', 'postgres'],
  watch: ['base', 'domain', 'view', 'consul', 'postgres'],
  act: ['base', 'domain', 'view', 'consul', 'postgres', 'peer', 'watch'],
  report: ['base', 'domain', 'view', 'plan', 'consul', 'config', 'peer'],
  'agent.ts': ['base', 'domain', 'view', 'plan', 'rx', 'consul', 'postgres', 'peer', 'watch', 'act'],
  'ports.ts': ['base', 'config', 'consul', 'postgres', 'peer', 'lifeline', 'agent.ts'],
  'reload.ts': ['base', 'domain', 'config', 'report'],
  'run.ts': ['base', 'domain', 'view', 'plan', 'config', 'act', 'report', 'agent.ts', 'ports.ts', 'reload.ts'],
  'dry-turn.ts': ['base', 'domain', 'view', 'plan', 'config', 'consul', 'postgres', 'watch', 'agent.ts', 'ports.ts'],
  sandbox: ['base', 'domain', 'config', 'consul'],
  demo: ['base', 'domain', 'config', 'consul', 'sandbox'],
  cli: [
    ...['base', 'domain', 'view', 'plan', 'config', 'consul', 'postgres', 'peer', 'report'],
    ...['demo', 'dry-turn.ts', 'run.ts'],
  ],
  'bin.ts': ['cli'],
};

describe('who imports whom', () => {
  test.each([...new Set(source.map(({ name }) => folderOf(name)))].sort())('%s', (folder) => {
    const allowed = [folder, ...(mayImport[folder] ?? [])];
    const wrong = inFolders(folder).flatMap(({ name, imports }) =>
      imports
        .filter((one) => one.startsWith('src/') && !allowed.includes(folderOf(one)))
        .map((one) => `${name} → ${one}`),
    );
    expect(mayImport).toHaveProperty([folder]);
    expect(wrong).toEqual([]);
  });

  test('the pure middle imports no package at all, but for a type of the clock', () => {
    const wrong = inFolders('base', 'domain', 'view', 'plan').flatMap((file) =>
      packagesOf(file).map((one) => `${file.name} → ${one}`),
    );
    expect(wrong).toEqual(['src/base/clock.ts → rxjs']);
    expect(byName.get('src/base/clock.ts')?.text).toContain("import type { SchedulerLike } from 'rxjs'");
  });
});

describe('who uses which package', () => {
  const users = (used: string): readonly string[] =>
    source
      .filter((file) => packagesOf(file).includes(used))
      .map(({ name }) => name)
      .sort();

  test('consul: one file', () => expect(users('consul')).toEqual(['src/consul/client.ts']));
  test('pino: one file', () => expect(users('pino')).toEqual(['src/report/log.ts']));
  test('pg: one file of the agent, and the servers of tests and demo', () => {
    const others = users('pg').filter((name) => !/^src\/(sandbox|demo)\//.test(name));
    expect(others).toEqual(['src/postgres/client.ts']);
  });
});

describe('time, chance and the end of the process', () => {
  const clocks =
    /\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\bperformance\b|\bset(Timeout|Interval|Immediate)\b|\bprocess\b/;

  test('nothing in the pure middle reads a clock, rolls dice or knows the process', () => {
    const wrong = inFolders('base', 'domain', 'view', 'plan').filter(({ text }) => clocks.test(withoutComments(text)));
    expect(wrong.map(({ name }) => name)).toEqual([]);
  });

  test('the agent has its time and chance from ports.ts', () => {
    const wrong = inFolders('agent.ts', 'act', 'consul', 'rx', 'watch').filter(({ text }) =>
      /\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\bperformance\.now\b/.test(withoutComments(text)),
    );
    expect(wrong.map(({ name }) => name)).toEqual([]);
  });

  test('only bin.ts ends the process', () => {
    const wrong = source.filter(({ text }) => /\bprocess\.exit\b(?!Code)/.test(withoutComments(text)));
    expect(wrong.map(({ name }) => name)).toEqual(['src/bin.ts']);
  });
});

describe('files', () => {
  test('none is dead: each is reached from the program, the scripts or the bench', () => {
    const entries = [
      'src/bin.ts',
      'src/lifeline/main.ts',
      ...['scripts', 'test/bench'].flatMap(filesBelow).flatMap(({ imports }) => imports),
    ];
    const reached = new Set<string>();
    const visit = (name: string): void => {
      if (reached.has(name)) return;
      reached.add(name);
      for (const one of byName.get(name)?.imports ?? []) visit(one);
    };
    entries.forEach(visit);
    expect(source.map(({ name }) => name).filter((name) => !reached.has(name))).toEqual([]);
  });

  test('none is longer than 400 lines', () => {
    const long = [...source, ...filesBelow('test')].filter(({ text }) => text.split('\n').length > 401);
    expect(long.map(({ name }) => name)).toEqual([]);
  });

  test('every folder, and every file beside them, is named in src/README.md', () => {
    const readme = readFileSync(path.join(root, 'src/README.md'), 'utf8');
    const names = new Set(source.map(({ name }) => folderOf(name)));
    const missing = [...names].filter(
      (name) => !readme.includes(name.endsWith('.ts') ? `\`${name}\`` : `\`${name}/\``),
    );
    expect(missing).toEqual([]);
  });

  test('every test that plan/SPEC.md names is there', () => {
    const spec = readFileSync(path.join(root, 'src/plan/SPEC.md'), 'utf8');
    const named = [...spec.matchAll(/`(test\/[^`]+\.ts)`/g)].map((match) => match[1] ?? '');
    expect(named.length).toBeGreaterThan(10);
    const there = new Set(filesBelow('test').map(({ name }) => name));
    expect(named.filter((name) => !there.has(name))).toEqual([]);
  });
});
