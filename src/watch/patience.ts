import type { Clock } from '../base/clock.ts';
import { ConsulError } from '../consul/port.ts';

/** Resolves after `ms` (null = no limit), or as soon as one of the signals is aborted. Never rejects. */
export function pause(clock: Clock, ms: number | null, ...signals: readonly AbortSignal[]): Promise<void> {
  if (signals.some((signal) => signal.aborted)) return Promise.resolve();
  return new Promise((resolve) => {
    const over = (): void => {
      timer?.unsubscribe();
      for (const signal of signals) signal.removeEventListener('abort', over);
      resolve();
    };
    const timer = ms === null ? null : clock.scheduler.schedule(over, Math.max(0, ms));
    for (const signal of signals) signal.addEventListener('abort', over, { once: true });
  });
}

/** Aborting without a reason makes an error with a stack each time, which costs more than most calls. */
const over = 'over';

/**
 * Runs one call for at most `limitMs` on the agent's clock, or until `signal` is aborted; then the call is aborted and
 * what `givenUp` makes is thrown, whether the call listens or not.
 */
export async function within<T>(
  clock: Clock,
  limitMs: number,
  signal: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
  givenUp: (stopped: boolean) => Error,
): Promise<T> {
  if (signal.aborted) throw givenUp(true);
  const inner = new AbortController();
  const giveUp = (): void => inner.abort(over);
  signal.addEventListener('abort', giveUp, { once: true });
  const finished = new AbortController();
  const given = call(inner.signal);
  const patience = pause(clock, limitMs, signal, finished.signal).then((): never => {
    throw givenUp(signal.aborted);
  });
  try {
    return await Promise.race([given, patience]);
  } finally {
    signal.removeEventListener('abort', giveUp);
    finished.abort(over);
    giveUp();
  }
}

/** One call to Consul: ConsulError when it is given up. */
export function answerWithin<T>(
  clock: Clock,
  limitMs: number,
  signal: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  return within(clock, limitMs, signal, call, (stopped) => {
    return new ConsulError(stopped ? 'stopped' : `no answer from Consul within ${Math.round(limitMs)} ms`, null);
  });
}
