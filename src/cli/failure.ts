import { describeError } from '../base/errors.ts';
import { ConsulError } from '../consul/port.ts';
import type { Problem } from '../domain/problem.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';
import type { Terminal } from './terminal.ts';

/** The command line asks for something that cannot be. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A configuration is wrong; all that is wrong with it is in `problems`. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  readonly problems: readonly Problem[];

  constructor(message: string, problems: readonly Problem[]) {
    super(message);
    this.problems = problems;
  }
}

/** Tells a person what went wrong, one line a mistake, and gives the exit code for it. */
export function explainFailure(error: unknown, terminal: Terminal, debug: boolean): ExitCode {
  terminal.err(`slotkeeper: ${describeError(error)}`);
  if (error instanceof ConfigurationError) for (const line of problemLines(error.problems)) terminal.err(line);
  if (error instanceof UsageError) terminal.err('Try: slotkeeper --help');
  if (debug && error instanceof Error && error.stack !== undefined) terminal.err(error.stack);
  if (error instanceof UsageError) return exitCodes.usage;
  if (error instanceof ConfigurationError) return exitCodes.badConfiguration;
  return error instanceof ConsulError ? exitCodes.consul : exitCodes.failure;
}

export function problemLines(problems: readonly Problem[]): readonly string[] {
  return problems.map(({ severity, what, fix }) => {
    const mark = severity === 'warning' ? 'warning: ' : '';
    return `  - ${mark}${what}${fix === null ? '' : ` [${fix}]`}`;
  });
}

/** "1 mistake", "3 mistakes". */
export function mistakes(problems: readonly Problem[]): string {
  return problems.length === 1 ? '1 mistake' : `${problems.length} mistakes`;
}
