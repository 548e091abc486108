/**
 * Seeded randomness (sfc32): the only source of chance in the simulator, so that one seed replays a whole history.
 * Each part of the world forks a stream of its own; a draw that is added in one part then leaves the others alone.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, stream = 0) {
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 0x1_0000_0000) | 0;
    this.#c = stream | 0;
    // Close seeds start with close states: the first rounds mix them.
    for (let round = 0; round < 15; round += 1) this.next();
  }

  /** A number in [0, 1). */
  readonly next = (): number => {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    this.#c |= 0;
    return (sum >>> 0) / 0x1_0000_0000;
  };

  /** A whole number from `low` to `high`, both included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.next() * items.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }

  /** A stream of its own, that depends on this one's seed and on its own number only. */
  fork(): Random {
    return new Random(Math.floor(this.next() * 0x1_0000_0000), Math.floor(this.next() * 0x1_0000_0000));
  }
}
