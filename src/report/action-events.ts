import { type Action, type Done, isDone, type Outcome } from '../domain/action.ts';
import { isTemplateName } from '../domain/template.ts';
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
  return [
    { kind: 'action_done', action: action.kind, slot: slotOf(action), tookMs },
    ...effectsOf(outcome.done, tookMs),
  ];
}

/** What an action that was done has changed, in the words of events. Only what a person would want to know of. */
function effectsOf(done: Done, tookMs: number): readonly AgentEvent[] {
  const { action } = done;
  switch (action.kind) {
    case 'copy_slots':
      return isDone('copy_slots', done)
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
      return [{ kind: 'slot_created', slot: action.slot, type: 'logical' }];
    case 'create_physical_slot':
      return [{ kind: 'slot_created', slot: action.slot, type: 'physical' }];
    case 'create_template':
      return [{ kind: 'template_created', slot: action.slot, database: action.database, tookMs }];
    case 'copy_from_template': {
      if (!isDone('copy_from_template', done)) return [];
      const { slot, template, database } = action;
      if (isTemplateName(slot)) return [{ kind: 'template_created', slot, database, tookMs }];
      return [{ kind: 'slot_made_from_template', slot, template, database, position: done.result, tookMs }];
    }
    case 'set_failover':
      return [{ kind: 'failover_mark_set', slot: action.slot, failover: action.failover }];
    case 'move_idle_slot':
      return isDone('move_idle_slot', done) && done.result !== null
        ? [{ kind: 'idle_slot_moved', slot: action.slot, position: done.result }]
        : [];
    case 'drop_slot': {
      const { slot, type, why } = action;
      if (done.result !== true) return [];
      return [
        isTemplateName(slot) ? { kind: 'template_dropped', slot, why } : { kind: 'slot_dropped', slot, type, why },
      ];
    }
    case 'set_feedback':
      return [{ kind: 'feedback_set', mode: action.mode }];
    case 'alter_settings':
      return [{ kind: 'settings_changed', settings: action.changes, why: action.why }];
    case 'set_upstream_database': {
      const settings = [{ name: 'primary_conninfo', value: `dbname=${action.database}` }];
      return [{ kind: 'settings_changed', settings, why: "PostgreSQL's own synchronisation connects to a database" }];
    }
    case 'bootstrap':
    case 'restore_data':
    case 'promote':
    case 'restart_server':
      return [{ kind: 'server_managed', action: action.kind, detail: null, tookMs }];
    case 'clone':
    case 'rewind':
      return [{ kind: 'server_managed', action: action.kind, detail: action.source.member, tookMs }];
    case 'remove_data':
    case 'stop_server':
      return [{ kind: 'server_managed', action: action.kind, detail: action.why, tookMs }];
    case 'start_server':
    case 'follow':
      return [{ kind: 'server_managed', action: action.kind, detail: action.plan.upstream?.member ?? null, tookMs }];
    default:
      return [];
  }
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
