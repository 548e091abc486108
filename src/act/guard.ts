import { equal } from '../base/equal.ts';
import type { Action } from '../domain/action.ts';
import type { Guard } from '../domain/lead.ts';
import type { Lifeline } from '../postgres/managed-port.ts';

/** Tells the lifeline what it has to guard, and makes whatever lets a server accept writes wait until it knows (L1). */
export interface GuardKeeper {
  /** The newest guard; what is told before the answer to it is there waits for that answer. */
  readonly keep: (guard: Guard) => void;
  /** Resolves at once for an action that lets nobody write. Rejects when the lifeline can't be told. */
  readonly ready: (action: Action) => Promise<void>;
}

export function guardKeeper(lifeline: Lifeline | null): GuardKeeper {
  let kept: Guard = { kind: 'none' };
  let inForce: Promise<void> = Promise.resolve();
  return {
    keep: (guard) => {
      if (lifeline === null || equal(guard, kept)) return;
      kept = guard;
      inForce = lifeline.guard(guard);
      inForce.catch(() => {
        // Told again with the next turn; whoever needs it now sees it fail.
        if (kept === guard) kept = { kind: 'none' };
      });
    },
    ready: async (action) => {
      if (!letsWrite(action)) return;
      await inForce;
    },
  };
}

function letsWrite(action: Action): boolean {
  if (action.kind === 'start_server' || action.kind === 'restart_server') return action.term !== null;
  return action.kind === 'promote' || action.kind === 'bootstrap';
}
