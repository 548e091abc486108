import { Observable } from 'rxjs';

/** How one piece of work of type `W` is named, run, and told about, as events of type `E`. */
export interface LaneOptions<W, E> {
  readonly laneOf: (work: W) => string;
  /** Runs the work; whatever happens comes back as one event. Must not reject. */
  readonly run: (work: W, signal: AbortSignal) => Promise<E>;
  readonly started: (work: W) => E;
}

/**
 * Runs what `wanted$` asks for, never two at once in one lane, without a backlog: work that finds its lane busy is
 * forgotten, because the next list, made from newer knowledge, asks again if it is still wanted. So the newest always
 * wins. No stock operator does this: `exhaustMap` keeps to the oldest, `concatMap` queues, `switchMap` abandons work
 * that is still going on.
 *
 * When `wanted$` completes, the running work is awaited and the result completes. Unsubscribing aborts it.
 */
export function lanes<W, E>(wanted$: Observable<readonly W[]>, options: LaneOptions<W, E>): Observable<E> {
  return new Observable<E>((subscriber) => {
    const abort = new AbortController();
    const busy = new Set<string>();
    let isDrained = false;
    const finish = (): void => {
      if (isDrained && busy.size === 0) subscriber.complete();
    };
    const begin = (work: W, lane: string): void => {
      busy.add(lane);
      subscriber.next(options.started(work));
      options.run(work, abort.signal).then(
        (event) => {
          // The lane is free before its end is told: what is planned from that news may use it at once.
          busy.delete(lane);
          subscriber.next(event);
          finish();
        },
        (error: unknown) => subscriber.error(error),
      );
    };
    const subscription = wanted$.subscribe({
      next: (works) => {
        for (const work of works) {
          const lane = options.laneOf(work);
          if (!busy.has(lane) && !abort.signal.aborted) begin(work, lane);
        }
      },
      error: (error: unknown) => subscriber.error(error),
      complete: () => {
        isDrained = true;
        finish();
      },
    });
    return () => {
      subscription.unsubscribe();
      abort.abort();
    };
  });
}
