import type { Random } from './random.ts';
import { type Life, toLiving } from './virtual-clock.ts';
import type { VirtualTime } from './virtual-time.ts';

/** The way from one agent to Consul or to its server, and what is wrong with it at the moment. */
export interface LinkFaults {
  /** `cut` = every call fails at once; `black_hole` = no call ever gets anywhere. */
  mode: 'ok' | 'cut' | 'black_hole';
  /** The longest one-way trip, in milliseconds, where it is longer than usual. */
  maxTripMs: number;
  /** How much longer an answer is on its way home than a question is out. */
  answersTakeMs: number;
  /** Every question gets lost, and what was asked before is answered. */
  isMute: boolean;
  /** How often an answer gets lost although the question took effect. */
  lostAnswers: number;
  /** How often a question takes effect twice. */
  duplicated: number;
  /** How long after the first time the second one is at most. */
  repeatedWithinMs: number;
}

/** What became of one call over a link that did not work. */
export type LinkTrouble = 'refused' | 'question lost' | 'answer lost' | 'carried out twice' | 'no leader';

export function healthyLink(): LinkFaults {
  return {
    mode: 'ok',
    maxTripMs: 0,
    answersTakeMs: 0,
    isMute: false,
    lostAnswers: 0,
    duplicated: 0,
    repeatedWithinMs: 0,
  };
}

export interface LinkContext {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly life: Life;
  readonly faults: LinkFaults;
  /** The longest one-way trip while nothing is wrong, in milliseconds. */
  readonly usualTripMs: number;
  /** The error of a call that does not get through. */
  readonly broken: (why: string) => Error;
  /** How long the client waits for an answer before it gives up by itself. */
  readonly patienceMs: number;
  /** Holds questions that have arrived back for as long as whoever answers stands still; null = it never does. */
  readonly gate?: Gate | null;
  readonly told?: (trouble: LinkTrouble) => void;
}

export interface Gate {
  readonly whenOpen: (pass: () => void) => void;
}

/**
 * One call over a link, with the client's own patience: `effect` happens when the question arrives, its result (or what it throws) comes back after the
 * way home. An aborted call ends at once for the caller, and may take effect all the same.
 */
export function callOver<T>(link: LinkContext, signal: AbortSignal, effect: () => T): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const { time, random, life, faults } = link;
    // A process that is gone sends nothing and waits for nothing.
    if (!life.alive) return;
    if (signal.aborted) {
      reject(asError(signal.reason));
      return;
    }
    const onAbort = (): void => {
      settle(() => {
        reject(asError(signal.reason));
      });
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const timeout = time.in(link.patienceMs, () => {
      settle(() => {
        reject(link.broken('no answer in time'));
      });
    });
    const settle = (deliver: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      timeout.cancelled = true;
      toLiving(life, deliver);
    };
    const trip = (): number => random.next() * Math.max(faults.maxTripMs, link.usualTripMs);
    const answered = (): void => {
      let outcome: { readonly value: T } | { readonly error: unknown };
      try {
        outcome = { value: effect() };
        if (random.chance(faults.duplicated)) repeated(link, effect);
      } catch (error) {
        outcome = { error };
      }
      const lost = random.chance(faults.lostAnswers);
      time.in(trip() + faults.answersTakeMs, () => {
        const isLost = lost || faults.mode !== 'ok';
        if (isLost && 'value' in outcome) link.told?.('answer lost');
        settle(() => {
          if (isLost) reject(link.broken('connection reset'));
          else if ('value' in outcome) resolve(outcome.value);
          else reject(asError(outcome.error));
        });
      });
    };
    if (faults.mode === 'black_hole') {
      link.told?.('question lost');
      return;
    }
    time.in(
      trip(),
      () => {
        if (faults.mode === 'black_hole' || faults.isMute) {
          link.told?.('question lost');
          return;
        }
        if (faults.mode === 'cut') {
          link.told?.('refused');
          time.in(0, () => {
            settle(() => {
              reject(link.broken('connection refused'));
            });
          });
        } else if (link.gate == null) answered();
        else link.gate.whenOpen(answered);
      },
      false,
    );
  });
}

/** What was carried out once is carried out once more: at once, or when nobody thinks of it any more. */
function repeated({ time, random, faults, gate, told }: LinkContext, effect: () => unknown): void {
  told?.('carried out twice');
  if (faults.repeatedWithinMs === 0) {
    effect();
    return;
  }
  const late = (): void => {
    try {
      effect();
    } catch {
      // Whoever asked has had the answer to the first one.
    }
  };
  time.in(random.next() * faults.repeatedWithinMs, () => {
    if (gate == null) late();
    else gate.whenOpen(late);
  });
}

/** Work that a server does for a caller over some time; it goes on without the caller's help. */
export interface Job<T> {
  /** Starts the work or refuses it by throwing. */
  readonly begin: () => void;
  /** One look after each `everyMs`: undefined = not finished. May throw. */
  readonly step: () => { readonly value: T } | undefined;
  /** Runs once in any case: finished, failed, cancelled, or its caller killed. */
  readonly end: () => void;
  readonly everyMs: number;
  /** The statement's own time limit; null = nothing stops it. */
  readonly limitMs: number | null;
  readonly timedOut: () => Error;
}

type Ending<T> = { readonly value: T } | { readonly error: unknown };

/** Has a job done over a link; an abort cancels it, and so does the death of whoever asked. */
export async function jobOver<T>(link: LinkContext, signal: AbortSignal, job: Job<T>): Promise<T> {
  let settle: (ending: Ending<T>) => void = () => undefined;
  const ended = new Promise<Ending<T>>((resolve) => {
    settle = resolve;
  });
  await callOver(link, signal, () => {
    job.begin();
    runSteps(link, signal, job, settle);
  });
  const ending = await ended;
  return callOver(link, signal, () => {
    if ('error' in ending) throw asError(ending.error);
    return ending.value;
  });
}

function runSteps<T>(link: LinkContext, signal: AbortSignal, job: Job<T>, settle: (ending: Ending<T>) => void): void {
  const startedAtMs = link.time.nowMs();
  const next = (): Ending<T> | undefined => {
    if (!link.life.alive || signal.aborted) return { error: signal.reason };
    if (job.limitMs !== null && link.time.nowMs() - startedAtMs > job.limitMs) return { error: job.timedOut() };
    try {
      return job.step();
    } catch (error) {
      return { error };
    }
  };
  const step = (): void => {
    const ending = next();
    if (ending === undefined) link.time.in(job.everyMs, step);
    else {
      job.end();
      settle(ending);
    }
  };
  link.time.in(job.everyMs, step);
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('aborted', { cause: reason });
}
