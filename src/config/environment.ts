import { parseDocument } from 'yaml';
import { isAbsent, isMap, ownValue } from './field.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What the configuration file says, with what the environment says laid over it. */
export interface Overlaid {
  readonly value: Readonly<Record<string, unknown>>;
  /** Path joined by dots → the variable that it came from. */
  readonly sources: ReadonlyMap<string, string>;
}

/** Where a setting comes from, its path, its value. */
export type Setting = readonly [source: string, path: readonly string[], value: unknown];

interface Variable {
  readonly name: string;
  readonly path: readonly string[];
  /** `list`, `map`: the value is written as a YAML list or object, with or without brackets. */
  readonly form: 'text' | 'list' | 'map';
  /** Counts only where none of these paths says anything. */
  readonly unless: readonly (readonly string[])[];
}

/** What an account of the server may have besides its name and password. */
const connectionWords = [
  ...['sslmode', 'sslcert', 'sslkey', 'sslrootcert', 'sslpassword', 'sslcrl', 'sslcrldir', 'sslnegotiation'],
  ...['gssencmode', 'channel_binding'],
];

/** Patroni's variables: they win over the file. */
const patroniVariables: readonly Variable[] = [
  ...section([], ['scope', 'namespace', 'name']),
  ...section(['consul'], ['host', 'port', 'url', 'scheme', 'token', 'token_file', 'dc', 'consistency', 'verify']),
  ...section(['consul'], ['cacert', 'cert', 'key', 'register_service', 'service_check_interval']),
  ...section(['consul'], ['service_check_tls_server_name', 'fast_failover']),
  ...section(['consul'], ['checks', 'service_tags'], 'list'),
  ...section(
    ['restapi'],
    ['listen', 'connect_address', 'certfile', 'keyfile', 'keyfile_password', 'cafile', 'ciphers'],
  ),
  ...section(['restapi'], ['verify_client', 'allowlist_include_members', 'request_queue_size', 'server_tokens']),
  ...section(['restapi'], ['allowlist'], 'list'),
  ...section(['restapi'], ['http_extra_headers', 'https_extra_headers'], 'map'),
  ...section(['ctl'], ['insecure', 'cacert', 'certfile', 'keyfile', 'keyfile_password']),
  ...section(['postgresql'], ['listen', 'connect_address', 'proxy_address', 'config_dir', 'data_dir', 'pgpass']),
  ...section(['postgresql'], ['bin_dir']),
  ...['pg_ctl', 'initdb', 'pg_controldata', 'pg_basebackup', 'postgres', 'pg_isready', 'pg_rewind'].map(program),
  // The names that the settings of the log had once: the newer ones win.
  named('PATRONI_LOGLEVEL', ['log', 'level']),
  named('PATRONI_LOGFORMAT', ['log', 'format']),
  ...section(['log'], ['level', 'type', 'format', 'traceback_level', 'dateformat', 'max_queue_size', 'dir', 'mode']),
  ...section(['log'], ['file_size', 'file_num', 'deduplicate_heartbeat_logs']),
  ...section(['log'], ['static_fields', 'loggers'], 'map'),
  ...account('RESTAPI', ['restapi', 'authentication'], []),
  ...account('CTL', ['ctl', 'authentication'], []),
  ...['superuser', 'replication', 'rewind'].flatMap((role) =>
    account(role.toUpperCase(), ['postgresql', 'authentication', role], connectionWords),
  ),
];

/** slotkeeper's own: they win over the file, too. */
const ownVariables: readonly Variable[] = [named('SLOTKEEPER_HA', ['ha'])];

/** Consul's own variables: they count where neither the file nor Patroni's variables say anything. */
const consulVariables: readonly Variable[] = [
  fallback('CONSUL_HTTP_ADDR', 'url', ['host', 'url', 'port']),
  fallback('CONSUL_HTTP_TOKEN', 'token', ['token', 'token_file']),
  fallback('CONSUL_HTTP_TOKEN_FILE', 'token_file', ['token', 'token_file']),
  fallback('CONSUL_CACERT', 'cacert', ['cacert']),
  fallback('CONSUL_CLIENT_CERT', 'cert', ['cert']),
  fallback('CONSUL_CLIENT_KEY', 'key', ['key']),
  fallback('CONSUL_HTTP_SSL_VERIFY', 'verify', ['verify']),
];

/** Makes a role at the bootstrap; `PATRONI_<role>_OPTIONS` goes with it. */
const roleVariable = /^PATRONI_(.+)_PASSWORD$/;

const otherStores = /^PATRONI_(ETCD3?|ZOOKEEPER|EXHIBITOR|RAFT|KUBERNETES|CITUS)_./;

/** Lays the environment over the file's values. Variables that are empty count as not set, as in Patroni. */
export function overlayEnvironment(file: Readonly<Record<string, unknown>>, env: Environment): Overlaid {
  const named = [...settingsFrom([...patroniVariables, ...ownVariables], env), ...rolesFrom(env)];
  const patroni = overlay({ value: file, sources: new Map() }, named);
  const unsaid = consulVariables.filter(({ unless }) => unless.every((path) => isAbsent(valueAt(patroni.value, path))));
  const stores = Object.keys(env).flatMap((name): readonly Setting[] => {
    const store = env[name] === '' ? undefined : otherStores.exec(name)?.[1]?.toLowerCase();
    return store === undefined ? [] : [[name, [store], {}]];
  });
  return overlay(patroni, [...settingsFrom(unsaid, env), ...stores]);
}

/** Lays single settings over a document. One that has no place (a section is not an object) is left out. */
export function overlay(below: Overlaid, settings: readonly Setting[]): Overlaid {
  const value = structuredClone(below.value) as Record<string, unknown>;
  const sources = new Map(below.sources);
  for (const [source, path, found] of settings) {
    if (setAt(value, path, found)) sources.set(path.join('.'), source);
  }
  return { value, sources };
}

function settingsFrom(variables: readonly Variable[], env: Environment): readonly Setting[] {
  return variables.flatMap(({ name, path, form }): readonly Setting[] => {
    const raw = env[name] ?? '';
    return raw === '' ? [] : [[name, path, valueFrom(raw, form)]];
  });
}

/** Roles of `bootstrap.users`: a password makes one, and options count only beside it. */
function rolesFrom(env: Environment): readonly Setting[] {
  const known = new Set(patroniVariables.map(({ name }) => name));
  return Object.keys(env).flatMap((name): readonly Setting[] => {
    const role = known.has(name) || otherStores.test(name) ? undefined : roleVariable.exec(name)?.[1];
    const password = env[name] ?? '';
    if (role === undefined || password === '') return [];
    const path = ['bootstrap', 'users', role];
    const source = `PATRONI_${role}_OPTIONS`;
    const options = env[source] ?? '';
    return [
      [name, [...path, 'password'], password],
      ...(options === '' ? [] : [[source, [...path, 'options'], valueFrom(options, 'list')] as const]),
    ];
  });
}

function section(
  path: readonly string[],
  names: readonly string[],
  form: Variable['form'] = 'text',
): readonly Variable[] {
  return names.map((name) => named(['PATRONI', ...path, name].join('_').toUpperCase(), [...path, name], form));
}

function named(name: string, path: readonly string[], form: Variable['form'] = 'text'): Variable {
  return { name, path, form, unless: [] };
}

function program(name: string): Variable {
  return named(`PATRONI_POSTGRESQL_BIN_${name.toUpperCase()}`, ['postgresql', 'bin_name', name]);
}

function account(prefix: string, path: readonly string[], more: readonly string[]): readonly Variable[] {
  return ['username', 'password', ...more].map((name) =>
    named(`PATRONI_${prefix}_${name.toUpperCase()}`, [...path, name]),
  );
}

function fallback(name: string, key: string, unless: readonly string[]): Variable {
  return { name, path: ['consul', key], form: 'text', unless: unless.map((it) => ['consul', it]) };
}

function valueAt(root: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, key) => (isMap(at) ? ownValue(at, key) : undefined), root);
}

/** Sets a value, making the sections on the way; false where the file has something else than a section there. */
function setAt(root: Record<string, unknown>, path: readonly string[], value: unknown): boolean {
  let at = root;
  for (const key of path.slice(0, -1)) {
    const next = (at[key] ??= {});
    if (!isMap(next)) return false;
    at = next;
  }
  at[path.at(-1) ?? ''] = value;
  return true;
}

/** A list or object as Patroni reads it from a variable; what is not one stays a text, which the field then refuses. */
function valueFrom(raw: string, form: Variable['form']): unknown {
  if (form === 'text') return raw;
  const isWritten = form === 'list' ? raw.trim().startsWith('-') || raw.includes('[') : raw.trim().startsWith('{');
  const source = isWritten ? raw : form === 'list' ? `[${raw}]` : `{${raw}}`;
  const document = parseDocument(source, { prettyErrors: false });
  return document.errors.length === 0 ? document.toJS() : raw;
}
