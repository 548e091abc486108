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

/**
 * Runs one call to Consul for at most `limitMs` on the agent's clock, or until `signal` is aborted; then the call is
 * aborted and ConsulError thrown, whether the call listens or not.
 */
export async function answerWithin<T>(
  clock: Clock,
  limitMs: number,
  signal: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (signal.aborted) throw new ConsulError('stopped', null);
  const inner = new AbortController();
  const giveUp = (): void => inner.abort();
  signal.addEventListener('abort', giveUp, { once: true });
  const finished = new AbortController();
  const given = call(inner.signal);
  const patience = pause(clock, limitMs, signal, finished.signal).then((): never => {
    throw new ConsulError(signal.aborted ? 'stopped' : `no answer from Consul within ${Math.round(limitMs)} ms`, null);
  });
  try {
    return await Promise.race([given, patience]);
  } finally {
    signal.removeEventListener('abort', giveUp);
    finished.abort();
    giveUp();
  }
}
