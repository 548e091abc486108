import { describe, expect, it } from 'vitest';
import { decodeAgentConfig, loadAgentConfig, type AgentConfig } from '../../../src/config/agent.ts';
import type { Environment } from '../../../src/config/environment.ts';
import { noTags } from '../../../src/domain/config.ts';

const smallest = `
scope: main
name: pg1
consul: {host: "127.0.0.1:8500"}
postgresql: {data_dir: /data}
`;

function configOf(source: string, env: Environment = {}): AgentConfig {
  const loaded = decodeAgentConfig(source, env);
  if ('problems' in loaded) throw new Error(loaded.problems.map(({ what }) => what).join('\n'));
  return loaded.config;
}

function problemsOf(source: string, env: Environment = {}): readonly string[] {
  const loaded = decodeAgentConfig(source, env);
  return 'problems' in loaded ? loaded.problems.map(({ what }) => what) : [];
}

const patroniYml = `
scope: batman
namespace: /service/
name: postgresql0
restapi:
  listen: 0.0.0.0:8008
  connect_address: 10.0.0.1:8008
  authentication: {username: admin, password: s3cret-rest}
  request_queue_size: 5
ctl: {insecure: false}
consul:
  host: 127.0.0.1:8500
  register_service: off
  checks: []
bootstrap:
  dcs: {ttl: 30, slots: {a: {type: physical}}}
  initdb: [data-checksums, {encoding: UTF8}]
postgresql:
  listen: 0.0.0.0,::1:5433
  connect_address: 10.0.0.1:5433
  data_dir: /data/postgresql0
  bin_dir: /usr/lib/postgresql/15/bin
  pgpass: /srv/pgpass0
  authentication:
    superuser: {username: postgres, password: 0123, sslmode: require, sslrootcert: /etc/ca.pem}
    replication: {username: replicator, password: s3cret-repl}
    rewind: {username: rewinder, password: s3cret-rewind}
  parameters: {max_connections: 100}
  pg_hba: [host all all 0.0.0.0/0 md5]
  callbacks: {on_role_change: /bin/true}
  use_pg_rewind: true
watchdog: {mode: automatic}
tags:
  nofailover: yes
  nosync: false
  datacenter: a
log: {level: WARNING, format: '%(asctime)s %(message)s'}
`;

describe("an agent's configuration", () => {
  it('needs little', () => {
    expect(configOf(smallest)).toEqual({
      scope: 'main',
      namespace: 'service',
      name: 'pg1',
      ha: 'observe',
      consul: {
        host: '127.0.0.1',
        port: 8500,
        scheme: 'http',
        token: null,
        tokenFile: null,
        dc: null,
        consistency: 'default',
        verify: true,
        cacert: null,
        cert: null,
        key: null,
        checks: [],
        registerService: true,
        serviceTags: [],
        serviceCheckIntervalSeconds: 5,
        serviceCheckTlsServerName: null,
        fastFailover: true,
      },
      restapi: {
        listen: { host: '127.0.0.1', port: 8008 },
        connectAddress: { host: '127.0.0.1', port: 8008 },
        apiUrl: 'http://127.0.0.1:8008/patroni',
        authentication: null,
        tls: null,
        allowlist: [],
        allowlistIncludeMembers: false,
        extraHeaders: {},
      },
      postgresql: {
        address: { host: 'localhost', port: 5432, database: 'postgres' },
        listen: { hosts: ['localhost'], port: 5432 },
        connectAddress: { host: 'localhost', port: 5432 },
        connUrl: 'postgres://localhost:5432/postgres',
        dataDir: '/data',
        control: { kind: 'pg_ctl', binDir: null, logFile: null },
        pgCtlTimeoutSeconds: 60,
        credentials: {
          user: 'postgres',
          password: null,
          passfile: null,
          ssl: { mode: 'prefer', rootCert: null, cert: null, key: null },
        },
        replicationCredentials: null,
      },
      tags: noTags,
      log: { level: 'info', format: 'plain' },
      managed: null,
      unused: [],
      notes: [],
    });
  });

  it('may be an existing patroni.yml', () => {
    const config = configOf(patroniYml);
    expect(config).toMatchObject({
      scope: 'batman',
      namespace: 'service',
      consul: { registerService: false },
      restapi: { apiUrl: 'http://10.0.0.1:8008/patroni', authentication: { password: 's3cret-rest' } },
      postgresql: {
        address: { host: 'localhost', port: 5433 },
        connUrl: 'postgres://10.0.0.1:5433/postgres',
        control: { kind: 'pg_ctl', binDir: '/usr/lib/postgresql/15/bin' },
        credentials: { password: '0123', passfile: '/srv/pgpass0', ssl: { mode: 'require', rootCert: '/etc/ca.pem' } },
        replicationCredentials: { user: 'replicator', passfile: '/srv/pgpass0' },
      },
      tags: { nofailover: true, raw: { nofailover: true, datacenter: 'a' } },
      log: { level: 'warn', format: 'plain' },
    });
    expect(config.unused).toEqual([
      'restapi.request_queue_size',
      'log.format',
      'postgresql.pg_hba',
      'postgresql.use_pg_rewind',
      'postgresql.callbacks',
      'bootstrap',
      'watchdog',
      'ctl',
    ]);
    expect(config.notes).toEqual([
      'ha is empty (with ha: manage slotkeeper would use the section bootstrap, and promote); used instead: observe',
    ]);
  });

  it('observes without a note when it is told to', () => {
    const config = configOf(`${patroniYml}ha: observe\n`);
    expect(config).toMatchObject({ ha: 'observe', managed: null, notes: [] });
  });

  it('lists every mistake with its line, what was found and what is allowed', () => {
    const problems = problemsOf(`scope: a/b
nmae: pg1
ha: lead
consul:
  host: 127.0.0.1:99999
  port: many
  verify: perhaps
  token_fil: x
postgresql:
  data_dir: [here]
  listen: a:b:c
  commands: {start: systemctl start pg}
log: {level: LOUD}
etcd3: {host: x}
tags: [a]
restapi: {keyfile: x.pem}
`);
    expect(problems.map((what) => /^\S+(?: \(line \d+\))?/.exec(what)?.[0])).toEqual([
      'ha (line 3)',
      'scope (line 1)',
      'name',
      'consul.host (line 5)',
      'consul.port (line 6)',
      'consul.verify (line 7)',
      'consul.token_fil (line 8)',
      'restapi.certfile (line 16)',
      'tags (line 15)',
      'log.level (line 13)',
      'etcd3 (line 14)',
      'postgresql.listen (line 11)',
      'postgresql.data_dir (line 10)',
      'postgresql.commands.stop (line 12)',
      'nmae (line 2)',
    ]);
    expect(problems.join('\n')).toContain('consul.token_fil (line 8) is unknown (did you mean token_file?)');
    expect(problems.join('\n')).toContain('log.level (line 13) is "LOUD"; allowed: DEBUG, INFO, WARNING');
    expect(problems.join('\n')).toContain('nmae (line 2) is unknown (did you mean name?)');
  });

  it.each(['etcd', 'etcd3', 'zookeeper', 'exhibitor', 'raft', 'kubernetes', 'citus'])(
    'refuses the section %s',
    (section) => {
      expect(problemsOf(`${smallest}${section}: {hosts: a}\n`)).toEqual([
        expect.stringMatching(`^${section} .*slotkeeper`),
      ]);
    },
  );

  it.each([
    ['ha: lead', 'ha (line 6) is "lead"; allowed: manage, observe'],
    ['failover_slots: {restart: never}', 'slotkeeper edit-config'],
    ['restapi: {listen: "0.0.0.0:8008"}', 'restapi.connect_address (line 6) is missing'],
    ['restapi: {allowlist: [10.0.0.0/33]}', 'restapi.allowlist.0 (line 6) is "10.0.0.0/33"'],
    ['restapi: {keyfile: a}', 'restapi.certfile (line 6) is missing'],
    ['name: again', 'line 6, column 1: Map keys must be unique'],
  ])('refuses %s', (line, message) => {
    expect(problemsOf(`${smallest}${line}\n`).join()).toContain(message);
  });

  it.each(['a/b', '..', '.', '" a"', '""', '"a\\tb"', 'x'.repeat(129)])('refuses the name %s', (name) => {
    expect(problemsOf(smallest.replace('pg1', name)).join()).toContain('name (line 3) is ');
  });

  it.each(['pg1', 'db-1.example.org', 'Ünïcode', '17'])('takes the name %s', (name) => {
    expect(configOf(smallest.replace('pg1', name)).name).toBe(name);
  });

  it('takes commands for the shell and with arguments', () => {
    const source = smallest.replace(
      '{data_dir: /data}',
      '{data_dir: /d, commands: {start: up now, stop: [sv, down, pg]}}',
    );
    expect(configOf(source).postgresql.control).toEqual({
      kind: 'commands',
      start: ['/bin/sh', '-c', 'up now'],
      stop: ['sv', 'down', 'pg'],
    });
  });

  it('asks for a consul section, which may be empty', () => {
    expect(problemsOf(smallest.replace(/consul:.*/, ''))).toEqual([expect.stringContaining('consul is missing')]);
    expect(configOf(smallest.replace(/consul:.*/, 'consul:')).consul).toMatchObject({ host: '127.0.0.1', port: 8500 });
  });

  it.each([
    ['{url: "https://consul.example:8501"}', { scheme: 'https', host: 'consul.example', port: 8501 }],
    ['{host: consul.example, port: "0x2135"}', { scheme: 'http', host: 'consul.example', port: 8501 }],
    ['{host: "[::1]:8600", scheme: https}', { scheme: 'https', host: '::1', port: 8600 }],
    ['{cert: both.pem}', { cert: 'both.pem', key: 'both.pem' }],
    ['{service_check_interval: 1m, checks: [serfHealth]}', { serviceCheckIntervalSeconds: 60, checks: ['serfHealth'] }],
  ])('reads the consul section %s', (section, consul) => {
    expect(configOf(smallest.replace('{host: "127.0.0.1:8500"}', section)).consul).toMatchObject(consul);
  });

  it.each([
    ['{token: a, token_file: b}', 'only one of token and token_file'],
    ['{key: a.pem}', 'consul.cert (line 4) is missing'],
    ['{host: "http://127.0.0.1"}', 'allowed: host or host:port'],
    ['{service_check_interval: often}', 'a duration such as 5s'],
    ['{consistency: strong}', 'one of default, consistent, stale'],
  ])('refuses the consul section %s', (section, message) => {
    expect(problemsOf(smallest.replace('{host: "127.0.0.1:8500"}', section)).join()).toContain(message);
  });
});

describe('the environment', () => {
  it("wins over the file where it is Patroni's", () => {
    const config = configOf(smallest, {
      PATRONI_SCOPE: 'other',
      PATRONI_NAME: 'pg9',
      PATRONI_NAMESPACE: '/db/',
      PATRONI_CONSUL_HOST: 'consul:8501',
      PATRONI_CONSUL_TOKEN: 't',
      PATRONI_CONSUL_SERVICE_TAGS: 'a, b',
      PATRONI_CONSUL_REGISTER_SERVICE: 'off',
      PATRONI_RESTAPI_CONNECT_ADDRESS: '10.0.0.9:8008',
      PATRONI_RESTAPI_USERNAME: 'u',
      PATRONI_RESTAPI_PASSWORD: 'p',
      PATRONI_POSTGRESQL_LISTEN: '10.0.0.9:5440',
      PATRONI_SUPERUSER_USERNAME: 'root',
      PATRONI_SUPERUSER_PASSWORD: '0123',
      PATRONI_REPLICATION_USERNAME: 'standby',
      PATRONI_LOG_LEVEL: 'DEBUG',
      PATRONI_LOG_TYPE: 'json',
      PATRONI_CONSUL_DC: '',
    });
    expect(config).toMatchObject({
      scope: 'other',
      name: 'pg9',
      namespace: 'db',
      consul: { host: 'consul', port: 8501, token: 't', serviceTags: ['a', 'b'], registerService: false, dc: null },
      restapi: { apiUrl: 'http://10.0.0.9:8008/patroni', authentication: { username: 'u', password: 'p' } },
      postgresql: {
        address: { host: '10.0.0.9', port: 5440 },
        credentials: { user: 'root', password: '0123' },
        replicationCredentials: { user: 'standby' },
      },
      log: { level: 'debug', format: 'json' },
    });
  });

  it("counts only where nothing else says it, where it is Consul's", () => {
    const env = { CONSUL_HTTP_ADDR: 'https://c:1', CONSUL_HTTP_TOKEN: 'env' };
    expect(configOf(smallest, env).consul).toMatchObject({ host: '127.0.0.1', scheme: 'http', token: 'env' });
    const bare = smallest.replace(/consul:.*/, 'consul: {token_file: /t}');
    expect(configOf(bare, env).consul).toMatchObject({
      host: 'c',
      port: 1,
      scheme: 'https',
      token: null,
      tokenFile: '/t',
    });
    expect(configOf(smallest, { CONSUL_HTTP_TOKEN_FILE: '/e' }).consul.tokenFile).toBe('/e');
  });

  it('is named where it is wrong', () => {
    const problems = problemsOf(smallest, { PATRONI_CONSUL_PORT: 'x', PATRONI_ETCD3_HOSTS: 'a' });
    expect(problems).toEqual([
      'consul.port (PATRONI_CONSUL_PORT) is "x"; allowed: a whole number from 1 to 65535',
      'etcd3 (PATRONI_ETCD3_HOSTS) is set; slotkeeper keeps its keys in Consul only',
    ]);
  });
});

describe('secrets', () => {
  it('never stand in a problem', () => {
    const sources = [
      smallest.replace('{host: "127.0.0.1:8500"}', '{token: [HUSH]}'),
      smallest.replace('{host: "127.0.0.1:8500"}', 'HUSH'),
      smallest.replace('{host: "127.0.0.1:8500"}', '{url: "http://user:HUSH@consul:8500"}'),
      smallest.replace('{host: "127.0.0.1:8500"}', '{token: HUSH, token_file: HUSH2'),
      smallest.replace('{data_dir: /data}', '{data_dir: /d, authentication: HUSH}'),
      smallest.replace('{data_dir: /data}', '{data_dir: /d, authentication: {superuser: HUSH}}'),
      smallest.replace('{data_dir: /data}', '{data_dir: /d, authentication: {superuser: {password: {a: HUSH}}}}'),
      smallest.replace('{data_dir: /data}', '{data_dir: /d, authentication: {superuser: {sslpassword: HUSH}}}'),
      `${smallest}restapi: {authentication: {username: a, passwrd: HUSH}}\n`,
      `${smallest}restapi: {keyfile_password: [HUSH]}\n`,
      `${smallest}password: *HUSH\n`,
      `${smallest}password: |HUSH\n`,
      `${smallest}password: HUSH: x\n`,
      `${smallest}- HUSH\n`,
      `${smallest}raft: {password: HUSH}\n`,
      `HUSH`,
      `[HUSH]`,
    ];
    for (const source of sources) {
      const problems = problemsOf(source);
      expect(problems.length, source).toBeGreaterThan(0);
      expect(problems.join('\n'), source).not.toContain('HUSH');
    }
  });
});

describe('a file that is not a configuration', () => {
  it('is a problem, not an exception', async () => {
    expect(await loadAgentConfig('/nowhere/slotkeeper.yml', {})).toEqual({
      problems: [expect.objectContaining({ code: 'config_file' })],
    });
    expect(problemsOf('a: [1,\nb: 2').join()).toMatch(/^line 2, column \d+: /);
    expect(problemsOf('').join()).toContain('scope is missing');
  });

  it('may be hostile', () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'.replaceAll(/./g, (c) => `${c}: &${c} [${`*${String.fromCharCode(c.charCodeAt(0) - 1)},`.repeat(9)}]\n`)}`;
    expect(problemsOf(bomb)).toEqual(['an alias (*name) cannot be resolved']);
    expect(problemsOf(`${smallest}__proto__: {ha: manage}\n`)).toEqual([]);
    expect(problemsOf(`${smallest}"\\e[31mred": 1\n`)).toEqual([]);
    expect(configOf(`${smallest}"\\e[31mred": 1\n`).unused).toEqual(['\\u001b[31mred']);
  });
});
