import { Subscription, type SchedulerAction, type SchedulerLike } from 'rxjs';
import type { Clock } from '../../src/base/clock.ts';
import type { Due, VirtualTime } from './virtual-time.ts';

/** Monday morning in 2024: wall time in traces and records starts here. */
const wallOriginMs = Date.UTC(2024, 0, 1);

/** Whether the process whose clock this is still runs. A killed agent's timers never fire again. */
export interface Life {
  readonly alive: boolean;
  /** Runs at once, or when a process that stands still (SIGSTOP) goes on. Without it the process never stands still. */
  readonly whenAwake?: (run: () => void) => void;
}

/** What happens to a process that lives: at once, or when it goes on, unless it has died by then. */
export function toLiving(life: Life, run: () => void): void {
  if (!life.alive) return;
  if (life.whenAwake === undefined) {
    run();
    return;
  }
  life.whenAwake(() => {
    if (life.alive) run();
  });
}

/**
 * The Clock of one agent on the world's virtual time. Its monotonic clock starts at `originMs`, since two machines
 * never agree on it.
 */
export function virtualClock(time: VirtualTime, life: Life, originMs: number): Clock {
  const now = (): number => originMs + time.nowMs();
  const scheduler: SchedulerLike = {
    now,
    schedule<T>(work: (this: SchedulerAction<T>, state: T) => void, delayMs = 0, state?: T): Subscription {
      // rxjs itself declares `state` as possibly missing and hands it on as it came.
      return new VirtualAction<T>(time, life, work).schedule(state, delayMs);
    },
  };
  return { monotonicMs: now, wallMs: () => wallOriginMs + time.nowMs(), scheduler };
}

/** One scheduled piece of work of an rxjs operator, which may schedule itself again. */
class VirtualAction<T> extends Subscription implements SchedulerAction<T> {
  readonly #time: VirtualTime;
  readonly #life: Life;
  readonly #work: (this: SchedulerAction<T>, state: T) => void;
  #due: Due | null = null;

  constructor(time: VirtualTime, life: Life, work: (this: SchedulerAction<T>, state: T) => void) {
    super();
    this.#time = time;
    this.#life = life;
    this.#work = work;
    this.add(() => {
      this.#cancel();
    });
  }

  schedule(state?: T, delayMs = 0): Subscription {
    if (this.closed) return this;
    this.#cancel();
    this.#due = this.#time.in(delayMs, () => {
      this.#due = null;
      toLiving(this.#life, () => {
        if (!this.closed) this.#work.call(this, state as T);
      });
    });
    return this;
  }

  #cancel(): void {
    if (this.#due !== null) this.#due.cancelled = true;
    this.#due = null;
  }
}
