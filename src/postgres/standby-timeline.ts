import type { Connection } from './client.ts';
import { controlTimeline } from './sql/control-timeline.ts';
import { identifySystem } from './sql/identify-system.ts';
import type { LookRow } from './sql/look.ts';
import type { Statement } from './statement.ts';

export interface TimelineSources {
  readonly replicationConnection: (signal: AbortSignal) => Promise<Connection>;
  readonly ask: <Result>(statement: Statement<Result>, signal: AbortSignal) => Promise<Result>;
}

/**
 * A standby's timeline (FACTS 4). While it receives, the receiver says it. Otherwise `IDENTIFY_SYSTEM` does, on a
 * connection made for it, and the answer holds until anything more is received or replayed: a switch of timelines is
 * itself a record that is replayed. Where the role may not replicate, the control file is the next best.
 */
export function standbyTimeline(sources: TimelineSources): (row: LookRow, signal: AbortSignal) => Promise<number> {
  let known: { readonly at: string; readonly timeline: number } | null = null;

  const identify = async (signal: AbortSignal): Promise<number> => {
    const connection = await sources.replicationConnection(signal);
    try {
      return (await connection.run(identifySystem(), signal)).timeline;
    } finally {
      await connection.close();
    }
  };

  return async (row, signal) => {
    // Another status is one without a stream, which may last; 0 means that nothing has come yet.
    const received = row.receiver?.status === 'streaming' ? row.receiver.receivedTimeline : null;
    if (received !== null && received > 0) return received;
    const at = `${row.startedAtMs} ${row.receivedLsn ?? '-'} ${row.replayedLsn ?? '-'}`;
    if (known?.at === at) return known.timeline;
    try {
      const timeline = await identify(signal);
      known = { at, timeline };
      return timeline;
    } catch (error) {
      if (signal.aborted) throw error;
      return sources.ask(controlTimeline(), signal);
    }
  };
}
