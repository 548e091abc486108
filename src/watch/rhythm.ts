import type { Subscription } from 'rxjs';
import type { Clock } from '../base/clock.ts';

/** Until a pace is told. */
const firstPaceMs = 1_000;

/** When to look again: one pace after the last look was over, or at once when somebody nudges. */
export class Rhythm {
  readonly #clock: Clock;
  #paceMs = firstPaceMs;
  /** A nudge during a look: what it is about may be newer than the answer. */
  #isNudged = false;
  /** Ends the wait that is going on. */
  #wake: (() => void) | null = null;
  #waitsSinceMs = 0;
  #timer: Subscription | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The newest pace counts, also for a wait that has begun. */
  setPace(paceMs: number): void {
    if (paceMs === this.#paceMs) return;
    this.#paceMs = paceMs;
    if (this.#wake !== null) this.#setTimer(this.#wake);
  }

  nudge(): void {
    if (this.#wake === null) this.#isNudged = true;
    else this.#wake();
  }

  /** Resolves when it is time. One wait at a time. */
  wait(): Promise<void> {
    if (this.#isNudged) {
      this.#isNudged = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      // Counted from here: a pace that changes all the time must not put the next look off for ever.
      this.#waitsSinceMs = this.#clock.monotonicMs();
      this.#wake = () => {
        this.#timer?.unsubscribe();
        this.#wake = null;
        resolve();
      };
      this.#setTimer(this.#wake);
    });
  }

  #setTimer(wake: () => void): void {
    this.#timer?.unsubscribe();
    const leftMs = this.#waitsSinceMs + this.#paceMs - this.#clock.monotonicMs();
    this.#timer = this.#clock.scheduler.schedule(wake, Math.max(0, leftMs));
  }
}
