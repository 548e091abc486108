import { ConsulError, type ConsulPort } from '../../../src/consul/port.ts';
import type { Random } from '../random.ts';
import type { SimConsul } from '../sim-consul.ts';
import type { VirtualTime } from '../virtual-time.ts';
import { Barrier } from './barrier.ts';

/** What the real client allows one request. */
const requestMs = 10_000;
/** Requests that piled up are worked off within this time, in no order. */
const pileMs = 300;

/**
 * A Consul whose servers can be stopped and continued (SIGSTOP): what is asked meanwhile waits in the sockets' buffers and
 * takes effect afterwards, also when whoever asked has given up. Sessions whose time has come end then, before, between or
 * after the renewals that waited.
 */
export class FreezableConsul {
  readonly #time: VirtualTime;
  readonly #consul: SimConsul;
  readonly #works: Barrier;

  constructor(time: VirtualTime, random: Random, consul: SimConsul) {
    this.#time = time;
    this.#consul = consul;
    this.#works = new Barrier(time, () => random.next() * pileMs);
  }

  get isFrozen(): boolean {
    return !this.#works.isOpen;
  }

  freeze(): void {
    this.#works.close();
    // No session ends while nobody counts its time.
    this.#consul.running = false;
  }

  thaw(): void {
    this.#consul.running = true;
    this.#works.open();
  }

  port(port: ConsulPort): ConsulPort {
    const call = <T>(signal: AbortSignal, limitMs: number, ask: (signal: AbortSignal) => Promise<T>): Promise<T> =>
      new Promise<T>((resolve, reject) => {
        const end = (settle: () => void): void => {
          limit.cancelled = true;
          signal.removeEventListener('abort', onAbort);
          settle();
        };
        const giveUp = (why: string): void => {
          end(() => {
            reject(new ConsulError(`consul: ${why}`, null));
          });
        };
        const onAbort = (): void => {
          giveUp('given up');
        };
        const limit = this.#time.in(limitMs, () => {
          giveUp('no answer in time');
        });
        signal.addEventListener('abort', onAbort);
        this.#works
          .passed()
          .then(() => ask(new AbortController().signal))
          .finally(() => this.#works.passed())
          .then(
            (answer) => {
              end(() => {
                resolve(answer);
              });
            },
            (error: unknown) => {
              end(() => {
                reject(error instanceof Error ? error : new ConsulError('consul: failed', null));
              });
            },
          );
      });
    return {
      readPrefix: (prefix, { index, waitMs, signal }) =>
        call(signal, requestMs + waitMs + waitMs / 16, (inner) =>
          port.readPrefix(prefix, { index, waitMs, signal: inner }),
        ),
      transact: (operations, signal) => call(signal, requestMs, (inner) => port.transact(operations, inner)),
      createSession: (spec, signal) => call(signal, requestMs, (inner) => port.createSession(spec, inner)),
      renewSession: (id, signal) => call(signal, requestMs, (inner) => port.renewSession(id, inner)),
      destroySession: (id, signal) => call(signal, requestMs, (inner) => port.destroySession(id, inner)),
      registerService: (service, signal) => call(signal, requestMs, (inner) => port.registerService(service, inner)),
      deregisterService: (id, signal) => call(signal, requestMs, (inner) => port.deregisterService(id, inner)),
      updateTtlCheck: (id, status, output, signal) =>
        call(signal, requestMs, (inner) => port.updateTtlCheck(id, status, output, inner)),
    };
  }
}
