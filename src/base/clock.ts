import type { SchedulerLike } from 'rxjs';

/**
 * The only source of time in the program. The simulator has one of its own, so nothing else may read a clock or set
 * a timer. `monotonicMs` never jumps (leases and holds are measured on it); `wallMs` is for records that people read.
 */
export interface Clock {
  monotonicMs(): number;
  wallMs(): number;
  /** Timers for rxjs operators; its `now()` is `monotonicMs`. */
  readonly scheduler: SchedulerLike;
}
