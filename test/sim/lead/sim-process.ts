import type { Clock } from '../../../src/base/clock.ts';
import { type Life, virtualClock } from '../virtual-clock.ts';
import type { VirtualTime } from '../virtual-time.ts';
import { Barrier } from './barrier.ts';

/**
 * One run of an agent's process: it can be killed, and it can be stopped for a while (SIGSTOP) and never know. Everything
 * that wakes it, timers and answers, goes through `whenAwake`: while it stands still nothing is sent and nothing is heard.
 */
export class SimProcess implements Life {
  alive = true;
  /** What the monotonic clock of this machine showed when the world began. */
  readonly originMs: number;
  /** Timers that are over and answers that have arrived meanwhile come all at once when it goes on. */
  readonly whenAwake: (run: () => void) => void;
  readonly #time: VirtualTime;
  readonly #turn: Barrier;
  #frozenAtMs = 0;

  constructor(time: VirtualTime, originMs: number) {
    this.#time = time;
    this.originMs = originMs;
    this.#turn = new Barrier(time, () => 0);
    this.whenAwake = (run) => {
      this.#turn.whenOpen(run);
    };
  }

  get isFrozen(): boolean {
    return !this.#turn.isOpen;
  }

  /** How long it has been standing still; 0 = it does not. */
  get frozenForMs(): number {
    return this.isFrozen ? this.#time.nowMs() - this.#frozenAtMs : 0;
  }

  freeze(): void {
    if (!this.isFrozen) this.#frozenAtMs = this.#time.nowMs();
    this.#turn.close();
  }

  thaw(): void {
    if (this.isFrozen) this.#turn.open();
  }

  /** The clocks of this process. `wallJumpMs`: how far somebody has set the wall clock off. */
  clock(wallJumpMs: () => number): Clock {
    const real = virtualClock(this.#time, this, this.originMs);
    return {
      monotonicMs: () => real.monotonicMs(),
      wallMs: () => real.wallMs() + wallJumpMs(),
      scheduler: real.scheduler,
    };
  }

  /** Resolves when this process has its turn; never once it is dead. */
  async turn(): Promise<void> {
    await this.#turn.passed();
    if (!this.alive) await new Promise<never>(() => undefined);
  }
}
