import type { Action } from '../domain/action.ts';

/** Something that the agent would do but does not do now, and why: what `plan` and the log show. */
export interface Hold {
  /** What is held back, e.g. `slot orders` or `status`. */
  readonly subject: string;
  readonly why: string;
}

/** What a part of the plan wants: an action now, or to say why one has to wait. */
export type Intent = { readonly kind: 'act'; readonly action: Action } | { readonly kind: 'hold'; readonly hold: Hold };

export function act(action: Action): Intent {
  return { kind: 'act', action };
}

export function hold(subject: string, why: string): Intent {
  return { kind: 'hold', hold: { subject, why } };
}
