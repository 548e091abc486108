import { join } from 'node:path';
import pg from 'pg';
import type { Upstream } from '../../../src/domain/lead.ts';
import type { ServerPlan } from '../../../src/domain/managed.ts';
import type { ManagedServer } from '../../../src/postgres/managed-port.ts';
import { createManagedServer } from '../../../src/postgres/managed/managed-server.ts';
import type { ManagedServerSettings } from '../../../src/postgres/managed/settings.ts';
import { type Credentials, defaultTimeouts } from '../../../src/postgres/settings.ts';
import type { PostgresBinaries } from '../../../src/sandbox/binaries.ts';
import { freePort } from '../../../src/sandbox/ports.ts';
import type { Sandbox } from '../../../src/sandbox/processes.ts';
import { systemClock } from '../../support/system-clock.ts';
import { never } from './servers.ts';

/** For a bootstrap that nothing keeps from letting clients in. */
export const allowed = (): Promise<void> => Promise.resolve();

/** Each password is a word of its own, to be looked for where it must not be. */
export const passwords = { superuser: "admin's: pass\\word", replication: 'stream-secret', rewind: 'rewind-secret' };

export function role(user: string, password: string): Credentials {
  return { user, password, passfile: null, ssl: { mode: 'prefer', rootCert: null, cert: null, key: null } };
}

/** A member of a cluster whose server slotkeeper manages, with nothing on disk yet. */
export interface ManagedMember {
  readonly name: string;
  readonly home: string;
  readonly dataDir: string;
  readonly port: number;
  readonly url: string;
  readonly settings: ManagedServerSettings;
  readonly server: ManagedServer;
  /** As a standby of `upstream`, or with nobody above it. */
  plan(upstream?: ManagedMember, parameters?: Readonly<Record<string, string>>): ServerPlan;
  query<Row extends object = Readonly<Record<string, unknown>>>(sql: string): Promise<readonly Row[]>;
}

export async function managedMember(
  sandbox: Sandbox,
  postgres: PostgresBinaries,
  name: string,
  changed: Partial<ManagedServerSettings> = {},
): Promise<ManagedMember> {
  const home = await sandbox.makeFolder(name, 'server');
  const port = await freePort();
  const dataDir = changed.dataDir ?? join(home, 'data');
  const settings: ManagedServerSettings = {
    scope: 'test',
    member: name,
    address: { host: '127.0.0.1', port, database: 'postgres' },
    dataDir,
    configDir: null,
    binDir: postgres.binDir,
    binNames: {},
    user: null,
    credentials: role('admin', passwords.superuser),
    replication: role('streamer', passwords.replication),
    rewind: role('rewinder', passwords.rewind),
    pgpass: null,
    customConf: null,
    recoveryConf: {},
    bootstrap: {
      method: {
        kind: 'initdb',
        options: [
          { name: 'encoding', value: 'UTF8' },
          { name: 'locale', value: 'C' },
        ],
      },
      hba: [],
      users: [],
      postBootstrap: null,
    },
    replicaMethods: [{ kind: 'basebackup', options: [] }],
    remoteMethods: [],
    prePromote: null,
    beforeStop: null,
    timeouts: defaultTimeouts,
    clock: systemClock,
    ...changed,
  };
  const server = createManagedServer(settings);
  sandbox.atClose(() => server.stop('immediate', never));
  return {
    name,
    home,
    dataDir,
    port,
    url: `postgres://127.0.0.1:${port}/postgres`,
    settings,
    server,
    plan: (upstream, parameters = {}) => ({
      parameters: {
        listen_addresses: '127.0.0.1',
        port: String(port),
        unix_socket_directories: home,
        wal_level: 'logical',
        wal_log_hints: 'on',
        wal_keep_size: '128MB',
        wal_retrieve_retry_interval: '500ms',
        shared_buffers: '16MB',
        dynamic_shared_memory_type: 'mmap',
        fsync: 'off',
        // The default since 14.
        password_encryption: 'scram-sha-256',
        ...parameters,
      },
      hba: [
        'local all all scram-sha-256',
        'host all all 127.0.0.1/32 scram-sha-256',
        'host replication streamer 127.0.0.1/32 scram-sha-256',
      ],
      ident: null,
      upstream: upstream === undefined ? null : upstreamOf(upstream),
      synchronousStandbyNames: null,
    }),
    query: async <Row extends object>(sql: string) => {
      const client = new pg.Client({
        host: '127.0.0.1',
        port,
        database: 'postgres',
        user: 'admin',
        password: passwords.superuser,
        connectionTimeoutMillis: 5_000,
      });
      client.on('error', () => undefined);
      await client.connect();
      try {
        return (await client.query<Row>(sql)).rows;
      } finally {
        await client.end();
      }
    },
  };
}

export function upstreamOf(member: ManagedMember): Upstream {
  return { member: member.name, host: '127.0.0.1', port: member.port, slot: null };
}
