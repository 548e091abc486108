import type { Lsn } from '../domain/lsn.ts';
import { minLsn } from '../domain/lsn.ts';
import type { ServerLook } from '../domain/server.ts';
import type { LogicalSlot } from '../domain/slot.ts';
import { anchorName, templateName } from '../domain/template.ts';
import { configOf, currentStatus, findSlot, type FollowedSlot } from '../view/select.ts';
import { templateDamage, templateDatabases, templateFor, templateIn, templateSlots } from '../view/templates.ts';
import { damageOf } from '../view/verdict.ts';
import type { View } from '../view/view.ts';
import { hasRoom, roomProblem } from './budget.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';
import { isAnchorNeeded } from './native-orphans.ts';
import { dropUnused } from './primary-slots.ts';

/** A template need not be near, only not far behind: what it is behind is decoded once more for each copy. */
const advanceEveryMs = 2_000;
/** Every advance decodes from restart_lsn again (FACTS 2): no more than this part of the time goes into it. */
const advanceShare = 0.1;

/** A consumer that has not confirmed anything for this long is not waited for: a template that stays pins WAL. */
const consumerPauseMs = 30_000;

/**
 * The template slots of this standby: made where they are wanted, kept just behind the primary, renewed when they are
 * damaged, dropped when nothing needs them. `waiting`: the followed slots that are still to be made from them.
 */
export function planTemplates(view: View, look: ServerLook, waiting: readonly FollowedSlot[]): readonly Intent[] {
  const wanted = templateDatabases(view, look);
  const names = new Set(wanted.map(templateName));
  const intents: Intent[] = [];
  let added = 0;
  for (const database of wanted) {
    const template = templateIn(look, database);
    if (template === null) {
      const intent = createTemplate(look, database, added + 1);
      if (intent.kind === 'act') added += 1;
      intents.push(intent);
      continue;
    }
    const damage = templateDamage(template);
    if (damage !== null) intents.push(dropUnused(view, template, `the template is made anew: ${damage}`));
    else intents.push(...advanceTemplate(view, template, waiting));
  }
  for (const template of templateSlots(look)) {
    if (template.name === anchorName && isAnchorNeeded(view, look)) continue;
    if (!names.has(template.name)) intents.push(dropUnused(view, template, 'no slot needs this template any more'));
  }
  return intents;
}

function createTemplate(look: ServerLook, database: string, added: number): Intent {
  const name = templateName(database);
  const subject = `template slot ${name}`;
  if (findSlot(look, name) !== undefined) return hold(subject, 'another slot has its name here');
  if (!hasRoom(look, added)) return hold(subject, roomProblem(look).what);
  if (look.settings.primarySlotName === '')
    return hold(subject, 'primary_slot_name is empty: without it catalog rows cannot be protected');
  if (!look.settings.hotStandbyFeedback) return hold(subject, 'hot_standby_feedback is not on yet');
  return act({ kind: 'create_template', slot: name, database });
}

/**
 * A template stays behind every slot that may still be made from it: behind what the primary says that new slots begin
 * after, and behind the slots that are missing here at this moment.
 */
function advanceTemplate(view: View, template: LogicalSlot, waiting: readonly FollowedSlot[]): readonly Intent[] {
  const from = template.confirmedFlushLsn;
  const limit = currentStatus(view.consul.keys)?.extras?.templateLsn ?? null;
  if (from === null || limit === null || template.active) return [];
  const served = waiting.filter((slot) => slot.report.database === template.database);
  // One that moves ahead of its consumers would never be passed by them.
  const isWaitedFor = (slot: FollowedSlot): boolean =>
    slot.position < from &&
    view.nowMs - (view.memory.consumers.get(slot.name)?.movedAtMs ?? -Infinity) < consumerPauseMs;
  if (served.some(isWaitedFor)) return [];
  const target = served
    .filter((slot) => slot.position >= from)
    .reduce((least: Lsn, slot) => minLsn(least, slot.position), limit);
  if (target <= from) return [];
  const last = view.memory.slots.get(template.name)?.lastAdvance ?? null;
  if (last !== null && view.nowMs < last.endedAtMs + Math.max(advanceEveryMs, last.tookMs / advanceShare)) return [];
  return [act({ kind: 'advance_logical_slot', slot: template.name, database: template.database, target })];
}

/**
 * Slots that are made from a template: a copy of it, advanced to where the consumer is. One that is here but of no use is
 * dropped first, and only when its successor can be made at once.
 */
export function planTemplateCopies(
  view: View,
  look: ServerLook,
  missing: readonly FollowedSlot[],
  damaged: readonly FollowedSlot[],
): readonly Intent[] {
  let added = 0;
  return [...missing, ...damaged].flatMap((slot): readonly Intent[] => {
    const subject = `slot ${slot.name}`;
    if (slot.report.invalidation !== null) return [];
    if (configOf(view).slots.get(slot.name)?.type === 'physical')
      return [hold(subject, 'the configuration declares a physical slot of its name')];
    const answer = templateFor(look, slot);
    if (answer.kind !== 'usable') return [hold(subject, answer.why)];
    const local = findSlot(look, slot.name);
    if (local?.type === 'logical') {
      const why = damageOf(slot, local);
      const reason = why === null || why.kind === 'ready' ? 'it stays ahead of its consumer' : why.reason;
      return [dropUnused(view, local, `it is made anew: ${reason}`)];
    }
    added += 1;
    if (!hasRoom(look, added)) return [hold(subject, roomProblem(look).what)];
    const { database, plugin } = slot.report;
    const { name: template } = answer.template;
    return [act({ kind: 'copy_from_template', slot: slot.name, template, database, plugin, target: slot.position })];
  });
}
