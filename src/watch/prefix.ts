import { Observable } from 'rxjs';
import { backoffMs, type BackoffPolicy } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import { decodeKeys, sameContent, type DecodeConfig, type Decoded } from '../consul/codec.ts';
import type { ScopeKeys } from '../consul/keys.ts';
import type { ConsulPort, PrefixRead } from '../consul/port.ts';
import type { Observation } from '../view/observation.ts';
import { answerWithin, pause } from './patience.ts';

export interface PrefixWatch {
  readonly consul: Pick<ConsulPort, 'readPrefix'>;
  readonly keys: ScopeKeys;
  readonly decodeConfig: DecodeConfig;
  readonly clock: Clock;
  /** A number in [0, 1): spreads the calls of many agents. */
  readonly random: () => number;
  /** Emits when what was read last seems to be old: a read that has been held for a while is asked for anew. */
  readonly doubt$: Observable<unknown>;
}

/** How long Consul may hold a read while nothing is new: below the time after which proxies on the way cut it. */
const waitMs = 55_000;
/** On top of what Consul itself adds to the wait: the time for the answer to arrive. */
const marginMs = 10_000;
/** Between an answer and the next call, so that a burst of writes is one reading and not one each. */
const shortestPauseMs = 5;
const pauseJitterMs = 15;
/** A read below which nothing exists wakes on every write anywhere in Consul: such wake-ups grow rare up to this. */
const longestPauseMs = 500;
/** A read that has been held for less than this is believed: whatever is new is on its way. */
const doubtfulAfterMs = 1_000;
const backoff: BackoffPolicy = { firstMs: 250, factor: 2, maxMs: 5_000 };

type Emit = (observation: Observation) => void;

/**
 * Everything below the scope's prefix, followed with one blocking read at a time: `keys` when something is new,
 * `consul_contact` when Consul answered and nothing is, `consul_trouble` when it did not answer. Never completes and
 * never errors, whatever Consul does; the request in flight is aborted when the subscriber leaves.
 */
export function watchPrefix(watch: PrefixWatch): Observable<Observation> {
  return new Observable((subscriber) => {
    const stop = new AbortController();
    const held = heldRead(watch, stop.signal);
    follow(watch, held, (observation) => subscriber.next(observation), stop.signal).catch((bug: unknown) =>
      subscriber.error(bug),
    );
    const doubts = watch.doubt$.subscribe({ next: () => held.renew(), error: (bug: unknown) => subscriber.error(bug) });
    return () => {
      doubts.unsubscribe();
      stop.abort();
    };
  });
}

/** The read that Consul holds at the moment. */
interface HeldRead {
  /** For a new one: aborted when it is to be asked for anew, or no more. */
  begin(): AbortSignal;
  renew(): void;
}

function heldRead({ clock }: PrefixWatch, stop: AbortSignal): HeldRead {
  let renewal = new AbortController();
  let sinceMs = -Infinity;
  stop.addEventListener('abort', () => renewal.abort(), { once: true });
  return {
    begin: () => {
      renewal = new AbortController();
      sinceMs = clock.monotonicMs();
      // Nothing is sent after the subscriber has left.
      if (stop.aborted) renewal.abort();
      return renewal.signal;
    },
    renew: () => {
      if (clock.monotonicMs() - sinceMs >= doubtfulAfterMs) renewal.abort();
    },
  };
}

async function follow(watch: PrefixWatch, held: HeldRead, emit: Emit, stop: AbortSignal): Promise<void> {
  const { clock, random } = watch;
  let index = 0;
  let failures = 0;
  /** Wake-ups in a row that brought nothing. */
  let empty = 0;
  let shown: Decoded | null = null;
  for (;;) {
    const renewal = held.begin();
    const answer = await ask(watch, index, renewal);
    if (stop.aborted) return;
    if (answer.kind === 'trouble' && renewal.aborted) continue;
    const learnt = { atMs: clock.monotonicMs(), wallMs: clock.wallMs() };
    if (answer.kind === 'trouble') {
      failures += 1;
      // Consul may come back without its data, and an index higher than its own would block for the whole wait.
      index = 0;
      emit({ ...learnt, kind: 'consul_trouble', why: answer.why });
      await pause(clock, backoffMs(backoff, failures, random()), stop);
      continue;
    }
    failures = 0;
    const { read } = answer;
    const news: Decoded | null = read.index > index || index === 0 ? newsIn(watch, read, shown) : null;
    if (news === null) emit({ ...learnt, kind: 'consul_contact' });
    else {
      shown = news;
      emit({ ...learnt, kind: 'keys', keys: news.keys });
    }
    empty = news === null && read.index > index ? empty + 1 : 0;
    // A lower index than before: Consul was restored or restarted, so what we know is of another life. Start again.
    index = read.index < index ? 0 : read.index;
    await pause(clock, Math.min(longestPauseMs, shortestPauseMs * 2 ** empty) + pauseJitterMs * random(), stop);
  }
}

type Answer = { readonly kind: 'read'; readonly read: PrefixRead } | { readonly kind: 'trouble'; readonly why: string };

async function ask({ consul, keys, clock }: PrefixWatch, index: number, renewal: AbortSignal): Promise<Answer> {
  // Without an index Consul answers at once; with one it adds up to a sixteenth to the wait.
  const limitMs = marginMs + (index === 0 ? 0 : waitMs + waitMs / 16);
  try {
    const read = await answerWithin(clock, limitMs, renewal, (signal) =>
      consul.readPrefix(keys.prefix, { index, waitMs, signal }),
    );
    return { kind: 'read', read };
  } catch (error) {
    return { kind: 'trouble', why: describeError(error) };
  }
}

/** The read, decoded, when it shows anything else than what was shown last; null = it shows the same. */
function newsIn({ keys, decodeConfig }: PrefixWatch, read: PrefixRead, shown: Decoded | null): Decoded | null {
  const decoded = decodeKeys(keys, read, decodeConfig, shown);
  return shown !== null && sameContent(shown, decoded) ? null : decoded;
}
