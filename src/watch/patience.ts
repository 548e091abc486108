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
export function within<T>(
  clock: Clock,
  limitMs: number,
  signal: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
  givenUp: (stopped: boolean) => Error,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) {
      reject(givenUp(true));
      return;
    }
    const inner = new AbortController();
    const giveUp = (): void => {
      end();
      reject(givenUp(signal.aborted));
      inner.abort(over);
    };
    const timer = clock.scheduler.schedule(giveUp, Math.max(0, limitMs));
    const end = (): void => {
      timer.unsubscribe();
      signal.removeEventListener('abort', giveUp);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    const answer = begun(call, inner.signal);
    answer.then(end, end);
    answer.then(resolve, reject);
  });
}

/** A call that throws before it has a promise is one that rejects. */
async function begun<T>(call: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  return call(signal);
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
