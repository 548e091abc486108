import { PgCluster } from '../pg-cluster.ts';
import type { PgServer } from '../pg-server.ts';
import type { Random } from '../random.ts';
import type { VirtualTime } from '../virtual-time.ts';
import type { Host } from './host.ts';
import { refusalByNumber } from './lines.ts';
import { Pairs } from './pairs.ts';

/** The streams between servers that slotkeeper manages. They go by timeline numbers, as PostgreSQL's do. */
export class LeadCluster extends PgCluster {
  readonly hosts = new Map<string, Host>();
  /** Servers that do not reach each other. */
  readonly apart = new Pairs();
  readonly #diverged: (standby: PgServer, upstream: PgServer) => void;

  constructor(
    time: VirtualTime,
    random: Random,
    told: (server: PgServer, what: string) => void,
    diverged: (standby: PgServer, upstream: PgServer) => void,
  ) {
    super(time, random, told);
    this.#diverged = diverged;
  }

  addHost(host: Host): void {
    this.hosts.set(host.name, host);
    this.add(host.server);
  }

  override obstacle(standby: PgServer): string | null {
    const { upstream } = standby;
    if (upstream === null) return 'no upstream';
    if (standby.state !== 'up' || upstream.state !== 'up') return 'a server is down';
    if (this.areApart(standby, upstream)) return 'the link is broken';
    if (this.#host(standby).systemIdentifier !== this.#host(upstream).systemIdentifier)
      return 'database system identifier differs';
    if (standby.primarySlotName !== '' && !upstream.slots.has(standby.primarySlotName)) return 'no such physical slot';
    const refusal = refusalByNumber(standby, upstream);
    if (refusal !== null) return refusal;
    if (standby.received < upstream.oldestWal) return 'requested WAL segment has been removed';
    if (!upstream.branch.contains(standby.branch, standby.received)) {
      this.#diverged(standby, upstream);
      return 'it has diverged and cannot know';
    }
    return null;
  }

  /** Whether no connection between the two servers works. */
  areApart(a: PgServer, b: PgServer): boolean {
    const isCutOff = ({ name }: PgServer): boolean => this.streams.get(name)?.broken === true;
    return isCutOff(a) || isCutOff(b) || this.apart.areApart(a.name, b.name);
  }

  #host(server: PgServer): Host {
    const host = this.hosts.get(server.name);
    if (host === undefined) throw new RangeError(`no host ${server.name}`);
    return host;
  }
}
