import { isIPv6 } from 'node:net';

/** Where a server listens or is reached. IPv6 hosts without brackets. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `host:port`, `[v6]:port` or a host alone; undefined when it is none of these. Patroni also takes an IPv6 address
 * without brackets and what follows its last colon for the port.
 */
export function parseAddress(text: string, defaultPort: number): HostPort | undefined {
  const trimmed = text.trim();
  const [, bracketed, plain, digits] = /^(?:\[([^\][]+)\]|([^\s,/:@[\]]+))(?::([0-9]{1,5}))?$/.exec(trimmed) ?? [];
  const [, bare, bareDigits] = /^([0-9a-fA-F.:]+):([0-9]{1,5})$/.exec(trimmed) ?? [];
  const host = bracketed ?? plain ?? bare;
  const port = Number(digits ?? bareDigits ?? defaultPort);
  if (host === undefined || (plain === undefined && !isIPv6(host))) return undefined;
  return port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/** Where PostgreSQL listens: several hosts with one port, `host[,host…]:port`. */
export interface ListenAddress {
  readonly hosts: readonly string[];
  readonly port: number;
}

export function parseListen(text: string, defaultPort: number): ListenAddress | undefined {
  const parts = text.split(',').map((part) => part.trim());
  const last = parseAddress(parts.at(-1) ?? '', defaultPort);
  if (last === undefined) return undefined;
  const others = parts.slice(0, -1).map((part) => parseAddress(part.includes(':') ? `[${part}]` : part, last.port));
  const addresses = [...others, last];
  return addresses.every((it) => it !== undefined)
    ? { hosts: addresses.map(({ host }) => host), port: last.port }
    : undefined;
}

/** `host:port`, with brackets where the host is an IPv6 address. */
export function formatAddress({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

export function isWildcard(host: string): boolean {
  return host === '*' || host === '0.0.0.0' || host === '::';
}
