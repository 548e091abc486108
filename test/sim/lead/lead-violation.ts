import type { Rule } from '../violation.ts';

/**
 * What went wrong: `two primaries` (L1), `lost write` (an acknowledged one, in synchronous mode), `divergence` (a server
 * follows with WAL that is not its leader's, L7), `term` (a server accepts writes under a leadership that is not listed),
 * `liveness`, `restless` (a cluster at rest goes on changing), `outcome` (a scene did not end as the rule wants it to), a rule of slots, or something that must never happen.
 */
export type LeadRule = Rule | 'two primaries' | 'lost write' | 'divergence' | 'term' | 'restless' | 'outcome';

export class LeadViolation extends Error {
  override readonly name = 'LeadViolation';
  readonly rule: LeadRule;

  constructor(rule: LeadRule, what: string) {
    super(`${rule}: ${what}`);
    this.rule = rule;
  }
}
