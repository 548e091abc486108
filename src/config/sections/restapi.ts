import { formatAddress, isWildcard, parseAddress, type HostPort } from '../address.ts';
import { child, object, optional, parsed, refuse, secret, text, unsupported, wrong, type Field } from '../field.ts';

/** The agent's own HTTP server; the section `restapi`. */
export interface RestConfig {
  readonly listen: HostPort;
  /** Where others reach it. */
  readonly connectAddress: HostPort;
  /** Goes into the member key, as Patroni writes it. */
  readonly apiUrl: string;
  /** Who may change something (basic authentication); null = everybody. */
  readonly authentication: { readonly username: string; readonly password: string } | null;
}

const defaultPort = 8008;
const address: Field<HostPort> = parsed('host:port', (raw) => parseAddress(raw, defaultPort));
const noTls = unsupported('slotkeeper does not serve HTTPS yet; put a proxy in front, or take it out');
const noAllowlist = unsupported('slotkeeper does not have allow lists yet; use restapi.authentication or a firewall');

const declaration = object(
  {
    listen: optional(address, { host: '127.0.0.1', port: defaultPort }),
    connect_address: optional(address, null),
    authentication: optional(
      object({ username: text('a user name'), password: secret(text('a password')) }, 'tell'),
      null,
    ),
    certfile: noTls,
    keyfile: noTls,
    keyfile_password: noTls,
    cafile: noTls,
    ciphers: noTls,
    verify_client: noTls,
    allowlist: noAllowlist,
    allowlist_include_members: noAllowlist,
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
  const connectAddress = read.connect_address ?? read.listen;
  return {
    listen: read.listen,
    connectAddress,
    apiUrl: `http://${formatAddress(connectAddress)}/patroni`,
    authentication: read.authentication,
  };
};
