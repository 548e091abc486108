/** Thrown when something that the code itself guarantees does not hold: always a bug in slotkeeper, never bad input. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Checks what must be true whatever the outside does. `what` is the sentence that is false. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new InvariantError(`this is a bug in slotkeeper: ${what}`);
}

/** Makes a `switch` over a union total at compile time. */
export function unreachable(value: never): never {
  throw new InvariantError(`this is a bug in slotkeeper: unexpected value ${JSON.stringify(value)}`);
}
