import type { AccessOptions } from '../config/cluster-access.ts';
import { encodeFailover } from '../consul/codec/lead.ts';
import { leaderName, type ClusterKeys } from '../domain/cluster.ts';
import { defaultConfig } from '../domain/default-config.ts';
import { readTimestamp } from '../domain/timestamp.ts';
import { impossibleBecause } from '../report/rest/switchover-check.ts';
import { summarize } from './cluster-summary.ts';
import { withCluster, type ClusterReading } from './cluster.ts';
import { confirmed } from './confirmation.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';
import { UsageError } from './failure.ts';
import { listLines } from './list.ts';
import { scheduledTime } from './scheduled-time.ts';
import type { Terminal } from './terminal.ts';
import { waitForKeys } from './waiting.ts';

export interface HandoverOptions extends AccessOptions {
  /** From whom; null = from whoever leads. */
  readonly leader: string | null;
  /** To whom; null = to whoever fits best. */
  readonly candidate: string | null;
  readonly scheduled: string | null;
  /** Slots that are not ready on the candidate do not delay it. */
  readonly unreadySlots: boolean;
  /** Until another member leads. */
  readonly wait: boolean;
  /** Without asking. */
  readonly force: boolean;
}

type Action = 'switchover' | 'failover';

/** As long as Patroni's REST API waits for the result, with its default `loop_wait`. */
const patienceMs = 20_000;

/** Leaves the request in the key `failover`, where the agents find it also when no REST interface can be reached. */
export function handOver(action: Action, options: HandoverOptions, terminal: Terminal): Promise<ExitCode> {
  const scheduledAt = scheduledTime(options.scheduled);
  return withCluster(options, terminal, async (reading) => {
    const { keys, access, configProblems } = reading;
    const present = leaderName(keys);
    for (const line of listLines(summarize(access.scope, keys, configProblems), terminal)) terminal.out(line);
    const leader = action === 'failover' ? null : (options.leader ?? present);
    const { candidate } = options;
    refuse(action, { keys, leader, candidate, scheduledAt });

    const from = present === null ? '' : `, demoting the present leader ${present}`;
    const when = scheduledAt === null ? '' : ` at ${scheduledAt}`;
    const to = candidate === null ? '' : ` to ${candidate}`;
    const question = `Are you sure you want to ${action} the cluster ${access.scope}${to}${when}${from}?`;
    if (!options.force && !(await confirmed(terminal, question))) return exitCodes.failure;

    const value = encodeFailover({ leader, candidate, scheduledAt, force: options.unreadySlots });
    const index = keys.failover?.modifyIndex ?? 0;
    const written = await reading.consul.transact(
      [{ verb: 'cas', key: reading.names.failover, value, index }],
      terminal.stop,
    );
    if (written.kind === 'refused')
      throw new Error(`nothing was written, somebody else asked for the like meanwhile (${written.why}): look again`);
    if (scheduledAt !== null || !options.wait) {
      terminal.out(`${titled(action)} ${scheduledAt === null ? 'requested' : 'scheduled'}`);
      return exitCodes.ok;
    }
    return untilDone(action, reading, terminal, written.entries[0]?.modifyIndex ?? 0);
  });
}

/** What can be known to be wrong before anything is written. Throws UsageError or Error with the reason. */
function refuse(
  action: Action,
  asked: {
    readonly keys: ClusterKeys;
    readonly leader: string | null;
    readonly candidate: string | null;
    readonly scheduledAt: string | null;
  },
): void {
  const { keys, leader, candidate, scheduledAt } = asked;
  const config = keys.config?.value ?? defaultConfig;
  if (action === 'failover' && candidate === null)
    throw new UsageError('Failover could be performed only to a specific candidate (--candidate)');
  if (action === 'switchover' && leader === null) throw new Error('This cluster has no leader');
  if (candidate !== null && candidate === leaderName(keys))
    throw new Error(`Member ${candidate} is already the leader of the cluster`);
  if (config.pause && candidate === null)
    throw new UsageError('Switchover is possible only to a specific candidate in a paused state (--candidate)');
  if (config.pause && scheduledAt !== null) throw new Error("Can't schedule switchover in the paused state");
  if (scheduledAt !== null && (readTimestamp(scheduledAt)?.atWallMs ?? 0) < Date.now())
    throw new UsageError('Cannot schedule switchover in the past');
  const why = impossibleBecause({ action, leader, candidate }, keys, config);
  // Who can lead at a later time is not known now; who is not a member at all will not be one by then.
  if (why !== null && (scheduledAt === null || !why.includes('not possible'))) throw new Error(why);
}

async function untilDone(
  action: Action,
  reading: ClusterReading,
  terminal: Terminal,
  index: number,
): Promise<ExitCode> {
  const before = leaderName(reading.keys);
  const keys = await waitForKeys(reading, patienceMs, terminal.stop, (seen) => {
    const leader = leaderName(seen);
    const isOver = (leader !== null && leader !== before) || seen.failover === null;
    return { isEnough: isOver && seen.index >= index, seen };
  });
  const leader = leaderName(keys);
  const { access } = reading;
  if (leader === null || leader === before) {
    terminal.err(keys.failover === null ? `${titled(action)} failed` : `${titled(action)} status unknown`);
    return exitCodes.failure;
  }
  terminal.out(`Successfully ${action === 'failover' ? 'failed' : 'switched'} over to "${leader}"`);
  for (const line of listLines(summarize(access.scope, keys, []), terminal)) terminal.out(line);
  return exitCodes.ok;
}

function titled(action: Action): string {
  return action.charAt(0).toUpperCase() + action.slice(1);
}
