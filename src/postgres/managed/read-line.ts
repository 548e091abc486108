import type { RemoteLine, Upstream } from '../../domain/lead.ts';
import { connect } from '../client.ts';
import { ServerError } from '../port.ts';
import { identifySystem } from '../sql/identify-system.ts';
import { isInRecovery } from '../sql/recovery-state.ts';
import { timelineHistory } from '../sql/timeline-history.ts';
import { historyOf } from './inspect.ts';
import type { ManagedWork } from './managed-work.ts';
import { replicationRole } from './upstream-conf.ts';

/** On a connection like that of a stream, which is what the answer is for: who may stream may ask. */
export async function readLine(
  work: ManagedWork,
  source: Upstream,
  systemIdentifier: string,
  signal: AbortSignal,
): Promise<RemoteLine> {
  const { address, timeouts } = work.settings;
  const place = { host: source.host, port: source.port, database: address.database };
  const options = { connectTimeoutMs: timeouts.connectMs, statementTimeoutMs: timeouts.lookMs, replication: true };
  const connection = await connect(place, replicationRole(work), options, signal);
  try {
    const system = await connection.run(identifySystem(), signal);
    if (system.systemIdentifier !== systemIdentifier) {
      const why = `the system identifier of ${source.host}:${source.port} is ${system.systemIdentifier}, not ${systemIdentifier}`;
      throw new ServerError(`read the timelines: ${why}`, 'refused', null);
    }
    const { timeline } = system;
    // The first timeline has no file.
    const switches = timeline === 1 ? [] : await connection.run(timelineHistory(timeline), signal);
    const isPrimary = !(await connection.run(isInRecovery(), signal));
    const here = await historyOf(work.place.directory, timeline);
    return { timeline, switches, isPrimary, beganHere: here.at(-1)?.lsn ?? null };
  } finally {
    await connection.close();
  }
}
