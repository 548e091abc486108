import { UsageError } from './failure.ts';
import type { Terminal } from './terminal.ts';

/** Asks before something is changed. Throws UsageError where nobody is there to be asked. */
export async function confirmed(terminal: Terminal, question: string): Promise<boolean> {
  if (terminal.confirm === null)
    throw new UsageError('nobody is there to confirm; use --force to do it without asking');
  return terminal.confirm(question);
}
