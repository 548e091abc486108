import type { ServerPlan } from '../../domain/managed.ts';
import { ServerError } from '../port.ts';
import { signalReload } from './configure.ts';
import type { ManagedWork } from './managed-work.ts';
import { isStandbyOnDisk } from './recovery-signal.ts';
import { restartServer } from './restart.ts';
import { majorOf } from './run-server.ts';
import { giveTimelinesBack } from './taken-timelines.ts';
import { writeUpstream } from './upstream-conf.ts';

/** From this version on a walreceiver goes by the new `primary_conninfo` after a reload. */
const reloadIsEnoughSince = 13;

export async function followUpstream(work: ManagedWork, plan: ServerPlan, signal: AbortSignal): Promise<void> {
  const major = await majorOf(work);
  if (!(await isStandbyOnDisk(work.place.directory, major))) {
    throw new ServerError('follow: the server is no standby (any more)', 'refused', null);
  }
  await giveTimelinesBack(work.place.directory);
  const changed = await writeUpstream(work, plan, major);
  if (major < reloadIsEnoughSince) {
    if (changed) await restartServer(work, plan, signal);
    return;
  }
  // Also when nothing changed: an earlier attempt may have written it and not lived to tell the server.
  await signalReload(work);
}
