import type { Upstream } from '../../../src/domain/lead.ts';
import type { ServerPlan } from '../../../src/domain/managed.ts';
import type { ManagedServer } from '../../../src/postgres/managed-port.ts';
import { ServerError } from '../../../src/postgres/port.ts';
import type { Random } from '../random.ts';
import type { VirtualTime } from '../virtual-time.ts';
import type { Host } from './host.ts';
import type { LeadCluster } from './lead-cluster.ts';
import { forkByNumber } from './lines.ts';
import type { SimProcess } from './sim-process.ts';

export interface ManagedDeps {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly cluster: LeadCluster;
  readonly host: Host;
  readonly process: SimProcess;
  readonly newSystemIdentifier: () => string;
}

const pollMs = 50;
/** A server that recovers for longer counts as started. */
const startPatienceMs = 5_000;

/**
 * What one run of an agent can have done to its server. What `pg_ctl` and its kin were asked for goes on when the agent
 * is dead or frozen; what the agent itself does between two of them does not.
 */
export function simManaged({ time, random, cluster, host, process, newSystemIdentifier }: ManagedDeps): ManagedServer {
  const { server } = host;
  const broken = (what: string): ServerError => new ServerError(what, 'other', null);
  /** Resolves when `isOver`, which may throw. */
  const until = (signal: AbortSignal, isOver: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!process.alive) return;
        try {
          if (signal.aborted) throw broken('given up');
          if (isOver()) process.whenAwake(resolve);
          else time.in(pollMs, look);
        } catch (error) {
          process.whenAwake(() => {
            reject(error instanceof Error ? error : broken('failed'));
          });
        }
      };
      look();
    });
  const passed = async (signal: AbortSignal, ms: number, check: () => void = () => undefined): Promise<void> => {
    const endMs = time.nowMs() + ms;
    await until(signal, () => {
      check();
      return time.nowMs() >= endMs;
    });
  };
  const sourceOf = (source: Upstream): Host => {
    const found = cluster.hosts.get(source.host);
    if (found?.server.state !== 'up' || cluster.areApart(server, found.server))
      throw broken(`could not connect to ${source.host}`);
    return found;
  };
  const configured = (plan: ServerPlan): void => {
    host.plan = plan;
    const { upstream } = plan;
    const above = upstream === null ? undefined : cluster.hosts.get(upstream.host);
    server.upstream = above === undefined || above === host ? null : above.server;
    server.primarySlotName = upstream?.slot ?? '';
    server.upstreamDatabase = 'postgres';
  };
  const written = (term: number): void => {
    host.term = { member: host.name, systemIdentifier: host.systemIdentifier, term };
    host.isUnled = false;
  };
  const started = async (isPrimary: boolean, signal: AbortSignal): Promise<void> => {
    if (host.faults.startFails) throw broken('pg_ctl: could not start server');
    if (!host.isDown) throw broken('another server might be running');
    host.start(isPrimary);
    const sinceMs = time.nowMs();
    await until(signal, () => {
      if (host.isDown) throw broken(server.panic ?? 'the server ended while it started');
      return server.state === 'up' || time.nowMs() - sinceMs > startPatienceMs;
    });
  };
  const stoppedFast = async (signal: AbortSignal): Promise<void> => {
    host.stopFast();
    await until(signal, () => host.isDown);
  };

  return {
    inspect: async (signal) => {
      await passed(signal, 20);
      return host.disk();
    },
    recall: async (signal) => {
      await passed(signal, 5);
      return { term: host.term, isUnled: host.isUnled, configText: host.savedConfig };
    },
    saveConfig: async (text, signal) => {
      await passed(signal, 5);
      if (server.state !== 'up') throw broken('no server runs there');
      host.savedConfig = text;
    },
    bootstrap: async (plan, mayOpen, signal) => {
      if (host.directory !== 'empty') throw broken('initdb: directory is not empty');
      host.directory = 'bootstrap';
      await passed(signal, 500 + 1_500 * random.next());
      await process.turn();
      host.initdb(newSystemIdentifier());
      host.directory = 'bootstrap';
      host.isPrivate = true;
      configured(plan);
      await started(true, signal);
      await passed(signal, 500, () => {
        if (host.isDown) throw broken('the server ended during the bootstrap');
      });
      await process.turn();
      await mayOpen();
      host.directory = 'cluster';
      host.admit();
    },
    endCopy: () => undefined,
    clone: async (source, _url, signal) => {
      if (host.directory !== 'empty') throw broken('pg_basebackup: directory is not empty');
      sourceOf(source);
      host.directory = 'clone';
      await passed(signal, host.faults.cloneMs * (0.2 + 0.8 * random.next()), () => sourceOf(source));
      host.copyOf(sourceOf(source));
      host.counted('copies of a server');
      await process.turn();
      host.directory = 'cluster';
    },
    restore: () => Promise.reject(broken('it has no backup')),
    removeData: async (signal) => {
      if (host.isPrivate) host.crash('its bootstrap is given up');
      if (!host.isDown) throw broken('a server runs there');
      await passed(signal, 200);
      await process.turn();
      host.removeData();
    },
    start: async (plan, term, signal) => {
      if (host.directory !== 'cluster') throw broken('pg_ctl: no data directory');
      configured(plan);
      if (term !== null) written(term);
      await passed(signal, 30 * random.next());
      await process.turn();
      await started(term !== null, signal);
      return new Map();
    },
    stop: async (mode, signal) => {
      if (mode === 'immediate') {
        if (!host.isDown) host.counted('servers stopped at once by their agent');
        host.crash('stopped at once by its agent');
      } else await stoppedFast(signal);
    },
    promote: async (term, newestTimeline, signal) => {
      if (server.state !== 'up' || server.role !== 'standby') throw broken('pg_ctl: it is not a running standby');
      written(term);
      await passed(signal, 100 * random.next());
      await process.turn();
      host.promote(newestTimeline);
      await until(signal, () => {
        if (server.state !== 'up') throw broken('the server ended while it was promoted');
        return server.role === 'primary';
      });
    },
    checkpoint: (signal) => passed(signal, 300 * random.next()),
    recordTerm: (term) => {
      written(term);
      return Promise.resolve();
    },
    follow: async (plan, signal) => {
      await passed(signal, 50);
      await process.turn();
      if (server.state !== 'up' || server.role !== 'standby') throw broken('it is not a running standby');
      configured(plan);
      host.reload();
      cluster.reload(server);
    },
    readLine: () => Promise.reject(broken('there is no other cluster')),
    rewind: async (source, _url, signal) => {
      if (!host.isDown || host.directory !== 'cluster')
        throw broken('pg_rewind: target server must be shut down cleanly');
      const from = sourceOf(source);
      if (from.systemIdentifier !== host.systemIdentifier)
        throw broken('source and target clusters are from different systems');
      if (server.branch.at(server.received).timeline === from.server.branch.timeline) {
        // "no rewind required": to pg_rewind the same number is the same line.
        server.role = 'standby';
        host.term = null;
        return;
      }
      host.directory = 'rewind';
      await passed(signal, 300 + 2_000 * random.next(), () => sourceOf(source));
      const fork = forkByNumber(server, from.server);
      const isMixed = host.isMixed || !from.server.branch.contains(server.branch, fork);
      host.copyOf(from);
      host.isMixed ||= isMixed;
      host.counted('rewinds');
      await process.turn();
      host.directory = 'cluster';
    },
    configure: async (plan, signal) => {
      await passed(signal, 50);
      await process.turn();
      configured(plan);
      host.reload();
      return new Map();
    },
    restart: async (plan, signal) => {
      const isPrimary = server.role === 'primary';
      await stoppedFast(signal);
      await process.turn();
      configured(plan);
      await started(isPrimary, signal);
      return new Map();
    },
  };
}
