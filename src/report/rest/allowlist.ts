import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

/** From where unsafe requests are taken: addresses, networks (`10.0.0.0/8`) and host names. */
export interface Allowlist {
  readonly entries: readonly string[];
  /** Also from the hosts on which members have their REST interface. */
  readonly includeMembers: boolean;
}

/**
 * Whether `address` may ask for something that changes things. `memberUrls`: the members' REST interfaces, where they
 * count. Names are looked up each time, since what they mean may change; one that can't be resolved allows nobody.
 */
export async function isAllowed(
  allowlist: Allowlist,
  address: string | undefined,
  memberUrls: readonly string[],
): Promise<boolean> {
  const { entries, includeMembers } = allowlist;
  if (entries.length === 0 && !includeMembers) return true;
  if (address === undefined) return false;
  const hosts = includeMembers ? memberUrls.flatMap(hostIn) : [];
  const { networks, names } = sorted([...entries, ...hosts]);
  if (contains(networks, address)) return true;
  const found = await Promise.all(names.map(addressesOf));
  return found.flat().some((one) => contains(sorted([one]).networks, address));
}

function sorted(entries: readonly string[]): { readonly networks: BlockList; readonly names: readonly string[] } {
  const networks = new BlockList();
  const names: string[] = [];
  for (const entry of entries) {
    const [host = '', bits] = entry.trim().split('/');
    const family = familyOf(host);
    if (family === null) names.push(entry.trim());
    else if (bits === undefined) networks.addAddress(plain(host), family);
    else networks.addSubnet(host, Number(bits), family);
  }
  return { networks, names };
}

function contains(networks: BlockList, address: string): boolean {
  const family = familyOf(plain(address));
  return family !== null && networks.check(plain(address), family);
}

function familyOf(host: string): 'ipv4' | 'ipv6' | null {
  const version = isIP(plain(host));
  return version === 0 ? null : version === 4 ? 'ipv4' : 'ipv6';
}

/** A socket that takes both kinds shows IPv4 clients as `::ffff:10.0.0.1`. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=[0-9]+\.)/i, '');
}

async function addressesOf(name: string): Promise<readonly string[]> {
  try {
    return (await lookup(name, { all: true })).map(({ address }) => address);
  } catch {
    return [];
  }
}

function hostIn(url: string): readonly string[] {
  return URL.canParse(url) ? [new URL(url).hostname.replaceAll(/[[\]]/g, '')] : [];
}
