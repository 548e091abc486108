/** How the waits between attempts grow. All times in milliseconds. */
export interface BackoffPolicy {
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
}

/**
 * The wait before attempt `attempt` (1 = after the first failure). `fraction` in [0, 1) spreads the waits of many
 * agents over the upper half of the interval; it is an argument so that pure code can derive it from a name.
 */
export function backoffMs(policy: BackoffPolicy, attempt: number, fraction: number): number {
  const grown = Math.min(policy.maxMs, policy.firstMs * policy.factor ** Math.max(0, attempt - 1));
  return Math.round(grown / 2 + (grown / 2) * fraction);
}

/** A fixed number in [0, 1) for a text: spreads agents without randomness, so that planning stays a pure function. */
export function fractionOf(text: string): number {
  // FNV-1a, 32 bits.
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    hash ^= text.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  return (hash >>> 0) / 0x1_0000_0000;
}
