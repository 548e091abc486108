/**
 * What went wrong: `two primaries` (L1), `lost write` (an acknowledged one, in synchronous mode), `divergence` (a server
 * follows with WAL that is not its leader's, L7), `term` (a server accepts writes under a leadership that is not listed),
 * `liveness`, `restless` (a cluster at rest goes on changing), or something that must never happen.
 */
export type LeadRule = 'two primaries' | 'lost write' | 'divergence' | 'term' | 'liveness' | 'restless' | 'bug';

export class LeadViolation extends Error {
  override readonly name = 'LeadViolation';
  readonly rule: LeadRule;

  constructor(rule: LeadRule, what: string) {
    super(`${rule}: ${what}`);
    this.rule = rule;
  }
}
