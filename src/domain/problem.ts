/**
 * Something that is wrong and that a person can mend. `code` is stable (metrics, tests, documentation); `what` says it
 * in words with the place and the value found; `fix` is the command or the setting that mends it.
 */
export interface Problem {
  readonly code: string;
  readonly severity: 'warning' | 'error';
  readonly what: string;
  readonly fix: string | null;
}
