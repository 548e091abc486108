import { describe, expect, it } from 'vitest';
import { decodeAgentConfig, type AgentConfig } from '../../../src/config/agent.ts';
import { adopt } from '../../../src/config/reload.ts';

const source = `ha: manage
scope: batman
namespace: service
name: postgresql0
consul: {host: "127.0.0.1:8500", token: first}
restapi:
  listen: 127.0.0.1:8008
  authentication: {username: admin, password: first}
  certfile: server.pem
  verify_client: optional
  cafile: ca.pem
bootstrap: {dcs: {ttl: 30}}
postgresql:
  listen: 127.0.0.1:5432
  data_dir: /data
  config_dir: /etc/data
  pgpass: /run/pgpass
  bin_dir: /bin
  user: postgres
  pg_ctl_timeout: 60
  authentication:
    superuser: {username: admin, password: first}
    replication: {username: streamer, password: first}
  parameters: {work_mem: 8MB}
  pg_hba: [local all all trust]
  callbacks: {on_start: /bin/true}
watchdog: {mode: off}
tags: {nofailover: true}
log: {level: INFO, format: plain}
`;

function configOf(text: string): AgentConfig {
  const loaded = decodeAgentConfig(text, {});
  if ('problems' in loaded) throw new Error(loaded.problems.map(({ what }) => what).join('\n'));
  return loaded.config;
}

const running = configOf(source);
/** The file with a piece of it written differently. */
const changed = (from: string, to: string): AgentConfig => {
  if (!source.includes(from)) throw new Error(`${from} is not in the file`);
  return configOf(source.replace(from, to));
};

describe('a file that is read again', () => {
  it('changes nothing where it says the same', () => {
    expect(adopt(running, configOf(source))).toEqual({ config: running, kept: [] });
  });

  it.each([
    ['tags', 'nofailover: true', 'nofailover: false, clonefrom: true'],
    ['settings of the server', 'work_mem: 8MB', 'work_mem: 16MB'],
    ['lines of pg_hba.conf', 'local all all trust', 'local all all peer'],
    ['callbacks', '/bin/true', '/bin/false'],
    ['the password of the superuser', 'superuser: {username: admin, password: first}', 'superuser: {password: second}'],
    ['the role that streams', 'username: streamer', 'username: another'],
    [
      'who may change something over REST',
      'authentication: {username: admin, password: first}',
      'allowlist: [10.0.0.1]',
    ],
    ['the certificate of the REST interface', 'certfile: server.pem', 'certfile: renewed.pem'],
    ['how much is logged', 'level: INFO', 'level: DEBUG'],
    ["Consul's token", 'token: first', 'token: second'],
    ['what a cluster is made with', 'ttl: 30', 'ttl: 60'],
    ['where other programs are', 'parameters:', 'bin_name: {postgres: postgres15}\n  parameters:'],
  ])('takes over %s', (_what, from, to) => {
    const read = changed(from, to);
    expect(read).not.toEqual(running);
    expect(adopt(running, read)).toEqual({ config: read, kept: [] });
  });

  it.each([
    ['scope', 'scope: batman', 'scope: robin'],
    ['namespace', 'namespace: service', 'namespace: other'],
    ['name', 'name: postgresql0', 'name: postgresql1'],
    ['consul.host', '127.0.0.1:8500', '127.0.0.2:8500'],
    ['consul.token_file', 'token: first', 'token_file: /run/token'],
    ['consul.register_service', 'token: first', 'token: first, register_service: false'],
    ['restapi.verify_client', 'verify_client: optional', 'verify_client: required'],
    ['postgresql.data_dir', 'data_dir: /data', 'data_dir: /elsewhere'],
    ['postgresql.bin_dir', 'bin_dir: /bin', 'bin_dir: /usr/bin'],
    ['postgresql.pg_ctl_timeout', 'pg_ctl_timeout: 60', 'pg_ctl_timeout: 90'],
    ['postgresql.pgpass', 'pgpass: /run/pgpass', 'pgpass: /run/other'],
    ['postgresql.config_dir', 'config_dir: /etc/data', 'config_dir: /etc/other'],
    ['postgresql.user', 'user: postgres', 'user: other'],
    ['watchdog', 'mode: off', 'mode: required'],
    ['log.format', 'format: plain', 'format: json'],
  ])('names %s, which counts only from the next start, and keeps it as it is', (name, from, to) => {
    const { config, kept } = adopt(running, changed(from, to));
    expect(kept).toEqual([name]);
    expect({ ...config, unused: [], notes: [] }).toEqual({ ...running, unused: [], notes: [] });
  });

  it('does not become one for the other mode', () => {
    const read = changed('ha: manage', 'ha: observe');
    const { config, kept } = adopt(running, read);
    expect(kept).toContain('ha');
    expect(config.managed).toEqual(running.managed);
  });

  it('does not turn HTTPS on or off', () => {
    const plain = '  certfile: server.pem\n  verify_client: optional\n  cafile: ca.pem\n';
    const { config, kept } = adopt(running, changed(plain, ''));
    expect(kept).toEqual(['restapi.certfile', 'restapi.verify_client']);
    expect(config.restapi).toEqual(running.restapi);
  });
});
