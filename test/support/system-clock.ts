import { asyncScheduler } from 'rxjs';
import type { Clock } from '../../src/base/clock.ts';

/** The machine's own time, for tests on real servers. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  scheduler: asyncScheduler,
};
