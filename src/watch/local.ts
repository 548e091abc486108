import {
  type Observable,
  concat,
  defer,
  distinctUntilChanged,
  filter,
  finalize,
  from,
  ignoreElements,
  map,
  merge,
  repeat,
  scan,
  shareReplay,
  startWith,
  switchMap,
  take,
  timer,
} from 'rxjs';
import type { Clock } from '../base/clock.ts';
import type { LocalServer } from '../postgres/port.ts';
import type { Observation } from '../view/observation.ts';
import { type Remembered, lookOnce, nothingRemembered } from './local-look.ts';

export interface LocalWatch {
  readonly server: LocalServer;
  readonly clock: Clock;
  /** How long to wait between two looks, in milliseconds; the newest value counts, also for a wait that has begun. */
  readonly pace$: Observable<number>;
  /** Each value makes the next look begin at once, or as soon as the present one is over. */
  readonly nudge$: Observable<unknown>;
}

/** Until `pace$` has said anything. */
const firstPaceMs = 1_000;

/**
 * The local server as observations: one look after the other, never two at once, never ending and never failing (what
 * fails is an observation, too). The call under way is aborted when the subscriber leaves.
 */
export function watchLocal({ server, clock, pace$, nudge$ }: LocalWatch): Observable<Observation> {
  return defer(() => {
    const remembered = nothingRemembered();
    const paceMs$ = pace$.pipe(
      startWith(firstPaceMs),
      distinctUntilChanged(),
      shareReplay({ bufferSize: 1, refCount: true }),
    );
    // Counted, so that a nudge that comes while a look is under way is not lost.
    const nudges$ = nudge$.pipe(
      scan((count) => count + 1, 0),
      startWith(0),
      shareReplay({ bufferSize: 1, refCount: true }),
    );

    const looks$ = nudges$.pipe(
      take(1),
      switchMap((seenNudges) =>
        concat(
          oneLook(server, clock, remembered),
          pauseUntil(clock, paceMs$, nudges$.pipe(filter((count) => count > seenNudges))),
        ),
      ),
      repeat(),
    );
    // The first two only keep alive between looks what the looks read.
    return merge(paceMs$.pipe(ignoreElements()), nudges$.pipe(ignoreElements()), looks$);
  });
}

function oneLook(server: LocalServer, clock: Clock, remembered: Remembered): Observable<Observation> {
  return defer(() => {
    const stop = new AbortController();
    return from(lookOnce(server, clock, remembered, stop.signal)).pipe(
      map((news): Observation => ({ ...news, atMs: clock.monotonicMs(), wallMs: clock.wallMs() })),
      finalize(() => stop.abort('over')),
    );
  });
}

/** Completes when the newest pace, counted from now, is over, or with the first nudge. */
function pauseUntil(clock: Clock, paceMs$: Observable<number>, nudge$: Observable<unknown>): Observable<never> {
  return defer(() => {
    // Counted from the end of the look: a pace that changes all the time must not put the next look off for ever.
    const sinceMs = clock.monotonicMs();
    const due$ = paceMs$.pipe(
      switchMap((paceMs) => timer(Math.max(0, sinceMs + paceMs - clock.monotonicMs()), clock.scheduler)),
    );
    return merge(due$, nudge$).pipe(take(1), ignoreElements());
  });
}
