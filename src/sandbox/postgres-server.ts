import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { emptyFolder, makeOwned, takeBaseBackup, writeOwned } from './base-backup.ts';
import { freePort } from './ports.ts';
import type { PostgresOptions, RejoinMethod, Setting, StandbyOptions, StopMode } from './postgres-options.ts';
import { quoteForLibpq, serverSettings, settingLine } from './postgres-settings.ts';
import { tailOf, type Sandbox, type SandboxProcess } from './processes.ts';
import { pgRewind, rewindTo } from './rewind.ts';
import { runAsServer } from './server-user.ts';
import { childrenOf, postmasterIn, signalProcess, untilGone } from './system.ts';

const stopSignal: Readonly<Record<StopMode, NodeJS.Signals>> = {
  smart: 'SIGTERM',
  fast: 'SIGINT',
  immediate: 'SIGQUIT',
};

const superuser = 'postgres';
const withinMs = 60_000;

export async function startPrimary(sandbox: Sandbox, options: PostgresOptions): Promise<PostgresServer> {
  const server = await emptyServer(sandbox, options);
  await server.initialize();
  if (options.start !== false) await server.start();
  return server;
}

export async function startStandby(sandbox: Sandbox, options: StandbyOptions): Promise<PostgresServer> {
  const { upstream } = options;
  const server = await emptyServer(sandbox, {
    ...options,
    auth: options.auth ?? upstream.auth,
    ...(options.password === undefined && upstream.password !== undefined ? { password: upstream.password } : {}),
  });
  await server.cloneFrom(upstream, options.slot ?? server.slotName);
  if (options.start !== false) await server.start();
  return server;
}

/** A name, a port and an empty place on disk: for an agent that initializes or clones it itself. */
export async function emptyServer(sandbox: Sandbox, options: PostgresOptions): Promise<PostgresServer> {
  const home = await sandbox.makeFolder(options.name, 'server');
  const port = options.port ?? (await freePort());
  return new PostgresServer(sandbox, home, port, options);
}

export class PostgresServer {
  readonly name: string;
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly home: string;
  readonly dataDir: string;
  readonly binDir: string;
  readonly major: number;
  readonly auth: NonNullable<PostgresOptions['auth']>;
  readonly password: string | undefined;
  /** What its physical slot on an upstream is called. */
  readonly slotName: string;
  readonly #sandbox: Sandbox;
  readonly #options: PostgresOptions;
  #process: SandboxProcess | undefined;

  constructor(sandbox: Sandbox, home: string, port: number, options: PostgresOptions) {
    this.#sandbox = sandbox;
    this.#options = options;
    this.name = options.name;
    this.home = home;
    this.port = port;
    this.dataDir = join(home, 'data');
    this.binDir = options.postgres.binDir;
    this.major = options.postgres.major;
    this.auth = options.auth ?? 'trust';
    this.password = this.auth === 'trust' ? undefined : (options.password ?? 'sandbox');
    this.slotName = options.name.toLowerCase().replaceAll(/[-.]/g, '_');
  }

  connUrl(database = 'postgres'): string {
    const password = this.password === undefined ? '' : `:${encodeURIComponent(this.password)}`;
    return `postgres://${superuser}${password}@${this.host}:${this.port}/${database}`;
  }

  /** What a standby of this server has as its primary_conninfo. */
  conninfo(applicationName: string): string {
    const password = this.password === undefined ? '' : ` password=${quoteForLibpq(this.password)}`;
    return `user=${superuser}${password} host=${this.host} port=${this.port} application_name=${applicationName}`;
  }

  /** initdb and our settings. */
  async initialize(): Promise<void> {
    const passwordFile = join(this.home, 'password');
    if (this.password !== undefined) await writeOwned(passwordFile, this.password);
    await this.#runAsServer('initdb', [
      `--pgdata=${this.dataDir}`,
      `--username=${superuser}`,
      '--auth-local=trust',
      `--auth-host=${this.auth}`,
      ...(this.password === undefined ? [] : [`--pwfile=${passwordFile}`]),
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
    ]);
    await rm(passwordFile, { force: true });
    await this.writeConfig();
  }

  /** A base backup of a running server, set up as its standby and not started. What was here before is lost. */
  async cloneFrom(
    upstream: PostgresServer,
    slot: string | false = this.slotName,
    wal: 'none' | 'all' = 'none',
  ): Promise<void> {
    await this.#expectStopped();
    await emptyFolder(this.dataDir);
    // before the backup begins, so that the WAL it needs is still there when the standby asks for it
    if (slot !== false) await upstream.ensurePhysicalSlot(slot);
    await upstream.withClient(async (client) => {
      await takeBaseBackup(client, upstream.major, upstream.dataDir, this.dataDir, wal);
    });
    await this.writeConfig();
    await this.becomeStandbyOf(upstream, slot);
  }

  /** Standby from the next start on. */
  async becomeStandbyOf(upstream: PostgresServer, slot: string | false = this.slotName): Promise<void> {
    // In postgresql.auto.conf, where ALTER SYSTEM and pg_basebackup write too: in postgresql.conf it would lose against
    // what the upstream's own copy of that file says.
    const file = join(this.dataDir, 'postgresql.auto.conf');
    const before = await readFile(file, 'utf8').catch(() => '');
    const others = before.split('\n').filter((line) => line !== '' && !/^primary_(conninfo|slot_name)\b/.test(line));
    const own = [
      settingLine('primary_conninfo', upstream.conninfo(this.name)),
      ...(slot === false ? [] : [settingLine('primary_slot_name', slot)]),
    ];
    await writeOwned(file, [...others, ...own, ''].join('\n'));
    await writeOwned(join(this.dataDir, 'standby.signal'), '');
  }

  /** postgresql.conf from scratch: a copy of another server's says another port. */
  async writeConfig(): Promise<void> {
    await makeOwned(join(this.home, 'log'));
    const lines = Object.entries({
      ...serverSettings(this),
      fsync: this.#options.fsync ?? false,
      ...this.#options.settings,
    }).map(([name, value]) => settingLine(name, value));
    await writeOwned(join(this.dataDir, 'postgresql.conf'), `${lines.join('\n')}\n`);
  }

  /** The postmaster that runs here now, whoever started it. */
  postmasterPid(): Promise<number | undefined> {
    return postmasterIn(this.dataDir);
  }

  /** As a child of ours, in the foreground. Resolves when it takes connections. */
  async start(): Promise<void> {
    await this.launch();
    await this.untilReady();
  }

  /** Starts without waiting until it takes connections. */
  async launch(): Promise<void> {
    await this.#expectStopped();
    this.#process = await this.#sandbox.spawn({
      name: this.name,
      command: join(this.binDir, 'postgres'),
      args: ['-D', this.dataDir],
      logFile: this.#stderrFile,
      cwd: this.home,
      user: 'server',
    });
  }

  async untilReady(waitMs = withinMs): Promise<void> {
    const deadline = performance.now() + waitMs;
    const started = this.#process;
    for (;;) {
      try {
        await this.query('select 1');
        return;
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        const gone = started === undefined || !started.running;
        if (gone && (await this.postmasterPid()) === undefined) {
          throw new Error(`${this.name} ended while it was starting; its log ends with\n${await this.logTail()}`, {
            cause: error,
          });
        }
        if (performance.now() > deadline) {
          throw new Error(
            `${this.name} takes no connections after ${waitMs} ms (${reason}); its log ends with\n${await this.logTail()}`,
            { cause: error },
          );
        }
        await delay(15);
      }
    }
  }

  /** Whoever started it. Nothing to do if nothing runs. */
  async stop(mode: StopMode = 'fast', waitMs = withinMs): Promise<void> {
    const pid = await this.postmasterPid();
    if (pid === undefined) return;
    const children = await childrenOf(pid);
    signalProcess(pid, stopSignal[mode]);
    if (!(await untilGone([pid, ...children], waitMs))) {
      throw new Error(
        `${this.name} did not stop (${mode}) in ${waitMs} ms; its log ends with\n${await this.logTail()}`,
      );
    }
  }

  /** As if its machine had died: nothing is written any more. It can be started again right after. */
  async kill(): Promise<void> {
    const pid = await this.postmasterPid();
    if (pid === undefined) throw new Error(`${this.name} is not running`);
    // stopped first, so that it has no child that we do not know of
    signalProcess(pid, 'SIGSTOP');
    const children = await childrenOf(pid);
    for (const each of [pid, ...children]) signalProcess(each, 'SIGKILL');
    if (!(await untilGone([pid, ...children], withinMs))) throw new Error(`${this.name} survived SIGKILL`);
  }

  /** Stops every process of it without ending any: connections stay open and get no answer. */
  async freeze(): Promise<void> {
    const pid = await this.postmasterPid();
    if (pid === undefined) throw new Error(`${this.name} is not running`);
    signalProcess(pid, 'SIGSTOP');
    for (const child of await childrenOf(pid)) signalProcess(child, 'SIGSTOP');
  }

  async thaw(): Promise<void> {
    const pid = await this.postmasterPid();
    if (pid === undefined) throw new Error(`${this.name} is not running`);
    for (const each of [...(await childrenOf(pid)), pid]) signalProcess(each, 'SIGCONT');
  }

  /** Resolves when it is writable. */
  async promote(): Promise<void> {
    const [row] = await this.query<{ promoted: boolean }>('select pg_promote(true, 60) as promoted');
    if (row?.promoted !== true)
      throw new Error(`${this.name} was not promoted; its log ends with\n${await this.logTail()}`);
  }

  /**
   * Streams from another server: at once by a reload if it is a running standby, else from its next start on. The
   * physical slot on the upstream is made if it is missing.
   */
  async follow(upstream: PostgresServer, slot: string | false = this.slotName): Promise<void> {
    if (slot !== false) await upstream.ensurePhysicalSlot(slot);
    if ((await this.postmasterPid()) === undefined) {
      await this.becomeStandbyOf(upstream, slot);
      return;
    }
    if (!(await this.isInRecovery()))
      throw new Error(`${this.name} is a primary: stop it before it can follow another`);
    await this.alterSystem({
      primary_conninfo: upstream.conninfo(this.name),
      primary_slot_name: slot === false ? '' : slot,
    });
  }

  /** Comes back as a standby of another server, and runs. */
  async rejoin(upstream: PostgresServer, method: RejoinMethod = 'backup'): Promise<void> {
    await this.stop();
    switch (method) {
      case 'backup':
        await this.cloneFrom(upstream);
        break;
      case 'backup_with_wal':
        await this.cloneFrom(upstream, this.slotName, 'all');
        break;
      case 'rewind':
        await upstream.ensurePhysicalSlot(this.slotName);
        await rewindTo(this, upstream);
        await this.writeConfig();
        await this.becomeStandbyOf(upstream);
        break;
      case 'plain':
        await this.follow(upstream);
        break;
    }
    await this.start();
  }

  get canRewind(): boolean {
    return pgRewind(this.binDir) !== null;
  }

  /** A physical slot that keeps WAL from now on, made if it is missing. */
  async ensurePhysicalSlot(slot: string): Promise<void> {
    await this.query(
      `select pg_create_physical_replication_slot($1, true)
        where not exists (select from pg_replication_slots where slot_name = $1)`,
      [slot],
    );
  }

  /** One connection per call: a server that is killed and started again in between is no trouble. */
  async query<Row extends object = Readonly<Record<string, unknown>>>(
    sql: string,
    params: readonly unknown[] = [],
    database = 'postgres',
  ): Promise<Row[]> {
    return this.withClient(async (client) => {
      // pg takes parameters with one statement only, and answers several statements with an array
      const answer: unknown = await (params.length === 0 ? client.query(sql) : client.query(sql, [...params]));
      const last = (Array.isArray(answer) ? answer.at(-1) : answer) as { readonly rows: Row[] };
      return last.rows;
    }, database);
  }

  async withClient<T>(work: (client: pg.Client) => Promise<T>, database = 'postgres'): Promise<T> {
    const client = new pg.Client({
      connectionString: this.connUrl(database),
      connectionTimeoutMillis: 5_000,
      application_name: 'sandbox',
    });
    // a connection that breaks while nobody asks anything; whoever asks gets the error from the query
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  /** ALTER SYSTEM and reload; `null` resets. */
  async alterSystem(settings: Readonly<Record<string, Setting | null>>): Promise<void> {
    await this.withClient(async (client) => {
      for (const [name, value] of Object.entries(settings)) {
        await client.query(
          value === null
            ? `alter system reset ${client.escapeIdentifier(name)}`
            : `alter system set ${client.escapeIdentifier(name)} = ${client.escapeLiteral(String(value))}`,
        );
      }
      await client.query('select pg_reload_conf()');
    });
  }

  async isInRecovery(): Promise<boolean> {
    const [row] = await this.query<{ standby: boolean }>('select pg_is_in_recovery() as standby');
    return row?.standby === true;
  }

  /** Resolves when a standby has replayed everything that its upstream (or any server) has written so far. */
  async untilReplayed(from: PostgresServer, waitMs = withinMs): Promise<void> {
    // flushed, not inserted: past a segment's end that one points behind a page header that no record has reached yet
    const [target] = await from.query<{ lsn: string }>(
      `select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_flush_lsn() end as lsn`,
    );
    const deadline = performance.now() + waitMs;
    for (;;) {
      const [row] = await this.query<{ there: boolean }>(
        `select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end >= $1 as there`,
        [target?.lsn],
      );
      if (row?.there === true) return;
      if (performance.now() > deadline) {
        throw new Error(
          `${this.name} has not replayed ${target?.lsn ?? '?'} of ${from.name} after ${waitMs} ms; its log ends with\n` +
            (await this.logTail()),
        );
      }
      await delay(15);
    }
  }

  async logTail(lines = 25): Promise<string> {
    const beforeCollector = await tailOf(this.#stderrFile, 5);
    const log = await tailOf(this.logFile, lines);
    return [beforeCollector, log].filter((text) => text !== '').join('\n');
  }

  get logFile(): string {
    return join(this.home, 'log', 'postgres.log');
  }

  get #stderrFile(): string {
    return join(this.home, 'stderr.log');
  }

  async #expectStopped(): Promise<void> {
    const pid = await this.postmasterPid();
    if (pid !== undefined) throw new Error(`${this.name} is running (pid ${pid})`);
  }

  async #runAsServer(tool: string, args: readonly string[]): Promise<void> {
    await runAsServer(join(this.binDir, tool), args, this.home);
  }
}
