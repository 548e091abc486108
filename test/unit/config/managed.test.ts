import { describe, expect, it } from 'vitest';
import { decodeAgentConfig } from '../../../src/config/agent.ts';
import type { Environment } from '../../../src/config/environment.ts';

function configOf(source: string, env: Environment = {}) {
  const loaded = decodeAgentConfig(source, env);
  if ('problems' in loaded) throw new Error(loaded.problems.map(({ what }) => what).join('\n'));
  const { managed } = loaded.config;
  if (managed === null) throw new Error('it is not managed');
  return { ...loaded.config, managed };
}

function problemsOf(source: string): readonly string[] {
  const loaded = decodeAgentConfig(source, {});
  return 'problems' in loaded ? loaded.problems.map(({ what }) => what) : [];
}

const head = `ha: manage
scope: batman
name: postgresql0
consul: {host: "127.0.0.1:8500"}
`;
const smallest = `${head}postgresql: {data_dir: /data}\n`;
const withPostgres = (line: string): string => `${head}postgresql:\n  data_dir: /data\n  ${line}\n`;
const withBootstrap = (line: string): string => `${smallest}bootstrap:\n  ${line}\n`;

/** The smallest file, with a line in one of its sections, or beside them. */
function sourceWith(section: string, line: string): string {
  if (section === '') return `${smallest}${line}\n`;
  return section === 'postgresql' ? withPostgres(line) : withBootstrap(line);
}

const patroniYml = `ha: manage
scope: batman
name: postgresql0
restapi: {listen: "127.0.0.1:8008", connect_address: "127.0.0.1:8008"}
ctl: {insecure: false}
consul: {host: "127.0.0.1:8500", fast_failover: no}
bootstrap:
  dcs:
    ttl: 30
    maximum_lag_on_failover: 1048576
    postgresql:
      use_pg_rewind: true
      parameters: {max_connections: 100}
    slots: {orders: {type: logical, database: shop, plugin: pgoutput}}
  method: restore
  restore:
    command: /usr/bin/restore --repo '/srv/my backups'
    keep_existing_recovery_conf: false
    no_params: yes
    recovery_conf: {recovery_target_action: promote, restore_command: 'get %f %p'}
    stanza: main
  initdb: [{encoding: UTF8}, data-checksums, {lc-collate: '"C"'}]
  pg_hba: [host all all 127.0.0.1/32 trust]
  users: {admin: {password: 0123, options: [createrole, createdb]}, reader: }
  post_bootstrap: /usr/bin/setup 'the cluster'
postgresql:
  listen: 0.0.0.0,::1:5433
  connect_address: 127.0.0.1:5433
  data_dir: /data/postgresql0
  bin_dir: /usr/lib/postgresql/15/bin
  bin_name: {pg_ctl: my_ctl}
  config_dir: /etc/postgresql
  pgpass: /tmp/pgpass0
  custom_conf: my.conf
  authentication:
    superuser: {username: postgres, password: a}
    replication: {username: replicator, password: b}
    rewind: {username: rewinder, password: c}
  parameters: {unix_socket_directories: /tmp, max_connections: 50, Work_Mem: 8MB, jit: off, fsync: false, port: 1}
  pg_hba: [host replication replicator 127.0.0.1/32 md5]
  use_pg_rewind: true
  remove_data_directory_on_rewind_failure: true
  recovery_conf: {restore_command: 'cp /wal/%f %p', standby_mode: on}
  create_replica_methods: [pgbackrest, basebackup, plain.sh]
  pgbackrest: {command: pgbackrest --delta restore, keep_data: true, no_params: true, no_leader: 1, stanza: main}
  basebackup: [verbose, {max-rate: 100M}]
  wal_e: {command: wal-e}
  callbacks: {on_role_change: /bin/cb --now, on_start: }
  pre_promote: /bin/fence "the old one"
  before_stop: /bin/drain
  pg_ctl_timeout: 90
watchdog: {mode: required, device: /dev/watchdog1, safety_margin: 5}
tags: {clonefrom: true}
`;

const noFlags = { noParams: false, keepData: false, noLeader: false };

describe('whether slotkeeper manages the server', () => {
  const modeOf = (file: string, env: Environment, option: string | null) => {
    const given = option === null ? [] : ([['--ha', ['ha'], option]] as const);
    const loaded = decodeAgentConfig(file, env, given);
    return 'config' in loaded ? loaded.config.ha : loaded.problems.map(({ what }) => what);
  };
  const unsaid = smallest.replace('ha: manage\n', '');
  const observing = `ha: observe\n${unsaid}`;

  it.each([
    ['the environment, where the file says nothing', unsaid, { SLOTKEEPER_HA: 'manage' }, null, 'manage'],
    ['the environment over the file', observing, { SLOTKEEPER_HA: 'manage' }, null, 'manage'],
    ['the command line over both', smallest, { SLOTKEEPER_HA: 'manage' }, 'observe', 'observe'],
    ['the file, where the variable is empty', smallest, { SLOTKEEPER_HA: '' }, null, 'manage'],
    ['nothing', unsaid, {}, null, 'observe'],
  ])('is said by %s', (_by, file, env, option, mode) => {
    expect(modeOf(file, env, option)).toBe(mode);
  });

  it('is refused with where it was said, when it is neither', () => {
    const allowed = 'allowed: manage, observe';
    expect(modeOf(smallest, { SLOTKEEPER_HA: 'lead' }, null)).toEqual([`ha (SLOTKEEPER_HA) is "lead"; ${allowed}`]);
    expect(modeOf(smallest, {}, 'yes')).toEqual([`ha (--ha) is "yes"; ${allowed}`]);
  });

  it('makes a patroni.yml as it is start, with all that it says', () => {
    expect(modeOf(patroniYml.replace('ha: manage\n', ''), { SLOTKEEPER_HA: 'manage' }, null)).toBe('manage');
  });
});

describe('a file for ha: manage', () => {
  it('needs little', () => {
    expect(configOf(smallest)).toMatchObject({
      ha: 'manage',
      managed: {
        bootstrap: null,
        watchdog: { mode: 'automatic', device: '/dev/watchdog' },
        postgresql: {
          parameters: {},
          hba: null,
          ident: null,
          useSlots: null,
          usePgRewind: null,
          removeDataOnRewindFailure: null,
          removeDataOnDivergedTimelines: null,
          configDir: null,
          binNames: {},
          user: null,
          customConf: null,
          recoveryConf: {},
          pgpass: null,
          rewind: null,
          replicaMethods: [{ kind: 'basebackup', options: [] }],
          remoteMethods: [],
          prePromote: null,
          beforeStop: null,
        },
      },
    });
  });

  it('may be an existing patroni.yml', () => {
    const { managed, postgresql, consul } = configOf(patroniYml);
    expect(consul.fastFailover).toBe(false);
    expect(postgresql).toMatchObject({
      listen: { hosts: ['0.0.0.0', '::1'], port: 5433 },
      dataDir: '/data/postgresql0',
      control: { kind: 'pg_ctl', binDir: '/usr/lib/postgresql/15/bin' },
      pgCtlTimeoutSeconds: 90,
      // The file pgpass is written, not read.
      credentials: { user: 'postgres', password: 'a', passfile: null },
      replicationCredentials: { user: 'replicator', password: 'b', passfile: null },
    });
    expect(managed.watchdog).toEqual({ mode: 'required', device: '/dev/watchdog1' });
    expect(managed.postgresql).toEqual({
      parameters: { unix_socket_directories: '/tmp', work_mem: '8MB', jit: 'off', fsync: 'off' },
      hba: ['host replication replicator 127.0.0.1/32 md5'],
      ident: null,
      useSlots: null,
      usePgRewind: true,
      removeDataOnRewindFailure: true,
      removeDataOnDivergedTimelines: null,
      configDir: '/etc/postgresql',
      binNames: { pg_ctl: 'my_ctl' },
      user: null,
      customConf: 'my.conf',
      recoveryConf: { restore_command: 'cp /wal/%f %p' },
      pgpass: '/tmp/pgpass0',
      rewind: {
        user: 'rewinder',
        password: 'c',
        ssl: { mode: 'prefer', rootCert: null, cert: null, key: null },
      },
      replicaMethods: [
        {
          kind: 'command',
          name: 'pgbackrest',
          command: ['pgbackrest', '--delta', 'restore'],
          options: [{ name: 'stanza', value: 'main' }],
          noParams: true,
          keepData: true,
          noLeader: true,
        },
        {
          kind: 'basebackup',
          options: [
            { name: 'verbose', value: null },
            { name: 'max-rate', value: '100M' },
          ],
        },
        { kind: 'command', name: 'plain.sh', command: ['plain.sh'], options: [], ...noFlags },
      ],
      remoteMethods: [],
      prePromote: ['/bin/fence', 'the old one'],
      beforeStop: ['/bin/drain'],
      callbacks: {
        on_start: null,
        on_stop: null,
        on_restart: null,
        on_reload: null,
        on_role_change: ['/bin/cb', '--now'],
      },
    });
  });

  it('reads how a standby cluster copies its remote primary, which need not be how members are copied', () => {
    const dcs = 'dcs: {standby_cluster: {host: far, create_replica_methods: [restore, basebackup]}}';
    const { postgresql } = configOf(
      `${withPostgres('restore: {command: /bin/restore, from: far}')}bootstrap:\n  ${dcs}\n`,
    ).managed;
    expect(postgresql.replicaMethods).toEqual([{ kind: 'basebackup', options: [] }]);
    const options = [{ name: 'from', value: 'far' }];
    expect(postgresql.remoteMethods).toMatchObject([
      { kind: 'command', name: 'restore', command: ['/bin/restore'], options },
      { kind: 'basebackup', options: [] },
    ]);
  });

  it('reads how a cluster is made', () => {
    const { bootstrap } = configOf(patroniYml).managed;
    expect(JSON.parse(bootstrap?.dcs ?? '')).toEqual({
      ttl: 30,
      maximum_lag_on_failover: 1_048_576,
      postgresql: { use_pg_rewind: true, parameters: { max_connections: 100 } },
      slots: { orders: { type: 'logical', database: 'shop', plugin: 'pgoutput' } },
    });
    expect(bootstrap?.settings).toEqual({
      method: {
        kind: 'command',
        command: ['/usr/bin/restore', '--repo', '/srv/my backups'],
        options: [{ name: 'stanza', value: 'main' }],
        noParams: true,
        keepExistingRecoveryConf: false,
        recoveryConf: { recovery_target_action: 'promote', restore_command: 'get %f %p' },
      },
      hba: ['host all all 127.0.0.1/32 trust'],
      users: [
        { name: 'admin', password: '0123', options: ['createrole', 'createdb'] },
        { name: 'reader', password: null, options: [] },
      ],
      postBootstrap: ['/usr/bin/setup', 'the cluster'],
    });
  });

  it('tells what says nothing', () => {
    expect(configOf(patroniYml).unused).toEqual([
      'postgresql.wal_e',
      'postgresql.parameters.max_connections',
      'postgresql.parameters.port',
      'postgresql.recovery_conf.standby_mode',
      'watchdog.safety_margin',
    ]);
  });

  it('asks other members as ctl says, else as its own REST interface is asked', () => {
    const ask = (text: string) => configOf(text).managed.peers;
    expect(ask(patroniYml)).toMatchObject({ insecure: true });
    const own = patroniYml.replace('ctl: {insecure: false}', 'ctl: {cacert: /ca.pem, certfile: /own.pem}');
    expect(ask(own)).toMatchObject({ insecure: false, caFile: '/ca.pem', certFile: '/own.pem', keyFile: null });
  });

  it('makes a cluster with initdb unless it says otherwise', () => {
    expect(configOf(withBootstrap('post_init: a b')).managed.bootstrap).toEqual({
      dcs: null,
      settings: { method: { kind: 'initdb', options: [] }, hba: [], users: [], postBootstrap: ['a', 'b'] },
    });
    const options = configOf(withBootstrap('initdb: {encoding: UTF8, locale: "", wal-segsize: 32}')).managed.bootstrap;
    expect(options?.settings.method).toEqual({
      kind: 'initdb',
      options: [
        { name: 'encoding', value: 'UTF8' },
        { name: 'wal-segsize', value: '32' },
      ],
    });
  });

  it.each([
    ['{mode: off}', 'off'],
    ['{mode: false}', 'off'],
    ['{mode: require}', 'required'],
    ['{mode: auto}', 'automatic'],
  ])('takes the watchdog %s', (section, mode) => {
    expect(configOf(`${smallest}watchdog: ${section}\n`).managed.watchdog.mode).toBe(mode);
  });

  it.each([
    ['use_unix_socket: true', '/var/run/postgresql'],
    ["use_unix_socket: true\n  parameters: {unix_socket_directories: '., /a b, /c'}", '/a b'],
    ["use_unix_socket: true\n  parameters: {unix_socket_directories: '..'}", 'localhost'],
    ["parameters: {unix_socket_directories: '/a'}", 'localhost'],
  ])('reaches its server with %s', (line, host) => {
    expect(configOf(withPostgres(line)).postgresql.address.host).toBe(host);
  });

  it('takes paths from where it is started', () => {
    const { postgresql, managed } = configOf(`${head}postgresql: {data_dir: data/pg0, pgpass: pgpass}\n`);
    expect(postgresql.dataDir).toBe(`${process.cwd()}/data/pg0`);
    expect(managed.postgresql.pgpass).toBe(`${process.cwd()}/pgpass`);
  });

  it.each([
    ['postgresql', 'commands: {start: a, stop: b}', 'with ha: manage slotkeeper starts and stops the server itself'],
    ['postgresql', 'krbsrvname: pg', 'slotkeeper does not know Kerberos'],
    ['postgresql', 'config_base_name: main', 'postgresql.config_base_name (line 7) is "main"; allowed: postgresql'],
    ['postgresql', 'use_pg_rewnd: true', 'postgresql.use_pg_rewnd (line 7) is unknown (did you mean use_pg_rewind?)'],
    ['postgresql', 'pre_promote: "a \'b"', 'postgresql.pre_promote (line 7) is "a \'b"; allowed: a command'],
    ['postgresql', 'callbacks: {on_rolechange: a}', 'did you mean on_role_change?'],
    ['postgresql', 'bin_name: {pg_ctl: /bin/x}', 'postgresql.bin_name.pg_ctl (line 7) is "/bin/x"'],
    ['postgresql', 'basebackup: {pgdata: /x}', 'slotkeeper gives pg_basebackup its --pgdata itself'],
    ['postgresql', 'basebackup: [[a]]', 'postgresql.basebackup.0 (line 7) is a list of 1'],
    ['postgresql', 'create_replica_methods: basebackup', 'allowed: a list of replica methods'],
    ['postgresql', 'create_replica_methods: [a]\n  a: {command: 3}', 'postgresql.a.command (line 8) is 3'],
    ['postgresql', 'parameters: {"a = 1\\nb": 2}', 'allowed: the name of a setting of PostgreSQL'],
    ['bootstrap', 'method: restore', 'bootstrap.restore.command (line 7) is missing'],
    ['bootstrap', 'method: users', 'allowed: a name that bootstrap does not use itself'],
    ['bootstrap', 'initdb: [--data-checksums]', 'bootstrap.initdb.0 (line 7) is "--data-checksums"'],
    ['bootstrap', 'initdb: [{pgdata: x}]', 'slotkeeper gives initdb its --pgdata itself'],
    ['bootstrap', 'initdb: [{a: b, c: d}]', 'bootstrap.initdb.0 (line 7) is an object'],
    ['bootstrap', 'users: {a: {options: ["createdb; drop"]}}', 'bootstrap.users.a.options.0 (line 7)'],
    ['bootstrap', 'dcs: {synchronous_mode: quorum}', 'slotkeeper does not have quorum commit'],
    ['bootstrap', 'dcs: {ttl: soon}', 'bootstrap.dcs.ttl (line 7) is "soon"'],
    ['', 'watchdog: {mode: perhaps}', 'watchdog.mode (line 6) is "perhaps"'],
    ['', 'citus: {group: 0}', 'slotkeeper does not know Citus'],
  ])('refuses in %s: %s', (section, line, message) => {
    const problems = problemsOf(sourceWith(section, line));
    expect(problems.join('\n')).toContain(message);
    expect(new Set(problems).size).toBe(problems.length);
  });

  it('never shows a secret', () => {
    const sources = [
      withPostgres('authentication: {rewind: HUSH}'),
      withPostgres('authentication: {rewind: {password: [HUSH]}}'),
      withPostgres('authentication: HUSH'),
      withPostgres('pg_hba: [{ldapbindpasswd: HUSH}]'),
      withPostgres('pg_hba: HUSH'),
      withPostgres('parameters: {archive_command: "HUSH\\n"}'),
      withPostgres('recovery_conf: {restore_command: [HUSH]}'),
      withPostgres('create_replica_methods: [a]\n  a: {password: [HUSH]}'),
      withPostgres('create_replica_methods: [a]\n  a: HUSH'),
      withBootstrap('users: {a: HUSH}'),
      withBootstrap('users: {a: {password: [HUSH]}}'),
      withBootstrap('dcs: {postgresql: HUSH}'),
      withBootstrap('HUSH'),
      withBootstrap('method: m\n  m: {command: a, key: {a: HUSH}}'),
    ];
    for (const source of sources) {
      const problems = problemsOf(source);
      expect(problems.length, source).toBeGreaterThan(0);
      expect(problems.join('\n'), source).not.toContain('HUSH');
    }
  });
});

describe('the environment', () => {
  it('says what only counts here', () => {
    const { managed, consul, restapi } = configOf(smallest, {
      PATRONI_CONSUL_FAST_FAILOVER: 'off',
      PATRONI_POSTGRESQL_CONFIG_DIR: '/etc/pg',
      PATRONI_POSTGRESQL_BIN_PG_REWIND: 'rewind2',
      PATRONI_POSTGRESQL_PGPASS: '/p',
      PATRONI_REWIND_USERNAME: 'rewinder',
      PATRONI_REWIND_PASSWORD: 'r',
      PATRONI_RESTAPI_ALLOWLIST: '127.0.0.1, 10.0.0.0/8',
      PATRONI_RESTAPI_HTTP_EXTRA_HEADERS: 'X-Frame-Options: DENY',
      PATRONI_RESTAPI_KEYFILE_PASSWORD: 'no role of this name',
      PATRONI_admin_PASSWORD: 'a',
      PATRONI_admin_OPTIONS: 'createrole, createdb',
      PATRONI_reader_OPTIONS: 'login',
    });
    expect(consul.fastFailover).toBe(false);
    expect(restapi).toMatchObject({
      allowlist: ['127.0.0.1', '10.0.0.0/8'],
      extraHeaders: { 'X-Frame-Options': 'DENY' },
    });
    expect(managed.postgresql).toMatchObject({
      configDir: '/etc/pg',
      binNames: { pg_rewind: 'rewind2' },
      pgpass: '/p',
      rewind: { user: 'rewinder', password: 'r' },
    });
    expect(managed.bootstrap?.settings.users).toEqual([
      { name: 'admin', password: 'a', options: ['createrole', 'createdb'] },
    ]);
  });
});
