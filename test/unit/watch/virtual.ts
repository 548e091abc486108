import type { Observable } from 'rxjs';
import type { Clock } from '../../../src/base/clock.ts';
import type { Observation } from '../../../src/view/observation.ts';
import { virtualClock } from '../../sim/virtual-clock.ts';
import { VirtualTime } from '../../sim/virtual-time.ts';

/** Virtual time, a clock on it, and everything that streams have emitted. */
export class VirtualRun {
  readonly time = new VirtualTime();
  readonly clock: Clock = virtualClock(this.time, { alive: true }, 0);
  readonly seen: Observation[] = [];
  /** Set when a stream completed or errored: for the agent's watches both are bugs. */
  ended: unknown = null;

  follow(stream$: Observable<Observation>): () => void {
    const subscription = stream$.subscribe({
      next: (observation) => this.seen.push(observation),
      error: (error: unknown) => (this.ended = error),
      complete: () => (this.ended = 'completed'),
    });
    return () => subscription.unsubscribe();
  }

  async until(ms: number): Promise<void> {
    // What has begun already goes on first: microtasks run to their end before the event loop reaches an immediate.
    await new Promise((resolve) => setImmediate(resolve));
    while (await this.time.step(ms));
  }

  /** Resolves at a moment of virtual time. */
  at(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.time.in(ms - this.time.nowMs(), resolve);
    });
  }

  kinds(): string[] {
    return this.seen.map(({ kind }) => kind);
  }

  all<K extends Observation['kind']>(kind: K): (Observation & { readonly kind: K })[] {
    return this.seen.filter((one): one is Observation & { readonly kind: K } => one.kind === kind);
  }
}

/** Rejects as the real port does when its call is given up. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
  });
}
