import { setTimeout as delay } from 'node:timers/promises';

export interface Patience {
  /** What is waited for, as it reads after "waited 5000 ms for". */
  readonly what: string;
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
}

/** Asks again and again until the answer is neither false nor absent and asking does not fail; resolves to that answer. */
export async function eventually<T>(
  ask: () => Promise<T> | T,
  { what, timeoutMs = 15_000, intervalMs = 25 }: Patience,
): Promise<Exclude<T, false | null | undefined>> {
  const startedAt = performance.now();
  for (;;) {
    let seen: string;
    let cause: unknown;
    try {
      const answer = await ask();
      if (answer !== false && answer !== null && answer !== undefined) {
        return answer as Exclude<T, false | null | undefined>;
      }
      seen = `the last answer was ${String(answer)}`;
    } catch (error) {
      cause = error;
      seen = error instanceof Error ? error.message : String(error);
    }
    const waitedMs = performance.now() - startedAt;
    if (waitedMs >= timeoutMs) throw new Error(`waited ${Math.round(waitedMs)} ms for ${what}: ${seen}`, { cause });
    await delay(intervalMs);
  }
}
