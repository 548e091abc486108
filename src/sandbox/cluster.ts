import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { leaderName, noKeys, type ClusterKeys } from '../domain/cluster.ts';
import { decodeDynamicConfig } from '../config/dynamic.ts';
import { decodeKeys } from '../consul/codec.ts';
import { scopeKeys, type ScopeKeys } from '../consul/keys.ts';
import { createConsulClient, type ConsulClient } from '../consul/client.ts';
import { startConsul, startConsulClient, type Address, type ConsulAgent, type ConsulConfig } from './consul-server.ts';
import { findConsul, findPostgres } from './locate.ts';
import { freePort } from './ports.ts';
import { emptyServer, startPrimary, startStandby, type PostgresServer } from './postgres-server.ts';
import { makeOwned } from './base-backup.ts';
import type { PostgresOptions, Setting } from './postgres-options.ts';
import { serverSettings } from './postgres-settings.ts';
import type { Sandbox, SandboxProcess } from './processes.ts';

export interface MemberSpec {
  readonly name: string;
  /** The member it streams from; null = the primary. Members come after the one they stream from. */
  readonly upstream: string | null;
  readonly tags?: Readonly<Record<string, unknown>>;
}

export interface ClusterOptions {
  readonly scope: string;
  readonly members: readonly MemberSpec[];
  /** Undefined = whichever PostgreSQL is found first. */
  readonly major?: number;
  readonly settings?: Readonly<Record<string, Setting>>;
  /** `manage`: nothing is there but empty folders, and the agents make the cluster. */
  readonly ha?: 'observe' | 'manage';
  /** `manage`: what the cluster's configuration is to be from the start. */
  readonly dynamicConfig?: Readonly<Record<string, unknown>>;
  readonly consulConfig?: ConsulConfig;
  /** A Consul client agent beside each member, as on hosts of their own; without it all of them ask the server. */
  readonly consulClients?: boolean;
  /** Over what an agent's YAML says by default. */
  readonly agentConfig?: Readonly<Record<string, unknown>>;
  /** Where the agent of a member reaches Consul; Consul itself by default. */
  readonly consulFor?: (member: string, consul: Address) => Promise<Address>;
}

/** An agent in a process of its own, as a user runs it. */
export interface SandboxAgent {
  readonly configFile: string;
  readonly restUrl: string;
  readonly process: () => SandboxProcess;
  /** Resolves when its REST interface answers, whatever the agent can reach. */
  start(): Promise<void>;
  stop(): Promise<void>;
  kill(): Promise<void>;
  /** Everything that it has logged, over all its starts. */
  log(): Promise<string>;
}

export interface SandboxMember {
  readonly name: string;
  readonly server: PostgresServer;
  readonly agent: SandboxAgent;
  /** What its agent asks. */
  readonly consul: ConsulAgent;
}

/** A whole cluster on this machine: one Consul, and for each member a PostgreSQL server and an agent beside it. */
export interface SandboxCluster {
  readonly consul: ConsulAgent;
  readonly client: ConsulClient;
  readonly keys: ScopeKeys;
  readonly members: ReadonlyMap<string, SandboxMember>;
  member(name: string): SandboxMember;
  /** Everything below the scope's prefix, decoded, as of now. */
  read(): Promise<ClusterKeys>;
  /** Writes the key `config`, as an operator does. */
  configure(config: unknown): Promise<void>;
  /** Connection URL of the member that holds the leader key, as clients find it through Consul; null = nobody does. */
  readonly primaryUrl: () => Promise<string | null>;
}

/** The compiled command line: what users run, and what tests and the benchmark are about. */
export function slotkeeperScript(): string {
  const here = fileURLToPath(import.meta.url);
  return fileURLToPath(new URL(here.endsWith('.ts') ? '../../dist/bin.js' : '../bin.js', import.meta.url));
}

/** Starts the servers; the agents are set up and started by `agent.start()`. */
export async function startCluster(sandbox: Sandbox, options: ClusterOptions): Promise<SandboxCluster> {
  const { scope } = options;
  const postgres = await findPostgres(options.major, sandbox.progress);
  const binary = await findConsul(sandbox.progress);
  const consul = await startConsul(sandbox, { consul: binary, config: options.consulConfig ?? {} });
  const keys = scopeKeys('service', scope);
  const members = new Map<string, SandboxMember>();
  let primary: PostgresServer | null = null;
  for (const spec of options.members) {
    if (options.ha !== 'manage') sandbox.progress(`starting PostgreSQL ${postgres.major} for ${spec.name}`);
    const settings = options.settings ?? {};
    const server: PostgresServer =
      options.ha === 'manage'
        ? await makePlace(sandbox, { name: spec.name, postgres, settings })
        : primary === null
          ? await startPrimary(sandbox, { name: spec.name, postgres, settings })
          : await startStandby(sandbox, {
              name: spec.name,
              postgres,
              settings,
              upstream: spec.upstream === null ? primary : serverOf(members, spec.upstream),
            });
    primary ??= server;
    const beside =
      options.consulClients === true
        ? await startConsulClient(sandbox, { consul: binary, server: consul, name: `consul-${spec.name}` })
        : consul;
    members.set(spec.name, {
      name: spec.name,
      server,
      agent: await setUpAgent(sandbox, options, spec, server, beside),
      consul: beside,
    });
  }
  const { host, port } = consul.address;
  const client = createConsulClient({
    host,
    port,
    scheme: 'http',
    token: null,
    tokenFile: null,
    dc: null,
    consistency: 'default',
    verify: true,
    cacert: null,
    cert: null,
    key: null,
    requestTimeoutMs: 5_000,
  });
  const read = async (): Promise<ClusterKeys> => {
    const found = await client.readPrefix(keys.prefix, { index: 0, waitMs: 0, signal: AbortSignal.timeout(5_000) });
    return found.entries.length === 0 ? noKeys : decodeKeys(keys, found, decodeDynamicConfig).keys;
  };
  return {
    consul,
    client,
    keys,
    members,
    member: (name) => {
      const member = members.get(name);
      if (member === undefined) throw new Error(`there is no member ${name} in this cluster`);
      return member;
    },
    read,
    configure: async (config) => {
      await client.transact(
        [{ verb: 'set', key: keys.config, value: JSON.stringify(config) }],
        AbortSignal.timeout(5_000),
      );
    },
    primaryUrl: async () => {
      const found = await read();
      const leader = leaderName(found);
      const connUrl = leader === null ? null : (found.members.get(leader)?.value?.connUrl ?? null);
      if (connUrl === null) return null;
      const url = new URL(connUrl);
      url.username = 'postgres';
      return url.href;
    },
  };
}

/** Where an agent will make a server. */
async function makePlace(sandbox: Sandbox, options: PostgresOptions): Promise<PostgresServer> {
  const server = await emptyServer(sandbox, options);
  await makeOwned(join(server.home, 'log'));
  return server;
}

function serverOf(members: ReadonlyMap<string, SandboxMember>, name: string): PostgresServer {
  const member = members.get(name);
  if (member === undefined) throw new Error(`${name} has to come before the members that stream from it`);
  return member.server;
}

async function setUpAgent(
  sandbox: Sandbox,
  options: ClusterOptions,
  spec: MemberSpec,
  server: PostgresServer,
  consul: ConsulAgent,
): Promise<SandboxAgent> {
  const folder = await sandbox.makeFolder(`agent-${spec.name}`);
  const restPort = await freePort();
  const configFile = join(folder, 'slotkeeper.yml');
  const logFile = join(folder, 'agent.log');
  const { host, port } = (await options.consulFor?.(spec.name, consul.address)) ?? consul.address;
  await writeFile(
    configFile,
    stringify({
      scope: options.scope,
      name: spec.name,
      ha: options.ha ?? 'observe',
      consul: { host: `${host}:${port}` },
      restapi: { listen: `127.0.0.1:${restPort}`, connect_address: `127.0.0.1:${restPort}` },
      postgresql: {
        listen: `127.0.0.1:${server.port}`,
        connect_address: `127.0.0.1:${server.port}`,
        data_dir: server.dataDir,
        bin_dir: server.binDir,
        authentication: {
          superuser: { username: 'postgres', ...(server.password === undefined ? {} : { password: server.password }) },
        },
        ...(options.ha === 'manage' ? managedPostgres(server, options) : {}),
      },
      ...(options.ha === 'manage' ? { bootstrap: bootstrap(server, options) } : {}),
      ...(spec.tags === undefined ? {} : { tags: spec.tags }),
      ...options.agentConfig,
    }),
    { mode: 0o600 },
  );
  let running: SandboxProcess | null = null;
  const restUrl = `http://127.0.0.1:${restPort}`;
  const current = (): SandboxProcess => {
    if (running === null) throw new Error(`the agent of ${spec.name} was not started`);
    return running;
  };
  return {
    configFile,
    restUrl,
    process: current,
    start: async () => {
      running = await sandbox.spawn({
        name: `agent-${spec.name}`,
        command: process.execPath,
        args: [slotkeeperScript(), 'agent', configFile],
        logFile,
        // what an agent that is killed leaves behind goes with the sandbox
        env: { TMPDIR: folder },
      });
      await untilAnswers(`${restUrl}/liveness`, running);
    },
    stop: async () => {
      await current().stop();
    },
    kill: async () => {
      await current().kill();
    },
    log: () => readFile(logFile, 'utf8').catch(() => ''),
  };
}

/** Settings that Patroni, and so slotkeeper, takes from the cluster's configuration only: members have to agree on them. */
const agreed = ['max_connections', 'max_worker_processes', 'max_wal_senders', 'max_replication_slots', 'wal_log_hints'];
/** What the agent says itself. */
const own = ['port', 'listen_addresses', 'wal_level', 'hot_standby'];

/** The settings that the sandbox gives to servers that it makes itself. */
function managedPostgres(server: PostgresServer, options: ClusterOptions): Readonly<Record<string, unknown>> {
  const local = Object.entries(serverSettings(server)).filter(([name]) => ![...agreed, ...own].includes(name));
  return {
    parameters: { ...Object.fromEntries(local), fsync: false, ...options.settings },
    pg_hba: ['local all all trust', 'host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust'],
    pgpass: join(server.home, 'pgpass'),
  };
}

function bootstrap(server: PostgresServer, { dynamicConfig }: ClusterOptions): Readonly<Record<string, unknown>> {
  const parameters = Object.entries(serverSettings(server)).filter(([name]) => agreed.includes(name));
  return {
    dcs: { postgresql: { use_pg_rewind: true, parameters: Object.fromEntries(parameters) }, ...dynamicConfig },
    initdb: [{ encoding: 'UTF8' }, { locale: 'C' }, 'no-sync', 'data-checksums'],
  };
}

async function untilAnswers(url: string, agent: SandboxProcess): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    if (!agent.running) throw new Error(`${agent.name} ended at once:\n${await agent.logTail()}`);
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) }).catch(() => null);
    if (answer !== null) {
      await answer.body?.cancel();
      return;
    }
    await delay(50);
  }
  throw new Error(`${agent.name} does not answer on ${url}:\n${await agent.logTail()}`);
}
