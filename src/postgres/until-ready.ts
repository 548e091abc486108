import type { Clock } from '../base/clock.ts';
import type { Connection } from './client.ts';
import { type DataDirectory, postmasterPid } from './data-directory.ts';
import { ServerError } from './port.ts';

const pauseMs = 25;

/**
 * Waits until a server that was started accepts connections. After `withinMs` it is left alone as long as it runs: it
 * may have much to replay. Throws when it has gone down again.
 */
export async function untilReady(
  directory: DataDirectory,
  connect: () => Promise<Connection>,
  { clock, withinMs }: { readonly clock: Clock; readonly withinMs: number },
): Promise<void> {
  const deadline = clock.monotonicMs() + withinMs;
  for (;;) {
    try {
      await (await connect()).close();
      return;
    } catch (error) {
      const answered = error instanceof ServerError && error.sqlstate !== null;
      if (!answered && (await postmasterPid(directory)) === null) throw error;
      // An answer that it refuses us for another reason than its start is one of a server that runs.
      if (error instanceof ServerError && error.trouble === 'refused') return;
      if (clock.monotonicMs() >= deadline) return;
    }
    await new Promise<void>((resolve) => {
      clock.scheduler.schedule(() => resolve(), pauseMs);
    });
  }
}
