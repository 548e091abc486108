import { Observable, Subscription } from 'rxjs';
import type { Clock } from '../base/clock.ts';
import type { Observation } from '../view/observation.ts';
import { type Emit, type LocalPlace, lookOnce, nothingRemembered } from './local-look.ts';
import { Rhythm } from './rhythm.ts';

export interface LocalWatch extends LocalPlace {
  /** How long to wait between two looks, in milliseconds; the newest value counts, also for a wait that has begun. */
  readonly pace$: Observable<number>;
  /** Each value makes the next look begin at once, or as soon as the present one is over. */
  readonly nudge$: Observable<unknown>;
}

/**
 * The local server as observations: one look after the other, never two at once, never ending and never failing (what
 * fails is an observation, too). The call under way is aborted when the subscriber leaves.
 */
export function watchLocal({ pace$, nudge$, ...place }: LocalWatch): Observable<Observation> {
  return new Observable((subscriber) => {
    const stop = new AbortController();
    const { server, clock } = place;
    const rhythm = new Rhythm(clock);
    const inputs = new Subscription(() => {
      stop.abort('over');
      rhythm.nudge();
    });
    const error = (bug: unknown): void => subscriber.error(bug);
    inputs.add(pace$.subscribe({ next: (paceMs) => rhythm.setPace(paceMs), error }));
    inputs.add(nudge$.subscribe({ next: () => rhythm.nudge(), error }));
    inputs.add(server.onLost(atMostEvery(lostPauseMs, clock, () => rhythm.nudge())));
    const emit: Emit = (news) => subscriber.next({ ...news, atMs: clock.monotonicMs(), wallMs: clock.wallMs() });
    look(place, rhythm, emit, stop.signal).catch(error);
    return inputs;
  });
}

/** Something on the way to the server that ends each connection must not make the looks a loop without a pause. */
const lostPauseMs = 1_000;

function atMostEvery(ms: number, clock: Clock, call: () => void): () => void {
  let lastMs = -Infinity;
  return () => {
    if (clock.monotonicMs() - lastMs < ms) return;
    lastMs = clock.monotonicMs();
    call();
  };
}

async function look(place: LocalPlace, rhythm: Rhythm, emit: Emit, stop: AbortSignal): Promise<void> {
  const remembered = nothingRemembered();
  while (!stop.aborted) {
    await lookOnce(place, remembered, emit, stop);
    await rhythm.wait();
  }
}
