// A process that stands in for an agent: it has a lifeline, and guards as long as it lives. Run with JSON on the command
// line, and told on standard error what becomes of its guards.

import { createLifeline, type LifelineSettings } from '../../../src/lifeline/lifeline.ts';
import { systemClock } from '../../support/system-clock.ts';

export interface StandInOrder {
  readonly settings: Omit<LifelineSettings, 'clock' | 'report'>;
  readonly program: string;
  /** Null = it has not got to guarding anything yet. */
  readonly guard: { readonly term: number; readonly session: string; readonly leaseMs: number } | null;
}

const { settings, program, guard } = JSON.parse(process.argv[2] ?? '') as StandInOrder;
const tell = (text: string): void => console.error(text);
const lifeline = createLifeline({ ...settings, clock: systemClock, report: tell }, program);
const renew = async (): Promise<void> => {
  if (guard === null) return;
  const { term, session, leaseMs } = guard;
  const deadlineMs = systemClock.monotonicMs() + leaseMs;
  try {
    await lifeline.guard({ kind: 'leader', term, session, deadlineMs });
    tell('in force');
  } catch (error) {
    tell(String(error));
  }
};
tell('begun');
await renew();
setInterval(() => void renew(), 100);
