export type Pair = readonly [string, string];

/** Which two of several do not reach each other. */
export class Pairs {
  readonly #apart = new Set<string>();

  part(a: string, b: string): void {
    this.#apart.add(keyOf(a, b));
  }

  join(a: string, b: string): void {
    this.#apart.delete(keyOf(a, b));
  }

  joinAll(): void {
    this.#apart.clear();
  }

  areApart(a: string, b: string): boolean {
    return this.#apart.has(keyOf(a, b));
  }
}

function keyOf(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
