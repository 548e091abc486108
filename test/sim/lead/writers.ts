import type { Lsn } from '../../../src/domain/lsn.ts';
import type { Random } from '../random.ts';
import type { VirtualTime } from '../virtual-time.ts';
import type { Branch } from '../wal.ts';
import type { Host } from './host.ts';
import type { LeadCluster } from './lead-cluster.ts';

interface Commit {
  readonly host: Host;
  readonly branch: Branch;
  readonly end: Lsn;
  readonly starts: number;
}

/** Clients that write all the time to every server that lets them, a stale primary, too. */
export class Writers {
  isAtRest = false;
  /** Up to where each line has been acknowledged to somebody; what lies before that on the same line has been, too. */
  readonly acknowledged = new Map<Branch, Lsn>();
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #cluster: LeadCluster;
  /** Whether an acknowledgement given now is one that the cluster has promised to keep. */
  readonly #isKept: () => boolean;
  readonly #counted: (what: string) => void;
  #waiting: Commit[] = [];

  constructor(
    time: VirtualTime,
    random: Random,
    cluster: LeadCluster,
    isKept: () => boolean,
    counted: (what: string) => void,
  ) {
    this.#time = time;
    this.#random = random;
    this.#cluster = cluster;
    this.#isKept = isKept;
    this.#counted = counted;
    this.#go(random.int(60, 400));
  }

  #go(paceMs: number): void {
    this.#write();
    this.#acknowledge();
    this.#time.in(
      this.#random.int(10, paceMs),
      () => {
        this.#go(paceMs);
      },
      false,
    );
  }

  #write(): void {
    if (this.isAtRest) return;
    for (const host of this.#cluster.hosts.values()) {
      if (!host.isWritable) continue;
      const { server } = host;
      server.end(server.begin(60n), 'commit', 40n);
      this.#waiting.push({ host, branch: server.branch, end: server.branch.end, starts: server.starts });
    }
  }

  #acknowledge(): void {
    this.#waiting = this.#waiting.filter((commit) => {
      const { host, branch, end, starts } = commit;
      // A session that was cut off never hears of its commit.
      if (host.server.starts !== starts || !host.isWritable) return false;
      if (!this.#isReplicated(host, end)) return true;
      const isKept = this.#isKept();
      this.#counted(isKept ? 'acknowledged writes in synchronous mode' : 'other acknowledged writes');
      if (isKept && end > (this.acknowledged.get(branch) ?? 0n)) this.acknowledged.set(branch, end);
      return false;
    });
  }

  #isReplicated(host: Host, end: Lsn): boolean {
    const wanted = parsedNames(host.synchronousStandbyNames ?? '');
    if (wanted.count === 0) return true;
    const have = [...this.#cluster.hosts.values()].filter(
      ({ name, server }) =>
        server.streaming &&
        server.upstream === host.server &&
        server.received >= end &&
        (wanted.names.includes('*') || wanted.names.includes(name)),
    );
    return have.length >= wanted.count;
  }
}

/** `synchronous_standby_names`: `a,b`, `2 (a,b)`, `FIRST 1 (a)`, `ANY 2 (a,b)`, `*`; nobody = 0. */
export function parsedNames(text: string): { readonly count: number; readonly names: readonly string[] } {
  const match = /^\s*(?:(?:first|any)\s+)?(\d+)\s*\((.*)\)\s*$/i.exec(text);
  const names = (match?.[2] ?? text)
    .split(',')
    .map((name) => name.trim().replaceAll('"', ''))
    .filter((name) => name !== '');
  return { count: names.length === 0 ? 0 : Number(match?.[1] ?? 1), names };
}
