import type { Action } from '../domain/action.ts';
import type { Hold } from './plan.ts';

/** What a part of the plan wants: an action now, or to say why one has to wait. */
export type Intent = { readonly kind: 'act'; readonly action: Action } | { readonly kind: 'hold'; readonly hold: Hold };

export function act(action: Action): Intent {
  return { kind: 'act', action };
}

export function hold(subject: string, why: string): Intent {
  return { kind: 'hold', hold: { subject, why } };
}
