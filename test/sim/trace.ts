/** What happened, in order: the last lines for people, a hash of all of them to tell two runs apart. */
export class Trace {
  readonly #lines: string[] = [];
  readonly #keep: number;
  readonly #nowMs: () => number;
  #hash = 0x811c9dc5;
  #count = 0;

  constructor(nowMs: () => number, keep: number) {
    this.#nowMs = nowMs;
    this.#keep = keep;
  }

  add(who: string, what: string): void {
    const line = `${(this.#nowMs() / 1000).toFixed(3).padStart(8)}s ${who.padEnd(8)} ${what}`;
    this.mark(line);
    this.#lines.push(line);
    if (this.#lines.length > 2 * this.#keep) this.#lines.splice(0, this.#keep);
  }

  /** Goes into the digest only: what happens so often that nobody would read it. */
  mark(what: string): void {
    for (let i = 0; i < what.length; i += 1) this.#hash = Math.imul(this.#hash ^ what.charCodeAt(i), 0x01000193);
    this.#count += 1;
  }

  /** The last lines, oldest first. */
  tail(): readonly string[] {
    return this.#lines.slice(-this.#keep);
  }

  /** Equal for two runs that did the same. */
  digest(): string {
    return `${this.#count}-${(this.#hash >>> 0).toString(16).padStart(8, '0')}`;
  }
}
