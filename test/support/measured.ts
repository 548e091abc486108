import type { TestContext } from 'vitest';

/** What a test of a scenario has measured, for the report of `npm run test:versions`. */
export interface Measured {
  /** How often slotkeeper restarted a server. */
  readonly restarts?: number;
  /** From the moment a slot was usable on the primary until it was ready on every standby, each in milliseconds. */
  readonly slotReadyMs?: readonly number[];
  /** Acknowledged rows that a consumer did not get. */
  readonly lost?: number;
  /** Rows that a consumer got twice. */
  readonly duplicated?: number;
  /** Of those, the one that was confirmed the longest before its failover, in milliseconds. */
  readonly oldestDuplicateMs?: number;
}

declare module 'vitest' {
  interface TaskMeta {
    measured?: Measured;
  }
}

/** Later measurements of a test go over earlier ones. */
export function measured(task: TestContext['task'], values: Measured): void {
  task.meta.measured = { ...task.meta.measured, ...values };
}
