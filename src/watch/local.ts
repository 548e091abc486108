import { Observable, Subscription } from 'rxjs';
import type { Clock } from '../base/clock.ts';
import type { ManagedServer } from '../postgres/managed-port.ts';
import type { LocalServer } from '../postgres/port.ts';
import type { Observation } from '../view/observation.ts';
import { type Emit, lookOnce, nothingRemembered } from './local-look.ts';
import { Rhythm } from './rhythm.ts';

export interface LocalWatch {
  readonly server: LocalServer;
  /** Null = slotkeeper does not manage the server. */
  readonly managed: ManagedServer | null;
  readonly clock: Clock;
  /** How long to wait between two looks, in milliseconds; the newest value counts, also for a wait that has begun. */
  readonly pace$: Observable<number>;
  /** Each value makes the next look begin at once, or as soon as the present one is over. */
  readonly nudge$: Observable<unknown>;
}

/**
 * The local server as observations: one look after the other, never two at once, never ending and never failing (what
 * fails is an observation, too). The call under way is aborted when the subscriber leaves.
 */
export function watchLocal({ server, managed, clock, pace$, nudge$ }: LocalWatch): Observable<Observation> {
  return new Observable((subscriber) => {
    const stop = new AbortController();
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
    look({ server, managed, clock }, rhythm, emit, stop.signal).catch(error);
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

async function look(
  { server, managed, clock }: Pick<LocalWatch, 'server' | 'managed' | 'clock'>,
  rhythm: Rhythm,
  emit: Emit,
  stop: AbortSignal,
): Promise<void> {
  const remembered = nothingRemembered();
  while (!stop.aborted) {
    await lookOnce(server, managed, clock, remembered, emit, stop);
    await rhythm.wait();
  }
}
