/** The seeds from `from` to `to`, both included, that one process is asked to run. */
export interface SeedRange {
  readonly from: number;
  readonly to: number;
}

/** What came of a range: it ends with the first seed that breaks a rule. */
export interface RangeReport {
  /** The digest of each history that was run, in order. */
  readonly digests: readonly string[];
  readonly violation: { readonly seed: number; readonly explanation: string } | null;
  /** What the process has used since it began. */
  readonly cpuMs: number;
  /** What happened in these histories, and how often. */
  readonly counts: readonly (readonly [what: string, times: number])[];
}
