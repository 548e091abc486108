/** One thing that is due at a moment of virtual time. */
export interface Due {
  readonly atMs: number;
  readonly run: () => void;
  /** Whether the code under test may react: its promises are then drained before the next event. */
  readonly wakes: boolean;
  readonly order: number;
  cancelled: boolean;
}

/**
 * Lets every promise that can settle do so: a tick comes when no microtask is left. An immediate would do, too, but each
 * costs a round of the event loop, which is more than most events.
 */
const drained = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

/**
 * Time that passes only when an event is taken. Events of the same moment are taken in the order in which they were
 * asked for, so that a run depends on its seed alone.
 */
export class VirtualTime {
  #nowMs = 0;
  #order = 0;
  readonly #heap: Due[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  /** Runs `run` in `delayMs`. `wakes: false` is for events of the world that no promise of an agent waits for. */
  in(delayMs: number, run: () => void, wakes = true): Due {
    const atMs = this.#nowMs + Math.max(0, delayMs);
    const due: Due = { atMs, run, wakes, order: this.#order, cancelled: false };
    this.#order += 1;
    this.#push(due);
    return due;
  }

  /** Takes the next event and waits until nothing is runnable before the one after it; false = there is none until `untilMs`. */
  async step(untilMs: number): Promise<boolean> {
    const next = this.#take(untilMs);
    if (next === null) return false;
    next.run();
    if (next.wakes) await drained();
    return true;
  }

  /**
   * Takes one event after the other until `untilMs`, or until `goesOn`, which is asked after each, says no. Resolves to how
   * many there were. Nothing is waited for after an event that wakes nobody: that costs more than most of those.
   */
  async run(untilMs: number, goesOn: () => boolean): Promise<number> {
    let events = 0;
    for (let next = this.#take(untilMs); next !== null; next = this.#take(untilMs)) {
      events += 1;
      next.run();
      if (next.wakes) await drained();
      if (!goesOn()) break;
    }
    return events;
  }

  /** The next event, at whose moment it then is; null = there is none until `untilMs`, and it is then. */
  #take(untilMs: number): Due | null {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      this.#pop();
      if (next.cancelled) continue;
      this.#nowMs = next.atMs;
      return next;
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
    return null;
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let child = heap.push(due) - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (before(heap[parent]!, due)) break;
      heap[child] = heap[parent]!;
      child = parent;
    }
    heap[child] = due;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let parent = 0;
    for (;;) {
      let child = 2 * parent + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (before(last, heap[child]!)) break;
      heap[parent] = heap[child]!;
      parent = child;
    }
    heap[parent] = last;
  }
}

function before(a: Due, b: Due): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
