import {
  type CheckStatus,
  ConsulError,
  type ConsulPort,
  type PrefixRead,
  type ReadOptions,
  type ServiceSpec,
  TtlRefusedError,
} from '../../src/consul/port.ts';
import { type Commit, ConsulState } from './consul-state.ts';
import { callOver, type Gate, type LinkContext, type LinkFaults, type LinkTrouble } from './link.ts';
import type { Random } from './random.ts';
import type { Life } from './virtual-clock.ts';
import type { VirtualTime } from './virtual-time.ts';

const sessionExpiryLookMs = 200;
const usualTripMs = 3;
/** What the real client allows one request by default. */
const requestTimeoutMs = 10_000;

interface Waiter {
  readonly link: LinkFaults;
  readonly prefix: string;
  readonly index: number;
  readonly answer: () => void;
  readonly fail: (error: Error) => void;
}

/** One Consul with a client agent beside each of ours. */
export class SimConsul {
  readonly state: ConsulState;
  /** What each local client agent has registered: id → service. A restarted client agent has forgotten it. */
  readonly services = new Map<string, Map<string, ServiceSpec>>();
  sessionTtlMinSeconds = 10;
  running = true;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #waiters = new Set<Waiter>();
  readonly #gate: Gate | null;

  /** `gate`: holds back what is asked while Consul's servers stand still. */
  constructor(time: VirtualTime, random: Random, onCommit: (commit: Commit) => void, gate: Gate | null = null) {
    this.#time = time;
    this.#random = random;
    this.#gate = gate;
    this.state = new ConsulState(
      () => time.nowMs(),
      random.next,
      (commit) => {
        onCommit(commit);
        this.#wake();
      },
    );
    this.#expireSessions();
  }

  stop(): void {
    this.running = false;
    for (const waiter of this.#waiters) this.#reset(waiter);
  }

  /** Breaks the connections that are open over a link, blocked reads included. */
  resetConnections(link: LinkFaults): void {
    for (const waiter of this.#waiters) if (waiter.link === link) this.#reset(waiter);
  }

  start(data: 'kept' | 'lost'): void {
    if (data === 'lost') this.state.wipe();
    else this.state.renewAll();
    this.running = true;
  }

  /** The client agent beside `agent` restarts: its registrations are gone, the servers' sessions stay. */
  restartClientAgent(agent: string): void {
    this.services.delete(agent);
  }

  /** The port of one run of the agent `name`. Nothing is answered once `life` has ended. */
  connect(name: string, life: Life, faults: LinkFaults, told?: (trouble: LinkTrouble) => void): ConsulPort {
    const link: LinkContext = {
      time: this.#time,
      random: this.#random,
      life,
      faults,
      usualTripMs,
      broken: (why) => new ConsulError(`consul: ${why}`, null),
      patienceMs: requestTimeoutMs,
      gate: this.#gate,
      ...(told === undefined ? {} : { told }),
    };
    const call = <T>(signal: AbortSignal, effect: () => T): Promise<T> =>
      callOver(link, signal, () => {
        this.#requireLeader(link);
        return effect();
      });
    const services = (): Map<string, ServiceSpec> => {
      const known = this.services.get(name) ?? new Map<string, ServiceSpec>();
      this.services.set(name, known);
      return known;
    };
    return {
      readPrefix: (prefix, options) => this.#readPrefix(link, prefix, options),
      transact: (operations, signal) => call(signal, () => this.state.transact(name, operations)),
      createSession: (spec, signal) =>
        call(signal, () => {
          const min = this.sessionTtlMinSeconds;
          if (spec.ttlSeconds < min) {
            const nanos = `${String(spec.ttlSeconds)}000000000`;
            throw new TtlRefusedError(
              `Invalid Session TTL '${nanos}', must be between [${String(min)}s=24h0m0s]`,
              min,
              86_400,
            );
          }
          return this.state.createSession(name, spec);
        }),
      renewSession: (id, signal) => call(signal, () => (this.state.renew(id) ? 'renewed' : 'gone')),
      destroySession: (id, signal) =>
        call(signal, () => {
          this.state.endSession(id);
        }),
      registerService: (service, signal) =>
        call(signal, () => {
          services().set(service.id, service);
        }),
      deregisterService: (id, signal) =>
        call(signal, () => {
          services().delete(id);
        }),
      updateTtlCheck: (checkId: string, _status: CheckStatus, _output: string, signal: AbortSignal) =>
        call(signal, () => {
          const known = [...services().values()].some((service) =>
            service.checks.some((check) => check.id === checkId),
          );
          return known ? 'updated' : 'unknown';
        }),
    };
  }

  #requireLeader({ told }: LinkContext): void {
    if (this.running) return;
    told?.('no leader');
    throw new ConsulError('No cluster leader', 500);
  }

  /** The blocking read: the question travels, waits at the server, and the answer travels back. */
  async #readPrefix(link: LinkContext, prefix: string, options: ReadOptions): Promise<PrefixRead> {
    const { index, waitMs, signal } = options;
    const first = await callOver(link, signal, () => {
      this.#requireLeader(link);
      return this.state.list(prefix);
    });
    if (index === 0 || first.index > index) return first;
    await this.#changed(link, prefix, index, waitMs + (waitMs / 16) * this.#random.next(), signal);
    return callOver(link, signal, () => this.state.list(prefix));
  }

  #changed(link: LinkContext, prefix: string, index: number, waitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const end = (settle: () => void): void => {
        this.#waiters.delete(waiter);
        timeout.cancelled = true;
        signal.removeEventListener('abort', onAbort);
        if (link.life.alive) settle();
      };
      const onAbort = (): void => {
        end(() => {
          reject(new ConsulError('consul: given up', null));
        });
      };
      const answer = (): void => {
        end(resolve);
      };
      const waiter: Waiter = {
        link: link.faults,
        prefix,
        index,
        answer,
        fail: (error) => {
          end(() => {
            reject(error);
          });
        },
      };
      const timeout = this.#time.in(waitMs, answer);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.add(waiter);
      // Something may have changed while the first look travelled home.
      if (this.state.list(prefix).index > index) answer();
    });
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) {
      if (this.state.list(waiter.prefix).index > waiter.index) this.#time.in(0, waiter.answer);
    }
  }

  #reset(waiter: Waiter): void {
    this.#time.in(0, () => {
      waiter.fail(new ConsulError('consul: connection reset', null));
    });
  }

  #expireSessions(): void {
    if (this.running) this.state.expireDue();
    this.#time.in(
      sessionExpiryLookMs,
      () => {
        this.#expireSessions();
      },
      false,
    );
  }
}
