import { readFile, rm, writeFile, mkdir } from 'node:fs/promises';
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConsulBinary } from './binaries.ts';
import { freePort } from './ports.ts';
import type { Sandbox, SandboxProcess } from './processes.ts';
import { tailOf } from './processes.ts';
import { run } from './run.ts';

export interface ConsulServerOptions {
  readonly consul: ConsulBinary;
  /** `dev`: in memory, quickest. `server` (default): keeps its data, so that it can be restarted with and without. */
  readonly mode?: 'dev' | 'server';
  readonly name?: string;
  /** Default deny, with this management token (a UUID; `true` makes one up). */
  readonly acl?: true | string;
  /** HTTPS beside HTTP, with certificates made by Consul's own `tls` command. */
  readonly tls?: boolean;
  /** As in `500ms`; Consul's own lower bound is 10s. */
  readonly sessionTtlMin?: string;
  /** Consul's configuration, as in a JSON file; goes over ours, objects merged. */
  readonly config?: ConsulConfig;
}

export interface ConsulClientOptions {
  readonly consul: ConsulBinary;
  readonly server: ConsulAgent;
  readonly name?: string;
  readonly config?: ConsulConfig;
}

export interface ConsulConfig {
  readonly [key: string]: unknown;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

interface Ports {
  readonly http: number;
  readonly https: number;
  readonly serf_lan: number;
  readonly server: number;
}

const startWithinMs = 60_000;

/** One server, elected, taking writes, and with its node passing in the catalogue, so that sessions can be made. */
export async function startConsul(sandbox: Sandbox, options: ConsulServerOptions): Promise<ConsulAgent> {
  const name = options.name ?? 'consul';
  const token = options.acl === true ? randomUUID() : options.acl;
  const home = await sandbox.makeFolder(name);
  const ports = await choosePorts(options.tls === true);
  const tls = options.tls === true ? await makeCertificates(options.consul, home) : undefined;
  const dev = options.mode === 'dev';
  const config = merge(
    {
      ...commonConfig(options.consul, name, home, ports),
      server: true,
      ...(dev ? {} : { bootstrap_expect: 1 }),
      // elections in about a second instead of five
      performance: { raft_multiplier: 1 },
      ...(options.sessionTtlMin === undefined ? {} : { session_ttl_min: options.sessionTtlMin }),
      ...(token === undefined ? {} : { acl: aclConfig(options.consul, token, true) }),
      ...(tls === undefined ? {} : { ca_file: tls.caFile, cert_file: tls.certFile, key_file: tls.keyFile }),
    },
    options.config ?? {},
  );
  const agent = new ConsulAgent({
    sandbox,
    home,
    name,
    ports,
    token,
    caFile: tls?.caFile,
    binary: options.consul,
    dev,
  });
  await agent.configure(config);
  await agent.start();
  return agent;
}

/** A client agent, joined: what runs beside slotkeeper on a host. Its node name is its own. */
export async function startConsulClient(sandbox: Sandbox, options: ConsulClientOptions): Promise<ConsulAgent> {
  const name = options.name ?? 'consul-client';
  const { server } = options;
  const home = await sandbox.makeFolder(name);
  const ports = await choosePorts(false);
  const { token } = server;
  const config = merge(
    {
      ...commonConfig(options.consul, name, home, ports),
      retry_join: [`127.0.0.1:${server.ports.serf_lan}`],
      retry_interval: '200ms',
      ...(token === undefined ? {} : { acl: aclConfig(options.consul, token, false) }),
    },
    options.config ?? {},
  );
  const agent = new ConsulAgent({
    sandbox,
    home,
    name,
    ports,
    token,
    caFile: undefined,
    binary: options.consul,
    dev: false,
  });
  await agent.configure(config);
  await agent.start();
  server.addClient(agent);
  return agent;
}

interface AgentParts {
  readonly sandbox: Sandbox;
  readonly home: string;
  readonly name: string;
  readonly ports: Ports;
  readonly token: string | undefined;
  readonly caFile: string | undefined;
  readonly binary: ConsulBinary;
  readonly dev: boolean;
}

export class ConsulAgent {
  readonly name: string;
  /** Of the HTTP API, without TLS. */
  readonly address: Address;
  readonly httpsAddress: Address | undefined;
  readonly caFile: string | undefined;
  /** The management token, where ACLs are on. */
  readonly token: string | undefined;
  readonly dataDir: string;
  readonly ports: Ports;
  readonly version: string;
  readonly #parts: AgentParts;
  readonly #clients = new Set<ConsulAgent>();
  #process: SandboxProcess | undefined;

  constructor(parts: AgentParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.ports = parts.ports;
    this.address = { host: '127.0.0.1', port: parts.ports.http };
    this.httpsAddress = parts.ports.https > 0 ? { host: '127.0.0.1', port: parts.ports.https } : undefined;
    this.caFile = parts.caFile;
    this.token = parts.token;
    this.dataDir = join(parts.home, 'data');
    this.version = parts.binary.version;
  }

  get pid(): number | undefined {
    return this.#process?.running === true ? this.#process.pid : undefined;
  }

  get url(): string {
    return `http://${this.address.host}:${this.address.port}`;
  }

  /** Written for the next start; the running agent does not see it. */
  async configure(config: ConsulConfig): Promise<void> {
    await writeFile(this.#configFile, JSON.stringify(config, null, 2));
  }

  /** Changes settings for the next start, objects merged. */
  async reconfigure(changes: ConsulConfig): Promise<void> {
    const before = JSON.parse(await readFile(this.#configFile, 'utf8')) as ConsulConfig;
    await this.configure(merge(before, changes));
  }

  /** On the same ports as before. Resolves when it is ready; see `untilReady`. */
  async start(): Promise<void> {
    await this.launch();
    await this.untilReady();
  }

  /** Starts without waiting: for a client whose server is away. */
  async launch(): Promise<void> {
    if (this.pid !== undefined) throw new Error(`${this.name} is already running`);
    await mkdir(this.dataDir, { recursive: true });
    this.#process = await this.#parts.sandbox.spawn({
      name: this.name,
      command: this.#parts.binary.file,
      args: ['agent', ...(this.#parts.dev ? ['-dev'] : []), `-config-file=${this.#configFile}`],
      logFile: this.#logFile,
      cwd: this.#parts.home,
    });
  }

  /** A leader is elected, a write and a read go through this agent, and its node's own health check passes. */
  async untilReady(withinMs = startWithinMs): Promise<void> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const missing = await this.#whatIsMissing();
      if (missing === undefined) break;
      if (this.pid === undefined) {
        throw new Error(`${this.name} ended while it was starting; its log ends with\n${await this.logTail()}`);
      }
      if (performance.now() > deadline) {
        throw new Error(
          `${this.name} is not ready after ${withinMs} ms (${missing}); its log ends with\n${await this.logTail()}`,
        );
      }
      await delay(20);
    }
    // A server that came back without its data knows nobody, and a client tries a lost server only every half minute.
    await Promise.all(
      [...this.#clients]
        .filter((client) => client.pid !== undefined)
        .map((client) =>
          client.request('PUT', `/v1/agent/join/127.0.0.1:${this.ports.serf_lan}`).catch(() => undefined),
        ),
    );
  }

  /** SIGTERM, and SIGKILL if that takes too long. A client leaves its cluster on the way, a server does not. */
  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  freeze(): void {
    this.#process?.freeze();
  }

  thaw(): void {
    this.#process?.thaw();
  }

  /** On the same ports. Without its data it has lost every key, session and service, and its indexes start again. */
  async restart({ keepData }: { readonly keepData: boolean }): Promise<void> {
    await this.stop();
    if (!keepData) await this.wipe();
    await this.start();
  }

  /** Loses what a stopped agent has kept. */
  async wipe(): Promise<void> {
    if (this.pid !== undefined) throw new Error(`${this.name} is running`);
    await rm(this.dataDir, { recursive: true, force: true });
  }

  /** So that a restart of the server gets this client back at once. */
  addClient(client: ConsulAgent): void {
    this.#clients.add(client);
  }

  /** For the sandbox's own needs and for tests: a body is sent as it is, an answer that is no 2xx is an error. */
  async request(method: string, path: string, body?: string): Promise<string> {
    const response = await fetch(this.url + path, {
      method,
      signal: AbortSignal.timeout(5_000),
      ...(body === undefined ? {} : { body }),
      ...(this.token === undefined ? {} : { headers: { 'x-consul-token': this.token } }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: HTTP ${response.status} ${text}`);
    return text;
  }

  logTail(lines = 20): Promise<string> {
    return tailOf(this.#logFile, lines);
  }

  get #configFile(): string {
    return join(this.#parts.home, 'consul.json');
  }

  get #logFile(): string {
    return join(this.#parts.home, 'consul.log');
  }

  async #whatIsMissing(): Promise<string | undefined> {
    try {
      const leader = await this.request('GET', '/v1/status/leader');
      if (leader === '""') return 'no leader';
      const key = `/v1/kv/sandbox-${this.name}-${randomBytes(4).toString('hex')}`;
      await this.request('PUT', key, 'ready');
      await this.request('DELETE', key);
      const checks = await this.request('GET', `/v1/health/node/${this.name}`);
      return /"Status":\s*"passing"/.test(checks) ? undefined : 'its node is not passing in the catalogue';
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}

async function choosePorts(https: boolean): Promise<Ports> {
  return {
    http: await freePort(),
    https: https ? await freePort() : -1,
    serf_lan: await freePort(),
    server: await freePort(),
  };
}

function commonConfig(consul: ConsulBinary, name: string, home: string, ports: Ports): ConsulConfig {
  return {
    node_name: name,
    // kept when the data are lost: otherwise its own cluster would take it for an impostor
    node_id: randomUUID(),
    data_dir: join(home, 'data'),
    bind_addr: '127.0.0.1',
    client_addr: '127.0.0.1',
    ports: {
      ...ports,
      dns: -1,
      grpc: -1,
      serf_wan: -1,
      // an unknown key is an error to the versions before
      ...(isAtLeast(consul, 1, 14) ? { grpc_tls: -1 } : {}),
    },
    disable_update_check: true,
    log_level: 'INFO',
  };
}

function aclConfig(consul: ConsulBinary, token: string, server: boolean): ConsulConfig {
  const management = isAtLeast(consul, 1, 11) ? 'initial_management' : 'master';
  return {
    enabled: true,
    default_policy: 'deny',
    // the agent's own, to register its node
    tokens: { agent: token, ...(server ? { [management]: token } : {}) },
  };
}

interface Certificates {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

async function makeCertificates(consul: ConsulBinary, home: string): Promise<Certificates> {
  await run(consul.file, ['tls', 'ca', 'create'], { cwd: home });
  await run(consul.file, ['tls', 'cert', 'create', '-server', '-dc', 'dc1'], { cwd: home });
  return {
    caFile: join(home, 'consul-agent-ca.pem'),
    certFile: join(home, 'dc1-server-consul-0.pem'),
    keyFile: join(home, 'dc1-server-consul-0-key.pem'),
  };
}

function isAtLeast(consul: ConsulBinary, major: number, minor: number): boolean {
  const [hasMajor = 0, hasMinor = 0] = consul.version.split('.').map(Number);
  return hasMajor > major || (hasMajor === major && hasMinor >= minor);
}

function merge(base: ConsulConfig, over: ConsulConfig): ConsulConfig {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = merged[key];
    merged[key] = isObject(before) && isObject(value) ? merge(before, value) : value;
  }
  return merged;
}

function isObject(value: unknown): value is ConsulConfig {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
