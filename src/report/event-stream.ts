import { concatMap, from, map, merge, pairwise, startWith, type Observable } from 'rxjs';
import type { Outcome } from '../domain/action.ts';
import type { Turn } from '../plan/plan.ts';
import { eventsOf } from './action-events.ts';
import type { AgentEvent } from './event.ts';
import { eventsBetween } from './events.ts';

/** All that is to be said: what is new from each turn to the next, and what each outcome tells. */
export function agentEvents(turns$: Observable<Turn>, outcomes$: Observable<Outcome>): Observable<AgentEvent> {
  const changes$ = turns$.pipe(
    startWith(null),
    pairwise(),
    map(([previous, next]) => (next === null ? [] : eventsBetween(previous, next))),
  );
  return merge(changes$, outcomes$.pipe(map(eventsOf))).pipe(concatMap((events) => from(events)));
}
