import type { SchedulerAction, SchedulerLike } from 'rxjs';
import type { Clock } from '../../../src/base/clock.ts';
import { type Life, virtualClock } from '../virtual-clock.ts';
import type { VirtualTime } from '../virtual-time.ts';
import { Barrier } from './barrier.ts';

/** One run of an agent's process: it can be killed, and it can be stopped for a while (SIGSTOP) and never know. */
export class SimProcess implements Life {
  alive = true;
  /** What the monotonic clock of this machine showed when the world began. */
  readonly originMs: number;
  readonly #time: VirtualTime;
  readonly #turn: Barrier;

  constructor(time: VirtualTime, originMs: number) {
    this.#time = time;
    this.originMs = originMs;
    this.#turn = new Barrier(time, () => 0);
  }

  get isFrozen(): boolean {
    return !this.#turn.isOpen;
  }

  freeze(): void {
    this.#turn.close();
  }

  /** Timers that are over and answers that have arrived meanwhile come all at once. */
  thaw(): void {
    if (this.isFrozen) this.#turn.open();
  }

  /** The clocks of this process. `wallJumpMs`: how far somebody has set the wall clock off. */
  clock(wallJumpMs: () => number): Clock {
    const real = virtualClock(this.#time, this, this.originMs);
    const turn = this.#turn;
    const scheduler: SchedulerLike = {
      now: () => real.scheduler.now(),
      schedule: <T>(work: (this: SchedulerAction<T>, state: T) => void, delayMs?: number, state?: T) =>
        real.scheduler.schedule<T>(
          function (given) {
            turn.whenOpen(() => {
              // rxjs itself declares `state` as possibly missing and hands it on as it came.
              if (!this.closed) work.call(this, given as T);
            });
          },
          delayMs,
          state,
        ),
    };
    return { monotonicMs: () => real.monotonicMs(), wallMs: () => real.wallMs() + wallJumpMs(), scheduler };
  }

  /** A port as this process uses it: while it is frozen nothing is sent and nothing that comes is heard. */
  port<T extends object>(port: T): T {
    const gated = Object.entries(port).map(([name, method]) => {
      const call = method as (...args: readonly unknown[]) => Promise<unknown>;
      return [
        name,
        async (...args: readonly unknown[]): Promise<unknown> => {
          await this.#turn.passed();
          return call(...args).finally(() => this.#turn.passed());
        },
      ];
    });
    return Object.fromEntries(gated) as T;
  }

  /** Resolves when this process has its turn; never once it is dead. */
  async turn(): Promise<void> {
    await this.#turn.passed();
    if (!this.alive) await new Promise<never>(() => undefined);
  }
}
