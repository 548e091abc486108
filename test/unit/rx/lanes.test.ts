import { Observable, Subject } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { describe, expect, test } from 'vitest';
import { lanes } from '../../../src/rx/lanes.ts';

/**
 * A piece of work: `lane` and how many frames it takes. Its events are its letter when it
 * begins and the capital when it ends.
 */
interface Work {
  readonly letter: string;
  readonly lane: string;
  readonly frames: number;
}

const a: Work = { letter: 'a', lane: 'one', frames: 4 };
const b: Work = { letter: 'b', lane: 'one', frames: 4 };
const c: Work = { letter: 'c', lane: 'one', frames: 4 };
const x: Work = { letter: 'x', lane: 'two', frames: 1 };
const y: Work = { letter: 'y', lane: 'two', frames: 5 };

/** What the input's letters ask for. */
const wanted: Readonly<Record<string, readonly Work[]>> = {
  a: [a],
  b: [b],
  c: [c],
  x: [x],
  m: [a, y],
  n: [a, b],
  o: [],
};

interface Marbles {
  readonly scheduler: TestScheduler;
  readonly signals: AbortSignal[];
  readonly lanesOf: (wanted$: Observable<readonly Work[]>) => Observable<string>;
}

/** Runs in virtual time; promises would not end in it, so work ends through an object that has only what is used of one. */
function inMarbles(check: (marbles: Marbles, run: Parameters<Parameters<TestScheduler['run']>[0]>[0]) => void): void {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  const signals: AbortSignal[] = [];
  const lanesOf = (wanted$: Observable<readonly Work[]>): Observable<string> =>
    lanes<Work, string>(wanted$, {
      laneOf: ({ lane }) => lane,
      started: ({ letter }) => letter,
      run: ({ letter, frames }, signal) => {
        signals.push(signal);
        const then = (end: (event: string) => void) => scheduler.schedule(() => end(letter.toUpperCase()), frames);
        return { then } as unknown as Promise<string>;
      },
    });
  scheduler.run((run) => check({ scheduler, signals, lanesOf }, run));
}

describe('lanes', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['runs what is wanted', 'a-----', 'a---A-'],
    ['never two at once in one lane', 'ab----', 'a---A-'],
    ['keeps no backlog: what found the lane busy is forgotten', 'abc-------', 'a---A-----'],
    ['takes the newest that asks when the lane is free', 'ab---c----', 'a---Ac---C'],
    ['never lets one lane wait for another', 'ax-x----', 'axXx(AX)'],
    ['runs one list side by side, a lane each', 'm-----', '(ay)AY'],
    ['begins only the first of two for one lane', 'n-----', 'a---A-'],
    ['does nothing for an empty list', 'o-----', '------'],
    ['awaits what runs when nothing is wanted any more', 'a|', 'a---(A|)'],
    ['completes at once when nothing runs', 'a-----|', 'a---A-|'],
  ];
  test.each(cases)('%s', (_name, input, output) => {
    inMarbles(({ lanesOf }, { hot, expectObservable }) => {
      expectObservable(lanesOf(hot(input, wanted))).toBe(output);
    });
  });

  test('unsubscribing aborts what runs', () => {
    inMarbles(({ lanesOf, signals }, { hot, expectObservable, flush }) => {
      expectObservable(lanesOf(hot('a-----', wanted)), '--!').toBe('a-');
      flush();
      expect(signals.map((signal) => signal.aborted)).toEqual([true]);
    });
  });

  test('an error of what is wanted aborts what runs and is passed on', () => {
    inMarbles(({ lanesOf, signals }, { hot, expectObservable, flush }) => {
      expectObservable(lanesOf(hot('a-#', wanted))).toBe('a-#');
      flush();
      expect(signals.map((signal) => signal.aborted)).toEqual([true]);
    });
  });

  test('work that ends is told after its lane is free, so that its own news can use it again', async () => {
    const wanted$ = new Subject<readonly Work[]>();
    const events: string[] = [];
    const done = new Promise<void>((resolve, reject) => {
      const events$ = lanes<Work, string>(wanted$, {
        laneOf: ({ lane }) => lane,
        started: ({ letter }) => letter,
        run: ({ letter }) => Promise.resolve(letter.toUpperCase()),
      });
      events$.subscribe({
        next: (event) => {
          events.push(event);
          if (event === 'A') wanted$.next([b]);
          if (event === 'B') wanted$.complete();
        },
        complete: resolve,
        error: reject,
      });
    });
    wanted$.next([a]);
    await done;
    expect(events).toEqual(['a', 'A', 'b', 'B']);
  });
});
