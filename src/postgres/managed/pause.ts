import type { Clock } from '../../base/clock.ts';

/** Over at once, without an error, when the signal is aborted: whoever waits looks at it then. */
export async function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return;
  await new Promise<void>((resolve) => {
    const timer = clock.scheduler.schedule(() => done(), ms);
    const done = (): void => {
      timer.unsubscribe();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    signal?.addEventListener('abort', done, { once: true });
  });
}
