import {
  concatMap,
  defer,
  finalize,
  from,
  lastValueFrom,
  merge,
  Observable,
  of,
  ReplaySubject,
  share,
  tap,
} from 'rxjs';
import { agent, type LearntTurn } from './agent.ts';
import type { AgentConfig } from './config/agent.ts';
import type { Turn } from './plan/plan.ts';
import { agentSettings, openPorts } from './ports.ts';
import { eventsOf } from './report/action-events.ts';
import type { AgentEvent } from './report/event.ts';
import { eventsBetween } from './report/events.ts';
import { createLogger, logEvents, logSettings } from './report/log.ts';
import { metricsPage, outcomeTally } from './report/metrics.ts';
import { openRest } from './report/rest.ts';

export interface RunOptions {
  readonly agentVersion: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted when the agent is to leave: it hands over what it holds, and PostgreSQL stays as it is. */
  readonly stop: AbortSignal;
}

/** What the REST server says before anybody listens is no more than that it listens. */
const restEventsKept = 16;

/**
 * The daemon: the loop of `agent.ts` and everything that tells about it. Resolves when it was told to stop and has left
 * in order. Rejects when it cannot begin (ListenError, a TLS file of Consul's that cannot be read) or on a bug.
 */
export async function runAgent(config: AgentConfig, { agentVersion, env, stop }: RunOptions): Promise<void> {
  const { settings: log, mistakes } = logSettings(config.log, env);
  const logger = await createLogger(log);
  for (const mistake of mistakes) logger.warn({ mistake }, 'an environment variable is not understood');
  if (config.unused.length > 0) logger.info({ settings: config.unused }, 'settings that say nothing in observe mode');

  const ports = openPorts(config);
  const settings = agentSettings(config, agentVersion);
  const tally = outcomeTally();
  const restEvents$ = new ReplaySubject<AgentEvent>(restEventsKept);
  const rest = await openRest({
    listen: config.restapi.listen,
    tls: null,
    credentials: config.restapi.authentication,
    clock: ports.clock,
    report: (event) => restEvents$.next(event),
    config: { consul: ports.consul, key: settings.keys.config },
    metrics: (moment) => metricsPage(moment, tally),
  });

  const turns$ = agent(settings, ports, stopped(stop)).pipe(
    tap((turn) => rest.show(turn)),
    tap(({ learnt }) => (learnt.kind === 'outcome' ? tally.count(learnt.outcome) : undefined)),
    finalize(() => restEvents$.complete()),
    share(),
  );
  const events$ = merge(restEvents$, turns$.pipe(concatMap(eventsOfTurns())));
  // The one subscription of the program: when it completes the agent has left, when it fails there is a bug.
  await lastValueFrom(merge(turns$, logEvents(events$, logger)), { defaultValue: null }).finally(() => rest.close());
}

/** What each turn says that the one before did not, and what became of an action. */
function eventsOfTurns(): (turn: LearntTurn) => Observable<AgentEvent> {
  let before: Turn | null = null;
  return (turn) =>
    defer(() => {
      const own = turn.learnt.kind === 'outcome' ? eventsOf(turn.learnt.outcome) : [];
      const events = [...own, ...eventsBetween(before, turn)];
      before = turn;
      return from(events);
    });
}

function stopped(signal: AbortSignal): Observable<unknown> {
  return signal.aborted
    ? of(null)
    : new Observable((subscriber) => {
        signal.addEventListener('abort', () => subscriber.next(null), { once: true });
      });
}
