/** How loud a trouble is said that has lasted for some time. */
export type Loudness = 'info' | 'warn' | 'error';

/** Trouble younger than this mends itself more often than not: a reload, a restart, a new leader. */
const warnAfterMs = 10_000;
const errorAfterMs = 60_000;

export function loudnessOf(ageMs: number): Loudness {
  if (ageMs < warnAfterMs) return 'info';
  return ageMs < errorAfterMs ? 'warn' : 'error';
}

/**
 * Whether a trouble that goes on is to be said again: when it grows louder, and then each time its age has doubled, so
 * that a log of a whole night has a dozen lines of it and not one per turn.
 */
export function isSaidAgain(ageBeforeMs: number, ageMs: number): boolean {
  return stepOf(ageMs) > stepOf(ageBeforeMs);
}

function stepOf(ageMs: number): number {
  if (ageMs < warnAfterMs) return 0;
  return ageMs < errorAfterMs ? 1 : 2 + Math.floor(Math.log2(ageMs / errorAfterMs));
}

/**
 * A sentence without the positions, ids and times in it. Two sentences that differ only in those say the same, and the
 * second is no news; names keep their digits.
 */
export function withoutNumbers(sentence: string): string {
  return sentence.replaceAll(/\b[0-9A-F]+[/-][0-9A-F]+\b|\b[0-9]+(?:\.[0-9]+)?\b/g, '#');
}
