import type { ExitCode } from './exit-code.ts';
import { handOver, type HandoverOptions } from './handover.ts';
import type { Terminal } from './terminal.ts';

/** `slotkeeper failover`: the candidate takes over, also where nobody leads, in pause, or when it is not synchronous. */
export function failover(
  options: Omit<HandoverOptions, 'leader' | 'scheduled'>,
  terminal: Terminal,
): Promise<ExitCode> {
  return handOver('failover', { ...options, leader: null, scheduled: null }, terminal);
}
