import type { Address } from './settings.ts';

/**
 * Host and port of a connection string in PostgreSQL's `key = 'value'` form or of a URL (`primary_conninfo` may be
 * either). Null where the string does not say, or is not one. Of several hosts the first. Nothing else of the string is
 * looked at: it holds a password.
 */
export function upstreamOf(conninfo: string): { readonly host: string | null; readonly port: number | null } {
  const address = isUrl(conninfo) ? parseUrl(conninfo) : undefined;
  if (address !== undefined) return { host: address.host, port: address.port };
  const values = keywordsOf(conninfo);
  const host = first(values.get('host')) ?? first(values.get('hostaddr'));
  return { host, port: portOf(first(values.get('port'))) };
}

/** The database that a connection string in either form names; null = it names none. */
export function databaseOf(conninfo: string): string | null {
  const named = isUrl(conninfo) ? databaseOfUrl(conninfo) : keywordsOf(conninfo).get('dbname');
  return named === undefined || named === '' ? null : named;
}

/** Whether a connection string in either form holds a password, the server's or that of a client key. */
export function hasPassword(conninfo: string): boolean {
  if (!isUrl(conninfo))
    return ['password', 'sslpassword'].some((name) => (keywordsOf(conninfo).get(name) ?? '') !== '');
  const { user = '', query = '' } = urlParts(conninfo) ?? {};
  return /:./s.test(user) || /(?:^|&)(?:ssl)?password=[^&]/.test(query);
}

/** A connection string in either form with `database` at its end: libpq goes by the last `dbname` that it finds. */
export function withDatabase(conninfo: string, database: string): string {
  if (!isUrl(conninfo)) return `${conninfo} dbname='${database.replaceAll(/[\\']/g, '\\$&')}'`;
  const query = urlParts(conninfo)?.query;
  const separator = query === undefined ? '?' : query === '' ? '' : '&';
  return `${conninfo}${separator}dbname=${encodeURIComponent(database)}`;
}

function databaseOfUrl(url: string): string | undefined {
  const { path = '', query = '' } = urlParts(url) ?? {};
  const settings = query.split('&').filter((setting) => setting.startsWith('dbname='));
  return decoded(settings.at(-1)?.slice('dbname='.length) ?? path);
}

interface UrlParts {
  /** The user's name and password, as they stand before the `@`. */
  readonly user?: string;
  readonly path?: string;
  readonly query?: string;
}

/** As libpq takes a URL apart: what stands before the first `@` may hold anything but a slash. */
function urlParts(url: string): UrlParts | undefined {
  return /^postgres(?:ql)?:\/\/(?:(?<user>[^@/]*)@)?[^/?]*(?:\/(?<path>[^?]*))?(?:\?(?<query>.*))?$/s.exec(url)?.groups;
}

function isUrl(conninfo: string): boolean {
  return /^postgres(ql)?:\/\//.test(conninfo);
}

/**
 * Where a member's `conn_url` points. Undefined when it is not a connection URL with a host. User, password and every
 * setting but `host` and `port` are left out: the key is written by others, and the agent comes with what is its own.
 */
export function parseUrl(url: string): Address | undefined {
  const match = /^postgres(?:ql)?:\/\/(?:[^@/?#]*@)?([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(url);
  if (match === null) return undefined;
  const [, authority = '', path = '', query = ''] = match;
  const setting = new URLSearchParams(query);
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:,[\]]*))(?::(\d+))?(?:,.*)?$/.exec(authority) ?? [];
  const host = setting.get('host') ?? decoded(bracketed ?? plain ?? '');
  const database = decoded(path);
  const portNumber = portOf(setting.get('port') ?? port ?? '5432');
  if (host === undefined || host === '' || database === undefined || portNumber === null) return undefined;
  return { host: first(host) ?? host, port: portNumber, database: database === '' ? 'postgres' : database };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function portOf(text: string | null): number | null {
  if (text === null || !/^\d{1,5}$/.test(text)) return null;
  const port = Number(text);
  return port > 0 && port < 65_536 ? port : null;
}

function first(list: string | undefined): string | null {
  const value = list?.split(',')[0]?.trim() ?? '';
  return value === '' ? null : value;
}

/** The grammar of libpq's `conninfo_parse`: spaces around `=`, quotes, and backslashes before either. */
function keywordsOf(conninfo: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  const pattern = /\s*([A-Za-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))/gsy;
  for (const [, key = '', quoted, plain = ''] of conninfo.matchAll(pattern)) {
    values.set(key, (quoted ?? plain).replaceAll(/\\(.)/gs, '$1'));
  }
  return values;
}
