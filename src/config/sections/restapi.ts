import { isIP } from 'node:net';
import { formatAddress, isWildcard, parseAddress, type HostPort } from '../address.ts';
import {
  bool,
  child,
  choice,
  isAbsent,
  isMap,
  list,
  object,
  optional,
  parsed,
  refuse,
  secret,
  text,
  unused,
  wrong,
  type Field,
} from '../field.ts';

/** Files and rules of HTTPS, under Patroni's names in the file. */
export interface RestTls {
  readonly certFile: string;
  /** Null = the key is in `certFile`, too. */
  readonly keyFile: string | null;
  readonly keyPassword: string | null;
  /** Whose certificates of clients are trusted; null = those of the well-known authorities. */
  readonly caFile: string | null;
  /** `required`: for every request; `optional`: for those that change something. */
  readonly verifyClient: 'none' | 'optional' | 'required';
  readonly ciphers: string | null;
}

/** The agent's own HTTP server; the section `restapi`. */
export interface RestConfig {
  readonly listen: HostPort;
  /** Where others reach it. */
  readonly connectAddress: HostPort;
  /** Goes into the member key, as Patroni writes it. */
  readonly apiUrl: string;
  /** Who may change something (basic authentication); null = everybody. */
  readonly authentication: { readonly username: string; readonly password: string } | null;
  /** Null = plain HTTP. */
  readonly tls: RestTls | null;
  /** Hosts, addresses and networks that may change something; none, and not `allowlistIncludeMembers`, = all. */
  readonly allowlist: readonly string[];
  readonly allowlistIncludeMembers: boolean;
  /** What every answer has as further headers. */
  readonly extraHeaders: Readonly<Record<string, string>>;
}

const defaultPort = 8008;
const address: Field<HostPort> = parsed('host:port', (raw) => parseAddress(raw, defaultPort));
const file = optional(text('a file name'), null);

const sources = parsed('an address, a network such as 10.0.0.0/8, or a host name', (raw) => {
  const [host = '', bits, ...rest] = raw.trim().split('/');
  if (bits === undefined) return /^[^\s/]{1,253}$/.test(host) ? host : undefined;
  const mostBits = { 0: -1, 4: 32, 6: 128 }[isIP(host)] ?? -1;
  return rest.length === 0 && /^[0-9]{1,3}$/.test(bits) && Number(bits) <= mostBits ? `${host}/${bits}` : undefined;
});

/** Header → value. What would break the lines of an answer is refused here, not when somebody asks. */
const headers: Field<Readonly<Record<string, string>>> = (value, place) => {
  if (isAbsent(value)) return {};
  if (!isMap(value)) return refuse(place, 'type', value, 'an object: header → value');
  const read: [string, string][] = [];
  for (const [name, given] of Object.entries(value)) {
    const allowed = 'a header of letters, digits and -, and a value of printable characters';
    const content = text(allowed, (it) => /^[\t\x20-\x7e]*$/.test(it))(given, child(place, name));
    if (!/^[A-Za-z0-9-]+$/.test(name)) refuse(child(place, name), 'value', name, allowed);
    else if (content !== wrong) read.push([name, content]);
  }
  return read.length === Object.keys(value).length ? Object.fromEntries(read) : wrong;
};

const declaration = object(
  {
    listen: optional(address, { host: '127.0.0.1', port: defaultPort }),
    connect_address: optional(address, null),
    authentication: optional(
      object({ username: text('a user name'), password: secret(text('a password')) }, 'tell'),
      null,
    ),
    certfile: file,
    keyfile: file,
    keyfile_password: optional(secret(text('a text')), null),
    cafile: file,
    ciphers: optional(text("OpenSSL's list of ciphers"), null),
    verify_client: optional(choice('none', 'optional', 'required'), 'none' as const),
    allowlist: optional(list(sources, 'a list of addresses, networks and host names'), []),
    allowlist_include_members: optional(bool, false),
    http_extra_headers: headers,
    https_extra_headers: headers,
    request_queue_size: unused,
    server_tokens: unused,
  },
  'tell',
);

/** The section `restapi`. Others reach the server where it listens unless `connect_address` says otherwise. */
export const restSection: Field<RestConfig> = (value, place) => {
  const read = declaration(value ?? {}, place);
  if (read === wrong) return wrong;
  if (read.connect_address === null && isWildcard(read.listen.host)) {
    const why = 'host:port, how others reach this server: restapi.listen names no host';
    return refuse(child(place, 'connect_address'), 'missing', null, why);
  }
  const { certfile, verify_client: verifyClient } = read;
  const isPlain = certfile === null;
  if (isPlain && (read.keyfile !== null || read.cafile !== null || verifyClient !== 'none'))
    return refuse(child(place, 'certfile'), 'missing', null, 'a file name: without a certificate there is no HTTPS');
  const connectAddress = read.connect_address ?? read.listen;
  return {
    listen: read.listen,
    connectAddress,
    apiUrl: `${isPlain ? 'http' : 'https'}://${formatAddress(connectAddress)}/patroni`,
    authentication: read.authentication,
    tls: isPlain
      ? null
      : {
          certFile: certfile,
          keyFile: read.keyfile,
          keyPassword: read.keyfile_password,
          caFile: read.cafile,
          verifyClient,
          ciphers: read.ciphers,
        },
    allowlist: read.allowlist,
    allowlistIncludeMembers: read.allowlist_include_members,
    extraHeaders: { ...read.http_extra_headers, ...(isPlain ? {} : read.https_extra_headers) },
  };
};
