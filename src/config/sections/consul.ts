import { parseAddress, type HostPort } from '../address.ts';
import {
  bool,
  child,
  choice,
  integer,
  list,
  object,
  optional,
  parsed,
  refuse,
  secret,
  text,
  wrong,
  type Field,
} from '../field.ts';

/** How Consul is reached and what is registered there; the section `consul`. Certificates and keys are paths. */
export interface ConsulConfig {
  readonly host: string;
  readonly port: number;
  readonly scheme: 'http' | 'https';
  /** At most one of `token` and `tokenFile` is given; the file is read again when it changes. */
  readonly token: string | null;
  readonly tokenFile: string | null;
  readonly dc: string | null;
  readonly consistency: 'default' | 'consistent' | 'stale';
  /** Whether Consul's certificate must be good. */
  readonly verify: boolean;
  readonly cacert: string | null;
  /** Client certificate and its key; both or none. */
  readonly cert: string | null;
  readonly key: string | null;
  /** Node checks that the session is bound to. */
  readonly checks: readonly string[];
  readonly registerService: boolean;
  readonly serviceTags: readonly string[];
  readonly serviceCheckIntervalSeconds: number;
  readonly serviceCheckTlsServerName: string | null;
  /** slotkeeper's own (`ha: manage`): whether the death of an agent or server is to free the leader key at once. */
  readonly fastFailover: boolean;
}

const defaultPort = 8500;

const url: Field<HostPort & { scheme: 'http' | 'https' }> = parsed(
  'http(s)://host:port without user and path',
  (raw) => {
    const match = /^(?:(https?):\/\/)?([^/]+)\/?$/.exec(raw);
    const address = parseAddress(match?.[2] ?? '', defaultPort);
    return address === undefined ? undefined : { ...address, scheme: match?.[1] === 'https' ? 'https' : 'http' };
  },
);

const host: Field<HostPort> = parsed('host or host:port', (raw) => parseAddress(raw, defaultPort));

/** Durations in Consul's notation; a number alone counts seconds. */
const duration: Field<number> = parsed('a duration such as 5s, 500ms or 1m', (raw) => {
  const match = /^([0-9]{1,6}(?:\.[0-9]{1,3})?)(ms|s|m|h)?$/.exec(raw);
  const seconds =
    Number(match?.[1]) * { ms: 0.001, s: 1, m: 60, h: 3600 }[(match?.[2] ?? 's') as 'ms' | 's' | 'm' | 'h'];
  return seconds > 0 ? seconds : undefined;
});

const name = text('a text');

const declaration = object(
  {
    host: optional(host, null),
    port: optional(integer(1, 65_535), null),
    url: optional(url, null),
    scheme: optional(choice('http', 'https'), null),
    token: optional(secret(name), null),
    token_file: optional(name, null),
    dc: optional(name, null),
    consistency: optional(choice('default', 'consistent', 'stale'), 'default'),
    verify: optional(bool, true),
    cacert: optional(name, null),
    cert: optional(name, null),
    key: optional(name, null),
    checks: optional(list(name, 'a list of check names'), []),
    register_service: optional(bool, true),
    service_tags: optional(list(name, 'a list of tags'), []),
    service_check_interval: optional(duration, 5),
    service_check_tls_server_name: optional(name, null),
    fast_failover: optional(bool, true),
  },
  'tell',
);

/** The section `consul`. `url` wins over `host`, `port` and `scheme`; nothing at all means the agent on this host. */
export const consulSection: Field<ConsulConfig> = (value, place) => {
  const read = declaration(value, place);
  if (read === wrong) return wrong;
  if (read.token !== null && read.token_file !== null) {
    return refuse(child(place, 'token_file'), 'value', read.token_file, 'only one of token and token_file');
  }
  if (read.key !== null && read.cert === null) {
    return refuse(child(place, 'cert'), 'missing', null, 'the certificate that belongs to consul.key');
  }
  const address = read.url ?? read.host ?? { host: '127.0.0.1', port: defaultPort };
  return {
    host: address.host,
    port: read.url === null ? (read.port ?? address.port) : address.port,
    scheme: read.url?.scheme ?? read.scheme ?? 'http',
    token: read.token,
    tokenFile: read.token_file,
    dc: read.dc,
    consistency: read.consistency,
    verify: read.verify,
    cacert: read.cacert,
    cert: read.cert,
    // One file may hold both.
    key: read.key ?? read.cert,
    checks: read.checks,
    registerService: read.register_service,
    serviceTags: read.service_tags,
    serviceCheckIntervalSeconds: read.service_check_interval,
    serviceCheckTlsServerName: read.service_check_tls_server_name,
    fastFailover: read.fast_failover,
  };
};
