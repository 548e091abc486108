import type { Clock } from '../../base/clock.ts';
import type { Connection } from '../client.ts';
import { ServerError } from '../port.ts';
import { pause } from './pause.ts';
import type { Postmaster } from './postmaster.ts';

const pauseMs = 15;
/** A server that recovers for longer is left to it: what becomes of it is seen by looking at it. */
const recoveringMs = 3_000;

/**
 * Waits until a server accepts connections, or has been recovering for a while. Throws with the end of its log when it has
 * ended, and as soon as the signal is aborted.
 */
export async function untilStarted(
  postmaster: Postmaster,
  connect: (signal: AbortSignal) => Promise<Connection>,
  clock: Clock,
  signal: AbortSignal,
): Promise<'accepting' | 'recovering'> {
  const startedAtMs = clock.monotonicMs();
  for (;;) {
    if (signal.aborted) throw new ServerError('start the server: given up', 'timeout', null);
    const ended = postmaster.ended();
    if (ended !== null) throw await failedStart(postmaster, ended);
    const answer = await connect(signal).then(
      async (connection) => {
        await connection.close();
        return null;
      },
      (error: unknown) => error,
    );
    if (answer === null) return 'accepting';
    // An answer that it refuses us for another reason than its start is one of a server that runs.
    if (answer instanceof ServerError && answer.trouble === 'refused') return 'accepting';
    const recovers = answer instanceof ServerError && answer.trouble === 'starting';
    if (recovers && clock.monotonicMs() - startedAtMs > recoveringMs) return 'recovering';
    await pause(clock, pauseMs, signal);
  }
}

async function failedStart(postmaster: Postmaster, how: string): Promise<ServerError> {
  const said = await postmaster.said();
  return new ServerError(`start the server: it ${how}${said === '' ? '' : `: ${said}`}`, 'not_running', null);
}
