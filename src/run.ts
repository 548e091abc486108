import {
  concatMap,
  defer,
  EMPTY,
  finalize,
  from,
  lastValueFrom,
  map,
  merge,
  Observable,
  of,
  pairwise,
  ReplaySubject,
  share,
  Subject,
  tap,
} from 'rxjs';
import { callbacksBetween, runCallbacks } from './act/callbacks.ts';
import { refuseTakenName } from './act/taken-name.ts';
import { agent, type LearntTurn } from './agent.ts';
import { describeError } from './base/errors.ts';
import type { AgentConfig } from './config/agent.ts';
import type { Turn } from './plan/plan.ts';
import type { AgentRequest } from './domain/request.ts';
import { agentSettings, openLifeline, openPorts } from './ports.ts';
import { eventsOf } from './report/action-events.ts';
import type { AgentEvent } from './report/event.ts';
import { eventsBetween } from './report/events.ts';
import { createLogger, logEvents, logSettings } from './report/log.ts';
import { metricsPage, outcomeTally } from './report/metrics.ts';
import { openRest } from './report/rest.ts';
import { loadTls } from './report/rest/tls.ts';

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
 * in order. Rejects when it cannot begin (TakenNameError, ListenError, a TLS file of Consul's that cannot be
 * read) or on a bug.
 */
export async function runAgent(config: AgentConfig, { agentVersion, env, stop }: RunOptions): Promise<void> {
  const { settings: log, mistakes } = logSettings(config.log, env);
  const logger = createLogger(log);
  for (const mistake of mistakes) logger.warn({ mistake }, 'an environment variable is not understood');
  if (config.unused.length > 0)
    logger.info({ ha: config.ha, settings: config.unused }, 'settings that say nothing here');
  for (const note of config.notes) logger.warn({ note }, 'a setting was put right, or left out');

  const outside = openPorts(config);
  const settings = agentSettings(config, agentVersion);
  if (config.managed !== null) {
    await refuseTakenName(settings.self, settings.keys, outside).catch((error: unknown) => {
      logger.fatal(describeError(error));
      throw error;
    });
  }
  const requests$ = new Subject<AgentRequest>();
  const lifelineEvents$ = new ReplaySubject<AgentEvent>(restEventsKept);
  const lifeline = openLifeline(config, (text) => lifelineEvents$.next({ kind: 'lifeline_said', text }));
  const ports = { ...outside, lifeline, requests$ };
  const tally = outcomeTally();
  const restEvents$ = new ReplaySubject<AgentEvent>(restEventsKept);
  const { tls } = config.restapi;
  const rest = await openRest({
    listen: config.restapi.listen,
    tls: tls === null ? null : await loadTls(tls),
    access: {
      credentials: config.restapi.authentication,
      allowlist: { entries: config.restapi.allowlist, includeMembers: config.restapi.allowlistIncludeMembers },
      needsCertificate: tls !== null && tls.verifyClient !== 'none',
    },
    extraHeaders: config.restapi.extraHeaders,
    commands: config.managed === null ? null : { failoverKey: settings.keys.failover, ask: (it) => requests$.next(it) },
    clock: ports.clock,
    report: (event) => restEvents$.next(event),
    config: { consul: ports.consul, key: settings.keys.config },
    metrics: (moment) => metricsPage(moment, tally),
  });

  const turns$ = agent(settings, ports, stopped(stop)).pipe(
    tap((turn) => rest.show(turn)),
    tap(({ learnt }) => (learnt.kind === 'outcome' ? tally.count(learnt.outcome) : undefined)),
    finalize(() => {
      restEvents$.complete();
      lifelineEvents$.complete();
    }),
    share(),
  );
  const events$ = merge(
    restEvents$,
    lifelineEvents$,
    turns$.pipe(concatMap(eventsOfTurns())),
    callbackEvents(config, turns$),
  );
  // The one subscription of the program: when it completes the agent has left, when it fails there is a bug.
  await lastValueFrom(merge(turns$, logEvents(events$, logger)), { defaultValue: null }).finally(() => rest.close());
}

/** What the operator's commands at changes of the server came to; none where slotkeeper does not manage it. */
function callbackEvents({ managed, scope }: AgentConfig, turns$: Observable<LearntTurn>): Observable<AgentEvent> {
  if (managed === null) return EMPTY;
  const due$ = turns$.pipe(
    pairwise(),
    concatMap(([before, turn]) => from(callbacksBetween(before.view, turn))),
  );
  return runCallbacks(due$, { commands: managed.postgresql.callbacks, scope }).pipe(
    map(({ callback, trouble, output }) => ({
      kind: 'callback_ended',
      callback: callback.kind,
      role: callback.role,
      trouble,
      output,
    })),
  );
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
