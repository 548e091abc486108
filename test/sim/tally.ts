/** How often each thing has happened, by the words for it. */
export type Counts = ReadonlyMap<string, number>;

/** Counts what happens in a history: that histories are short must not mean that nothing happens in them. */
export class Tally {
  readonly #counts = new Map<string, number>();

  get counts(): Counts {
    return this.#counts;
  }

  readonly count = (what: string): void => {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  };

  add(others: Counts): void {
    for (const [what, times] of others) this.#counts.set(what, (this.#counts.get(what) ?? 0) + times);
  }
}
