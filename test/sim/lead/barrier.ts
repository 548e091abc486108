import type { VirtualTime } from '../virtual-time.ts';

/** What passes while it is open, and waits while it is closed. */
export class Barrier {
  readonly #time: VirtualTime;
  /** How long after the opening each of those that waited passes. */
  readonly #delayMs: () => number;
  readonly #waiting: (() => void)[] = [];
  #isOpen = true;

  constructor(time: VirtualTime, delayMs: () => number) {
    this.#time = time;
    this.#delayMs = delayMs;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  close(): void {
    this.#isOpen = false;
  }

  /** Those that waited pass first to last, but for their delays; one that meanwhile finds it closed waits again. */
  open(): void {
    this.#isOpen = true;
    for (const pass of this.#waiting.splice(0)) {
      this.#time.in(this.#delayMs(), () => {
        this.whenOpen(pass);
      });
    }
  }

  whenOpen(pass: () => void): void {
    if (this.#isOpen) pass();
    else this.#waiting.push(pass);
  }

  passed(): Promise<void> {
    return new Promise((resolve) => {
      this.whenOpen(resolve);
    });
  }
}
