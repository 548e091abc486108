import type { PendingRestart, ServerPlan } from '../../domain/managed.ts';
import type { ManagedWork } from './managed-work.ts';
import { isStandbyOnDisk } from './recovery-signal.ts';
import { checkpointLocally, majorOf, startServer, stopServer } from './run-server.ts';

/**
 * Stops and starts the server in its role. A primary writes a checkpoint while it still serves, so that the one at its end
 * has little to do.
 */
export async function restartServer(work: ManagedWork, plan: ServerPlan, signal: AbortSignal): Promise<PendingRestart> {
  const isStandby = await isStandbyOnDisk(work.place.directory, await majorOf(work));
  if (!isStandby) await checkpointLocally(work, signal).catch(() => undefined);
  await stopServer(work, signal);
  return startServer(work, plan, isStandby ? 'standby' : 'as_it_is', signal);
}
