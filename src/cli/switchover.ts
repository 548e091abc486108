import type { ExitCode } from './exit-code.ts';
import { handOver, type HandoverOptions } from './handover.ts';
import type { Terminal } from './terminal.ts';

/** `slotkeeper switchover`: the leader hands over in order, now or at a given time; no acknowledged change is lost. */
export function switchover(options: HandoverOptions, terminal: Terminal): Promise<ExitCode> {
  return handOver('switchover', options, terminal);
}
