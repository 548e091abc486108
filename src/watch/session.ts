import { Observable, Subscription } from 'rxjs';
import { backoffMs, type BackoffPolicy } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { ConsulPort, SessionSpec } from '../consul/port.ts';
import type { Problem } from '../domain/problem.ts';
import type { Observation } from '../view/observation.ts';
import type { SessionState } from '../view/view.ts';
import { answerWithin, pause } from './patience.ts';
import { clampProblem, createSession, type HeldSession, type TtlBounds } from './session-creation.ts';

export interface SessionKeeping {
  readonly consul: Pick<ConsulPort, 'createSession' | 'renewSession' | 'destroySession'>;
  readonly clock: Clock;
  /** A number in [0, 1): spreads the attempts of many agents. */
  readonly random: () => number;
  /** What the session should be; nothing is created before the first. */
  readonly spec$: Observable<SessionSpec>;
  /** How long after one renewal the next is sent, where a third of the TTL is too rare. */
  readonly renewEveryMs?: number | undefined;
  /** Emits when somebody has seen signs that the session is dead: it is renewed at once to find out. */
  readonly suspect$: Observable<unknown>;
}

const creationLimitMs = 10_000;
/** Suspicions come in bursts, one for each write that was refused: one renewal answers them all. */
const shortestRenewalPauseMs = 250;
const backoff: BackoffPolicy = { firstMs: 250, factor: 2, maxMs: 5_000 };

/**
 * Keeps one Consul session alive and says what is known of it: `session` observations at every change and renewal,
 * `problem` observations `session_ttl` and `session_renewal`. It has its own loop, so that a renewal never waits for
 * anything else the agent does. Never completes; errors only when `spec$` or `suspect$` do. Unsubscribing leaves the
 * session in Consul: `endSession` ends it, after whatever is bound to it has been handed over.
 */
export function keepSession(keeping: SessionKeeping): Observable<Observation> {
  return new Observable((subscriber) => {
    const stop = new AbortController();
    const keeper = new Keeper(keeping, (observation) => subscriber.next(observation), stop.signal);
    const inputs = new Subscription(() => stop.abort());
    const error = (bug: unknown): void => subscriber.error(bug);
    keeper.run().catch(error);
    inputs.add(keeping.spec$.subscribe({ next: (spec) => keeper.want(spec), error }));
    inputs.add(keeping.suspect$.subscribe({ next: () => keeper.suspect(), error }));
    return inputs;
  });
}

/**
 * Destroys the session: what is bound to it is free at once. Throws ConsulError when Consul does not answer in time;
 * the session then ends by itself within twice its TTL.
 */
export async function endSession(
  { consul, clock }: Pick<SessionKeeping, 'consul' | 'clock'>,
  id: string,
  limitMs: number,
): Promise<void> {
  const never = new AbortController();
  await answerWithin(clock, limitMs, never.signal, (signal) => consul.destroySession(id, signal));
}

class Keeper {
  readonly #keeping: SessionKeeping;
  readonly #emit: (observation: Observation) => void;
  readonly #stop: AbortSignal;
  #wake = new AbortController();
  #spec: SessionSpec | null = null;
  #held: HeldSession | null = null;
  /** Whether the last thing said is that the session is held: false once the lease has run out. */
  #shownHeld = false;
  #bounds: TtlBounds | null = null;
  /** What the last warning was about: a session that is made again is no reason to warn again. */
  #clampedFrom: number | null = null;
  #createAtMs = 0;
  #createFailures = 0;
  #renewAtMs = 0;
  #renewFailures = 0;

  constructor(keeping: SessionKeeping, emit: (observation: Observation) => void, stop: AbortSignal) {
    this.#keeping = keeping;
    this.#emit = emit;
    this.#stop = stop;
  }

  want(spec: SessionSpec): void {
    if (isSame(spec, this.#spec)) return;
    this.#spec = isSame(spec, this.#held?.spec ?? null) ? (this.#held?.spec ?? spec) : spec;
    this.#createAtMs = this.#nowMs();
    this.#createFailures = 0;
    this.#wake.abort();
  }

  suspect(): void {
    // While renewals fail the next one is near, and its back-off must hold.
    if (this.#held === null || this.#renewFailures > 0) return;
    const soonestMs = this.#held.renewedAtMs + shortestRenewalPauseMs;
    this.#renewAtMs = Math.min(this.#renewAtMs, Math.max(this.#nowMs(), soonestMs));
    this.#wake.abort();
  }

  /** One thing at a time, whatever is due first; then look again. */
  async run(): Promise<void> {
    for (;;) {
      await this.#step();
      if (this.#stop.aborted) return;
    }
  }

  async #step(): Promise<void> {
    const nowMs = this.#nowMs();
    const held = this.#held;
    const spec = this.#spec;
    const leaseEndMs = held !== null && this.#shownHeld ? held.renewedAtMs + held.ttlSeconds * 1000 : Infinity;
    const renewAtMs = held === null ? Infinity : this.#renewAtMs;
    const createAtMs = spec === null || spec === held?.spec ? Infinity : this.#createAtMs;

    if (nowMs >= leaseEndMs) {
      this.#show({ kind: 'none', why: 'the lease ran out: Consul has not renewed the session in time' });
    } else if (held !== null && nowMs >= renewAtMs) {
      await this.#renew(held);
    } else if (spec !== null && nowMs >= createAtMs) {
      await this.#create(spec);
    } else {
      const nextMs = Math.min(leaseEndMs, renewAtMs, createAtMs);
      this.#wake = new AbortController();
      await pause(this.#keeping.clock, nextMs === Infinity ? null : nextMs - nowMs, this.#stop, this.#wake.signal);
    }
  }

  async #create(spec: SessionSpec): Promise<void> {
    const former = this.#held;
    // The former session goes on until there is a new one, and its renewal must not wait long for this.
    const limitMs = former === null ? creationLimitMs : (former.ttlSeconds * 1000) / 6;
    const { made, bounds } = await createSession(this.#keeping, spec, this.#bounds, limitMs, this.#stop);
    if (this.#stop.aborted) return;
    this.#bounds = bounds;
    if (typeof made === 'string') {
      this.#createFailures += 1;
      this.#createAtMs = this.#nowMs() + this.#backoffMs(this.#createFailures);
      if (former === null) this.#show({ kind: 'none', why: made });
      return;
    }
    this.#createFailures = 0;
    this.#renewed(made);
    if (made.clampedFrom !== this.#clampedFrom) this.#report(clampProblem(made), made.clampedFrom !== null);
    this.#clampedFrom = made.clampedFrom;
    // What its end would lock for the lock delay has to change over first, by whoever knows what that is.
    if (former !== null && spec.lockDelaySeconds === 0)
      void endSession(this.#keeping, former.id, creationLimitMs).catch(() => undefined);
  }

  async #renew(held: HeldSession): Promise<void> {
    const { clock, consul } = this.#keeping;
    const sentAtMs = this.#nowMs();
    const answer = await answerWithin(clock, this.#renewalLimitMs(held, sentAtMs), this.#stop, (signal) =>
      consul.renewSession(held.id, signal),
    ).catch((error: unknown) => ({ why: describeError(error) }));
    if (this.#stop.aborted) return;
    if (answer === 'renewed') {
      if (this.#renewFailures > 0) this.#report(renewalProblem(''), false);
      this.#renewed({ ...held, renewedAtMs: sentAtMs });
    } else if (answer === 'gone') {
      if (this.#renewFailures > 0) this.#report(renewalProblem(''), false);
      this.#held = null;
      this.#createAtMs = this.#nowMs();
      this.#show({ kind: 'none', why: 'Consul does not know the session any more' });
    } else {
      this.#renewFailures += 1;
      const pauseMs = this.#backoffMs(this.#renewFailures);
      this.#renewAtMs = this.#nowMs() + Math.min(pauseMs, this.#keeping.renewEveryMs ?? pauseMs);
      this.#report(renewalProblem(answer.why), true);
    }
  }

  /** A third of the TTL; less when the lease ends earlier, so that its end is never waited past. */
  #renewalLimitMs(held: HeldSession, nowMs: number): number {
    const thirdMs = (held.ttlSeconds * 1000) / 3;
    const leftMs = held.renewedAtMs + held.ttlSeconds * 1000 - nowMs;
    return leftMs > 0 ? Math.min(thirdMs, leftMs) : thirdMs;
  }

  #renewed(held: HeldSession): void {
    this.#held = held;
    this.#renewFailures = 0;
    const thirdMs = (held.ttlSeconds * 1000) / 3;
    this.#renewAtMs = held.renewedAtMs + Math.min(thirdMs, this.#keeping.renewEveryMs ?? thirdMs);
    const { id, ttlSeconds, clampedFrom, renewedAtMs } = held;
    this.#show({ kind: 'held', id, ttlSeconds, clampedFrom, renewedAtMs });
  }

  #show(session: SessionState): void {
    this.#shownHeld = session.kind === 'held';
    this.#emit({ ...this.#moment(), kind: 'session', session });
  }

  #report(problem: Problem, present: boolean): void {
    this.#emit({ ...this.#moment(), kind: 'problem', problem, present });
  }

  #moment(): { readonly atMs: number; readonly wallMs: number } {
    return { atMs: this.#nowMs(), wallMs: this.#keeping.clock.wallMs() };
  }

  #nowMs(): number {
    return this.#keeping.clock.monotonicMs();
  }

  #backoffMs(failures: number): number {
    return backoffMs(backoff, failures, this.#keeping.random());
  }
}

function isSame(a: SessionSpec, b: SessionSpec | null): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function renewalProblem(why: string): Problem {
  return { code: 'session_renewal', severity: 'warning', what: `the Consul session is not renewed: ${why}`, fix: null };
}
