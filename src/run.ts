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
import { callbacksBetween, runCallbacks, type CallbackCommands } from './act/callbacks.ts';
import { refuseTakenName } from './act/taken-name.ts';
import { agent, type LearntTurn, type Reloaded } from './agent.ts';
import { describeError } from './base/errors.ts';
import type { AgentConfig } from './config/agent.ts';
import type { Turn } from './plan/plan.ts';
import type { AgentRequest } from './domain/request.ts';
import { agentSettings, openLifeline, openPorts } from './ports.ts';
import { readAgain, type AgentFile } from './reload.ts';
import { eventsOf } from './report/action-events.ts';
import type { AgentEvent } from './report/event.ts';
import { eventsBetween } from './report/events.ts';
import { createLogger, logEvents, logSettings } from './report/log.ts';
import { metricsPage, outcomeTally } from './report/metrics.ts';
import { openRest } from './report/rest.ts';
import type { RequestPolicy } from './report/rest/handler.ts';
import { loadTls } from './report/rest/tls.ts';
import type { Observation } from './view/observation.ts';

export interface RunOptions {
  readonly agentVersion: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly file: AgentFile;
  /** Called with what is to be done whenever the process is told to read its file again (SIGHUP). */
  readonly onHangup: (reload: () => void) => void;
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
export async function runAgent(
  config: AgentConfig,
  { agentVersion, env, file, onHangup, stop }: RunOptions,
): Promise<void> {
  let latest = config;
  const { settings: log, mistakes } = logSettings(config.log, env);
  const logger = createLogger(log);
  for (const mistake of mistakes) logger.warn({ mistake }, 'an environment variable is not understood');
  if (config.unused.length > 0)
    logger.info({ ha: config.ha, settings: config.unused }, 'settings that say nothing here');
  for (const note of config.notes) logger.warn({ note }, 'a setting was put right, or left out');

  const outside = openPorts(config, () => latest);
  const settings = agentSettings(config, agentVersion);
  if (config.managed !== null) {
    await refuseTakenName(settings.self, settings.keys, outside).catch((error: unknown) => {
      logger.fatal(describeError(error));
      throw error;
    });
  }
  const requests$ = new Subject<AgentRequest>();
  const lifelineEvents$ = new ReplaySubject<AgentEvent>(restEventsKept);
  const lifeline = openLifeline(
    config,
    () => latest,
    (text) => lifelineEvents$.next({ kind: 'lifeline_said', text }),
  );
  const reload$ = new Subject<null>();
  const reload = (): void => reload$.next(null);
  onHangup(reload);
  const reloads$ = reload$.pipe(
    concatMap(() => readAgain(latest, file)),
    map(({ adopted, problems }): Reloaded => {
      if (adopted === null) return { self: null, problems };
      latest = adopted.config;
      logger.level = logSettings(latest.log, env).settings.level;
      rest.adopt(requestPolicy(latest), adopted.tls);
      return { self: agentSettings(latest, agentVersion).self, problems };
    }),
  );
  const ports = { ...outside, lifeline, requests$, reloads$ };
  const tally = outcomeTally();
  const restEvents$ = new ReplaySubject<AgentEvent>(restEventsKept);
  const { tls } = config.restapi;
  const rest = await openRest({
    listen: config.restapi.listen,
    tls: tls === null ? null : await loadTls(tls),
    ...requestPolicy(config),
    reload,
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
    callbackEvents(() => latest, turns$),
  );
  // The one subscription of the program: when it completes the agent has left, when it fails there is a bug.
  await lastValueFrom(merge(turns$, logEvents(events$, logger)), { defaultValue: null }).finally(() => rest.close());
}

function requestPolicy({ restapi }: AgentConfig): RequestPolicy {
  return {
    access: {
      credentials: restapi.authentication,
      allowlist: { entries: restapi.allowlist, includeMembers: restapi.allowlistIncludeMembers },
      needsCertificate: restapi.tls !== null && restapi.tls.verifyClient !== 'none',
    },
    extraHeaders: restapi.extraHeaders,
  };
}

/** What the operator's commands at changes of the server came to; none where slotkeeper does not manage it. */
function callbackEvents(latest: () => AgentConfig, turns$: Observable<LearntTurn>): Observable<AgentEvent> {
  const { managed, scope } = latest();
  if (managed === null) return EMPTY;
  const commandsNow = (): CallbackCommands => (latest().managed ?? managed).postgresql.callbacks;
  const due$ = turns$.pipe(
    pairwise(),
    concatMap(([before, turn]) => from(callbacksBetween(before.view, turn))),
  );
  return runCallbacks(due$, { commandsNow, scope }).pipe(
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
      const own = ownEvents(turn.learnt);
      const events = [...own, ...eventsBetween(before, turn)];
      before = turn;
      return from(events);
    });
}

function ownEvents(learnt: Observation): readonly AgentEvent[] {
  if (learnt.kind === 'outcome') return eventsOf(learnt.outcome);
  return learnt.kind === 'reloaded' ? [{ kind: 'file_read_again', isTaken: learnt.self !== null }] : [];
}

function stopped(signal: AbortSignal): Observable<unknown> {
  return signal.aborted
    ? of(null)
    : new Observable((subscriber) => {
        signal.addEventListener('abort', () => subscriber.next(null), { once: true });
      });
}
