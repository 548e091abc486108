import {
  concat,
  defer,
  distinctUntilChanged,
  filter,
  ignoreElements,
  interval,
  map,
  merge,
  observeOn,
  queueScheduler,
  share,
  Subject,
  takeUntil,
  tap,
  type Observable,
} from 'rxjs';
import { execute } from './act/act.ts';
import { guardKeeper } from './act/guard.ts';
import type { ServiceConfig } from './act/executors.ts';
import { createExecutors } from './act/executors.ts';
import type { Clock } from './base/clock.ts';
import { equal } from './base/equal.ts';
import type { DecodeConfig } from './consul/codec.ts';
import type { ScopeKeys } from './consul/keys.ts';
import type { ConsulPort, SessionSpec } from './consul/port.ts';
import { laneOf } from './domain/action.ts';
import type { AgentRequest } from './domain/request.ts';
import type { Turn } from './plan/plan.ts';
import { plan } from './plan/plan.ts';
import type { Peers } from './peer/port.ts';
import type { Lifeline, ManagedServer } from './postgres/managed-port.ts';
import type { LocalServer } from './postgres/port.ts';
import { lanes } from './rx/lanes.ts';
import { farewell } from './act/farewell.ts';
import { fold, initialView } from './view/fold.ts';
import { guardOf, leadingTerm } from './view/lease.ts';
import type { Observation } from './view/observation.ts';
import type { Self } from './view/view.ts';
import { watchLocal } from './watch/local.ts';
import { watchPrefix } from './watch/prefix.ts';
import { sessionSpec } from './watch/session-spec.ts';
import { keepSession } from './watch/session.ts';

/** Everything outside the agent: the simulator hands in its own. */
export interface AgentPorts {
  readonly consul: ConsulPort;
  readonly server: LocalServer;
  /** All three null where slotkeeper does not manage the server (`ha: observe`). */
  readonly managed: ManagedServer | null;
  readonly lifeline: Lifeline | null;
  readonly peers: Peers | null;
  /** What operators ask of this member. */
  readonly requests$: Observable<AgentRequest>;
  /** What reading the agent's file again came to. */
  readonly reloads$: Observable<Reloaded>;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
}

/** `self` null = the file is wrong, and nothing changes. */
export type Reloaded = Pick<Extract<Observation, { kind: 'reloaded' }>, 'self' | 'problems'>;

export interface AgentSettings {
  readonly self: Self;
  readonly keys: ScopeKeys;
  readonly service: ServiceConfig;
  readonly decodeConfig: DecodeConfig;
  readonly sessionChecks: readonly string[];
}

/** A turn, and what was learnt that led to it. */
export interface LearntTurn extends Turn {
  readonly learnt: Observation;
}

/**
 * The agent: everything that is learnt is folded into one View, a Plan is made of it, the Plan's actions are begun, and
 * what becomes of them is learnt again. Emits each Turn; everything that reports subscribes to that. Completes when
 * `stop$` has emitted, running actions have ended and Consul has been told; errors only on a bug.
 */
export function agent(settings: AgentSettings, ports: AgentPorts, stop$: Observable<unknown>): Observable<LearntTurn> {
  return defer(() => {
    const { consul, server, managed, peers, clock, random } = ports;
    const { self, keys } = settings;
    const first = initialView(self, clock.monotonicMs(), clock.wallMs());
    const turns$ = new Subject<Turn>();
    const running$ = turns$.pipe(takeUntil(stop$));
    const executors = createExecutors({
      ...{ consul, server, managed, peers, keys },
      ...{ member: self.name, service: settings.service },
    });
    const guard = guardKeeper(ports.lifeline);
    const now = (): { atMs: number; wallMs: number } => ({ atMs: clock.monotonicMs(), wallMs: clock.wallMs() });

    // What is done. Ends after the last action that was running when the agent was told to stop.
    const done$ = lanes(running$.pipe(map((turn) => turn.plan.actions)), {
      laneOf,
      run: (action, signal) => execute(action, executors, clock, signal, guard.ready),
      started: (action): Observation => ({ kind: 'started', action, ...now() }),
    }).pipe(share());
    const outcomes$ = done$.pipe(filter((event) => event.kind === 'outcome'));

    // What is learnt from outside, until the agent is told to stop.
    const watched$ = merge(
      watchPrefix({
        ...{ consul, keys, decodeConfig: settings.decodeConfig, clock, random },
        // Something has changed that the read which is held should have told.
        doubt$: outcomes$.pipe(filter(({ outcome }) => outcome.kind === 'failed' && outcome.failure.refused)),
      }),
      keepSession({
        consul,
        clock,
        random,
        renewEveryMs: self.ha === 'manage' ? managedRenewalMs : undefined,
        spec$: running$.pipe(
          // What Consul says comes first: a session with another ttl than the cluster's would be replaced at once. And a
          // leader keeps its session: the key is bound to it.
          filter(({ view }) => view.consul.keys !== null && (self.ha === 'observe' || leadingTerm(view) === null)),
          map(({ view }) => sessionSpec(settings, view)),
          distinctUntilChanged<SessionSpec>((a, b) => equal(a, b)),
        ),
        suspect$: outcomes$.pipe(filter(({ outcome }) => outcome.kind === 'failed' && outcome.failure.sessionDead)),
      }),
      watchLocal({
        server,
        managed,
        clock,
        decodeConfig: settings.decodeConfig,
        pace$: running$.pipe(map((turn) => turn.plan.lookAgainMs)),
        nudge$: outcomes$.pipe(filter(touchesServer)),
      }),
      ports.requests$.pipe(map((request): Observation => ({ kind: 'request', request, ...now() }))),
      ports.reloads$.pipe(map((reloaded): Observation => ({ kind: 'reloaded', ...reloaded, ...now() }))),
      interval(self.ha === 'manage' ? managedHeartbeatMs : heartbeatMs, clock.scheduler).pipe(
        map((): Observation => ({ kind: 'tick', ...now() })),
      ),
    ).pipe(takeUntil(stop$));

    let last = first;
    return concat(
      // The queue scheduler lets each observation be folded to its end before one that it caused.
      merge(watched$, done$).pipe(
        observeOn(queueScheduler),
        map((learnt) => {
          last = fold(last, learnt);
          return { learnt, view: last, plan: plan(last) };
        }),
        tap((turn) => {
          // First of all: nothing that lets the server accept writes begins before the lifeline knows.
          guard.keep(guardOf(turn.view));
          turns$.next(turn);
        }),
      ),
      defer(() => farewell(last, settings, ports)).pipe(ignoreElements()),
    );
  });
}

/** Looks tell the time, too; this is for the case that one hangs. */
const heartbeatMs = 5_000;
/** A lease's end is noticed within this time. */
const managedHeartbeatMs = 250;
/** The more of the lease is left when Consul falls silent, the longer a silence costs nothing. */
const managedRenewalMs = 1_000;

function touchesServer({ outcome }: Extract<Observation, { kind: 'outcome' }>): boolean {
  const action = outcome.kind === 'done' ? outcome.done.action : outcome.action;
  return !laneOf(action).startsWith('consul:') && action.kind !== 'save_ledger';
}
