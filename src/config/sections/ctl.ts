import {
  child,
  isMap,
  object,
  optional,
  ownValue,
  bool,
  secret,
  text,
  wrong,
  type Field,
  type Place,
} from '../field.ts';
import type { RestConfig } from './restapi.ts';

/** How a command, or another member, talks to the members' REST interfaces. */
export interface RestAccess {
  /** For what changes something; null = none are known. */
  readonly credentials: { readonly username: string; readonly password: string } | null;
  /** Certificates of members are not verified. */
  readonly insecure: boolean;
  /** File with the authorities that vouch for the members' certificates; null = the well-known ones. */
  readonly caFile: string | null;
  /** The command's own certificate and key; null = it has none. */
  readonly certFile: string | null;
  readonly keyFile: string | null;
  readonly keyPassword: string | null;
}

const file = optional(text('a file name'), null);
const credentials = optional(
  object({ username: text('a user name'), password: secret(text('a password')) }, 'tell'),
  null,
);

const section = object(
  {
    authentication: credentials,
    insecure: optional(bool, false),
    cacert: file,
    certfile: file,
    keyfile: file,
    keyfile_password: optional(secret(text('a text')), null),
  },
  'tell',
);

/**
 * How this member talks to the others: as `ctl` says, else as its own REST interface is asked. As in Patroni a certificate is
 * verified only where an authority is named: members know each other by Consul.
 */
export const peerAccess =
  (rest: RestConfig): Field<RestAccess> =>
  (value, place) => {
    const read = section(value ?? {}, place);
    if (read === wrong) return wrong;
    const caFile = read.cacert ?? rest.tls?.caFile ?? null;
    const own = read.certfile === null ? rest.tls : null;
    return {
      credentials: read.authentication ?? rest.authentication,
      insecure: read.insecure || caFile === null,
      caFile,
      certFile: own?.certFile ?? read.certfile,
      keyFile: own === null ? read.keyfile : own.keyFile,
      keyPassword: own === null ? read.keyfile_password : own.keyPassword,
    };
  };

/** The section `ctl` of a whole configuration file, with what `restapi` says where `ctl` does not, as in patronictl. */
export function restAccess(whole: unknown, place: Place): RestAccess | typeof wrong {
  const partOf = (map: unknown, key: string): unknown => (isMap(map) ? ownValue(map, key) : undefined);
  const read = section(partOf(whole, 'ctl') ?? {}, child(place, 'ctl'));
  const rest = partOf(whole, 'restapi');
  const shared = credentials(partOf(rest, 'authentication'), child(child(place, 'restapi'), 'authentication'));
  const cafile = file(partOf(rest, 'cafile'), child(child(place, 'restapi'), 'cafile'));
  if (read === wrong || shared === wrong || cafile === wrong) return wrong;
  return {
    credentials: read.authentication ?? shared,
    insecure: read.insecure,
    caFile: read.cacert ?? cafile,
    certFile: read.certfile,
    keyFile: read.keyfile,
    keyPassword: read.keyfile_password,
  };
}
