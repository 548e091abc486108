import type { Action, ActionKind, Outcome } from '../domain/action.ts';
import type { View } from '../view/view.ts';
import type { AgentEvent } from './event.ts';
import { isSaidAgain, withoutNumbers } from './loudness.ts';

/**
 * What an outcome tells that two views do not: that something was done, and what came of it. Failures are not in it:
 * they are told from the view (`failureEvents`), where their number and age are known.
 */
export function eventsOf(outcome: Outcome): readonly AgentEvent[] {
  if (outcome.kind === 'failed') {
    const { action, failure } = outcome;
    if (!failure.refused) return [];
    return [{ kind: 'action_refused', action: action.kind, slot: slotOf(action), why: failure.message }];
  }
  const { action } = outcome.done;
  const tookMs = outcome.endedAtMs - outcome.startedAtMs;
  return [{ kind: 'action_done', action: action.kind, slot: slotOf(action), tookMs }, ...effectsOf(outcome.done)];
}

function effectsOf(done: Extract<Outcome, { kind: 'done' }>['done']): readonly AgentEvent[] {
  switch (done.action.kind) {
    case 'copy_slots':
      return isCopyResult(done)
        ? [
            {
              kind: 'slots_copied',
              slots: done.result.copied,
              skipped: done.result.skipped,
              downMs: done.result.downMs,
            },
          ]
        : [];
    case 'create_logical_slot':
      return [{ kind: 'slot_created', slot: done.action.slot, type: 'logical' }];
    case 'create_physical_slot':
      return [{ kind: 'slot_created', slot: done.action.slot, type: 'physical' }];
    case 'drop_slot': {
      const { slot, type, why } = done.action;
      return done.result === true ? [{ kind: 'slot_dropped', slot, type, why }] : [];
    }
    case 'set_feedback':
      return [{ kind: 'feedback_set', mode: done.action.mode }];
    default:
      return [];
  }
}

type Done = Extract<Outcome, { kind: 'done' }>['done'];
type DoneOf<K extends ActionKind> = Extract<Done, { readonly action: { readonly kind: K } }>;

/** TypeScript does not narrow a union by a property of a property. */
function isCopyResult(done: Done): done is DoneOf<'copy_slots'> {
  return done.action.kind === 'copy_slots';
}

function slotOf(action: Action): string | null {
  return 'slot' in action ? action.slot : null;
}

/**
 * Failures that are new, that now fail otherwise, or that have grown older; and those that are over. The age at the
 * failure before is compared with the age at this one: without a new failure nothing is said.
 */
export function failureEvents(before: View | null, next: View): readonly AgentEvent[] {
  const events: AgentEvent[] = [];
  for (const [action, failure] of next.failures) {
    const was = before?.failures.get(action);
    if (was?.count === failure.count && was.sinceMs === failure.sinceMs) continue;
    const ageMs = failure.lastAtMs - failure.sinceMs;
    const isNews = was === undefined || withoutNumbers(was.message) !== withoutNumbers(failure.message);
    if (!isNews && !isSaidAgain(was.lastAtMs - was.sinceMs, ageMs)) continue;
    const { message, sqlstate, count } = failure;
    events.push({ kind: 'action_failed', action, message, sqlstate, count, ageMs });
  }
  for (const [action, { count, sinceMs }] of before?.failures ?? []) {
    if (next.failures.has(action)) continue;
    events.push({ kind: 'action_recovered', action, count, ageMs: next.nowMs - sinceMs });
  }
  return events;
}
