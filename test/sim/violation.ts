/**
 * A rule of DESIGN section 4 that was broken; that two mechanisms kept one slot, that the gate was not what was asked for,
 * that a standby was restarted without leave; or something that must never happen at all.
 */
export type Rule =
  | 'S1'
  | 'S2'
  | 'S3'
  | 'S4'
  | 'S5'
  | 'S6'
  | 'S7'
  | 'method'
  | 'gate'
  | 'restart'
  | 'liveness'
  | 'loop'
  | 'bug'
  | 'server';

export class Violation extends Error {
  override readonly name = 'Violation';
  readonly rule: Rule;
  readonly what: string;

  constructor(rule: Rule, what: string) {
    super(`${rule}: ${what}`);
    this.rule = rule;
    this.what = what;
  }
}
