import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { versionTable } from './version-report.js';

const root = fileURLToPath(new URL('..', import.meta.url));

// in the names of the folders of our sandboxes
process.env.SLOTKEEPER_RUN ??= String(process.pid);

const tasks = {
  /** Fetches the servers that are not on this machine. Arguments: majors of PostgreSQL. */
  async setup(args) {
    await installDependencies();
    await runTypeScript('scripts/setup.ts', args);
  },

  async demo(args) {
    await installDependencies();
    await build();
    await run(process.execPath, ['dist/bin.js', 'demo', ...args]);
  },

  async bench(args) {
    await installDependencies();
    await build();
    await runTypeScript('test/bench/main.ts', args);
  },

  async build() {
    await installDependencies();
    await build();
  },

  async check() {
    await installDependencies();
    const { failed } = await check();
    if (failed > 0) process.exitCode = 1;
  },

  /** Without arguments everything, checks included; arguments go to vitest. */
  async test(args) {
    await installDependencies();
    const checks = args.length === 0 ? await check() : { passed: 0, failed: 0 };
    if (needsServers(args)) await runTypeScript('scripts/setup.ts', []);
    const tests = await runTests(args);
    const passed = checks.passed + tests.passed;
    const failed = checks.failed + tests.failed;
    if (tests.skipped > 0) say(`${tests.skipped} skipped`);
    console.log(`\n${passed} passed, ${failed} failed`);
    if (failed > 0 || tests.exitCode !== 0) process.exitCode = tests.exitCode || 1;
  },

  /** What touches servers, on every major of PostgreSQL, and what takes minutes; one report over all of it. */
  async 'test-versions'(args) {
    process.env.SLOTKEEPER_TEST_PG_MAJORS ??= '13,14,15,16,17,18';
    process.env.SLOTKEEPER_TEST_LONG ??= '1';
    const report = join(root, 'versions-report.json');
    process.env.SLOTKEEPER_VERSION_REPORT = report;
    rmSync(report, { force: true });
    const projects = args.includes('--project') ? [] : ['--project', 'integration', '--project', 'cluster'];
    await tasks.test([...projects, '--reporter=./scripts/version-report.js', ...args]);
    if (!existsSync(report)) return;
    const rows = JSON.parse(readFileSync(report, 'utf8'));
    for (const line of ['', ...versionTable(rows), '', `Also in ${relative(root, report)}.`]) console.log(line);
  },

  /** Every fault in every phase of a managed cluster's life, and one report of what came of it. Arguments go to vitest. */
  async 'test-faults'(args) {
    process.env.SLOTKEEPER_TEST_FAULTS ??= '1';
    process.env.SLOTKEEPER_FAULTS_REPORT ??= join(root, 'faults-report.json');
    await tasks.test(['--project', 'faults', '--reporter=./scripts/faults-report.js', ...args]);
  },
};

export async function main([name, ...args]) {
  const task = Object.hasOwn(tasks, name ?? '') ? tasks[name] : undefined;
  if (task === undefined) {
    console.error(`usage: node scripts/bootstrap.js ${Object.keys(tasks).join('|')} [...]`);
    process.exitCode = 64;
    return;
  }
  process.chdir(root);
  try {
    await task(args);
  } catch (error) {
    if (!(error instanceof ChildFailed)) throw error;
    if (error.explain) console.error(`slotkeeper: ${error.message}`);
    process.exitCode = error.exitCode;
  }
}

/** A child's own output has said why, as a rule. */
class ChildFailed extends Error {
  constructor(commandLine, exitCode, explain) {
    super(`${commandLine} ended with exit code ${exitCode}`);
    this.exitCode = exitCode;
    this.explain = explain;
  }
}

function say(line) {
  console.log(`slotkeeper: ${line}`);
}

// --- dependencies ---

async function installDependencies() {
  const reason = whyInstall();
  if (reason === undefined) return;
  say(`${reason}; running npm ci`);
  // npm tells its scripts which npm it is; without npm, it is the one on PATH
  const { npm_execpath: npm } = process.env;
  const command = npm === undefined ? ['npm'] : [process.execPath, npm];
  await run(command[0], [...command.slice(1), 'ci', '--no-audit', '--no-fund'], { explain: true });
}

/** npm keeps a copy of the lock file beside what it has installed: they have to name the same versions. */
function whyInstall() {
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const hidden = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(hidden)) return 'the dependencies are not installed yet';
  const installed = JSON.parse(readFileSync(hidden, 'utf8')).packages;
  for (const [path, { version, optional, peer }] of Object.entries(wanted)) {
    // optional ones are for other platforms as a rule, and are not recorded where they were left out
    if (path === '' || ((optional || peer) && installed[path] === undefined)) continue;
    if (installed[path]?.version !== version) return 'the dependencies are not those of package-lock.json';
  }
  return undefined;
}

// --- build ---

async function build() {
  const sources = filesBelow('src');
  const fingerprint = createHash('sha256');
  for (const file of [...sources, 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json']) {
    const { mtimeMs, size } = statSync(join(root, file));
    fingerprint.update(`${file} ${mtimeMs} ${size}\n`);
  }
  const state = fingerprint.digest('hex');
  const stamp = join(root, 'dist', '.built-from');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === state && existsSync(join(root, 'dist', 'bin.js'))) return;
  say('building');
  await run(process.execPath, [join('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json'], {
    explain: true,
  });
  const outputs = new Set(['.built-from']);
  for (const source of sources) {
    const output = relative('src', source).replace(/\.ts$/, '.js');
    outputs.add(output);
    if (source.endsWith('.ts') || source.endsWith('.md')) continue;
    // what the compiler leaves behind: pages, statements
    mkdirSync(dirname(join(root, 'dist', output)), { recursive: true });
    copyFileSync(join(root, source), join(root, 'dist', output));
  }
  // Not emptied before: an agent may be running from there.
  for (const output of filesBelow('dist')) if (!outputs.has(relative('dist', output))) rmSync(join(root, output));
  if (outputs.has('bin.js')) chmodSync(join(root, 'dist', 'bin.js'), 0o755);
  writeFileSync(stamp, state);
}

function filesBelow(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

// --- checks and tests ---

async function check() {
  const checks = {
    types: ['typescript/bin/tsc', '-p', '.'],
    lint: ['eslint/bin/eslint.js', '.'],
    format: ['prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'],
  };
  let passed = 0;
  let failed = 0;
  for (const [name, [script, ...args]] of Object.entries(checks)) {
    const exitCode = await runToEnd(process.execPath, [join('node_modules', script), ...args]);
    say(`check ${name}: ${exitCode === 0 ? 'ok' : 'FAILED'}`);
    if (exitCode === 0) passed += 1;
    else failed += 1;
  }
  return { passed, failed };
}

/** Only unit tests and the simulator do without. */
function needsServers(args) {
  const projects = args.flatMap((arg, at) =>
    arg.startsWith('--project=') ? [arg.slice('--project='.length)] : arg === '--project' ? [args[at + 1]] : [],
  );
  return projects.length === 0 || projects.some((project) => project !== 'unit' && project !== 'sim');
}

async function runTests(args) {
  const folder = mkdtempSync(join(tmpdir(), 'slotkeeper-tally-'));
  const tally = join(folder, 'tally.json');
  try {
    const vitest = [join('node_modules', 'vitest', 'vitest.mjs'), 'run', ...args];
    const exitCode = await runToEnd(
      process.execPath,
      [...vitest, '--reporter=default', '--reporter=./scripts/tally.js'],
      { env: { SLOTKEEPER_TALLY: tally }, passCtrlC: true },
    );
    if (interruptedBy !== undefined) {
      await untilSandboxesAreGone();
      throw new ChildFailed('vitest', 128 + constants.signals[interruptedBy], false);
    }
    if (!existsSync(tally)) return { passed: 0, failed: 1, skipped: 0, exitCode: exitCode || 1 };
    const { passed, failed, skipped } = JSON.parse(readFileSync(tally, 'utf8'));
    // no test at all, for one, is no test that failed, and fails the run
    return { passed, failed: exitCode === 0 ? failed : Math.max(failed, 1), skipped, exitCode };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** vitest ends at once on Ctrl-C; its workers are still stopping their servers then. */
async function untilSandboxesAreGone() {
  const ours = `slotkeeper-${process.env.SLOTKEEPER_RUN}-`;
  for (let waitedMs = 0; waitedMs < 10_000; waitedMs += 50) {
    if (!readdirSync(tmpdir()).some((name) => name.startsWith(ours))) return;
    await delay(50);
  }
}

// --- children ---

let interruptedBy;

async function runTypeScript(file, args) {
  await run(process.execPath, ['--import', 'tsx', file, ...args]);
}

async function run(command, args, { explain = false } = {}) {
  const exitCode = await runToEnd(command, args);
  if (interruptedBy !== undefined) throw new ChildFailed(command, 128 + constants.signals[interruptedBy], false);
  if (exitCode !== 0) throw new ChildFailed([command, ...args].join(' '), exitCode, explain);
}

/** Resolves to the exit code. Signals go to the child, and it is waited for: it has servers to stop. */
function runToEnd(command, args, { env = {}, passCtrlC: always = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
    const pass = (signal) => {
      interruptedBy = signal;
      // At a terminal, Ctrl-C has reached the child already, and once more would mean "at once". The test runner does not
      // care, and may be interrupted by another program while it is at a terminal.
      if (signal !== 'SIGINT' || !process.stdin.isTTY || always) child.kill(signal);
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, pass);
    const done = () => {
      for (const signal of signals) process.off(signal, pass);
    };
    child.once('error', (error) => {
      done();
      reject(error);
    });
    child.once('exit', (code, signal) => {
      done();
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}
