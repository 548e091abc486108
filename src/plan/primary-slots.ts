import type { DeclaredSlot } from '../domain/slot.ts';
import type { ServerLook } from '../domain/server.ts';
import type { Problem } from '../domain/problem.ts';
import { formatLsn } from '../domain/lsn.ts';
import { declaredPhysicalNames } from '../view/verdict.ts';
import { configOf, findSlot, freshLook, isIgnored, isTransient } from '../view/select.ts';
import type { View } from '../view/view.ts';
import { hasRoom, roomProblem } from './budget.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';
import { mayPublish } from './leadership.ts';
import { isLossRecorded } from './slot-history.ts';
import { followedOnPrimary, matchesDeclaration, wantedLost } from './status.ts';

/** Declared slots on the primary: made when missing, dropped when they were ours and are declared no more (S3, S4). */
export function planPrimarySlots(view: View): readonly Intent[] {
  const look = freshLook(view);
  if (look?.role !== 'primary' || !mayPublish(view)) return [];
  if (view.config === null) return [hold('slots', 'no good cluster configuration has been read yet')];
  if (view.ledger === null) return [hold('slots', 'the ledger has not been read yet')];
  const intents: Intent[] = [];
  for (const [name, declared] of view.config.slots) {
    if (declared.type === 'logical' && findSlot(look, name) === undefined)
      intents.push(createLogical(view, look, name, declared));
  }
  for (const name of declaredPhysicalNames(view)) {
    if (findSlot(look, name) === undefined) {
      intents.push(
        hasRoom(look, 1)
          ? act({ kind: 'create_physical_slot', slot: name })
          : hold(`slot ${name}`, roomProblem(look).what),
      );
    }
  }
  return [...intents, ...dropUndeclared(view, look)];
}

function createLogical(
  view: View,
  look: ServerLook,
  name: string,
  declared: Extract<DeclaredSlot, { type: 'logical' }>,
): Intent {
  const lost = wantedLost(view, look).get(name);
  if (lost !== undefined && !configOf(view).failoverSlots.recreateLost) {
    return hold(
      `slot ${name}`,
      `${lost.why}; making it anew would hide that changes from ${formatLsn(lost.from)} on are lost`,
    );
  }
  // Once the slot is there again nothing but the record tells that it was gone, so the record comes first.
  if (lost !== undefined && !isLossRecorded(view, name, lost.from))
    return hold(`slot ${name}`, 'that it was lost is not in slot_history yet');
  const reason = obstacle(look, name, declared);
  if (reason !== null) return hold(`slot ${name}`, reason.what);
  return act({ kind: 'create_logical_slot', slot: name, database: declared.database, plugin: declared.plugin });
}

function obstacle(
  look: ServerLook,
  name: string,
  declared: Extract<DeclaredSlot, { type: 'logical' }>,
): Problem | null {
  if (!look.databases.includes(declared.database)) {
    return {
      code: 'slot_database_missing',
      severity: 'error',
      what: `slots.${name}.database is ${declared.database}, which is not a database of this cluster (there are ${look.databases.join(', ')})`,
      fix: `create the database, or correct slots.${name}.database with slotkeeper edit-config`,
    };
  }
  if (look.settings.walLevel !== 'logical') {
    return {
      code: 'wal_level',
      severity: 'error',
      what: `wal_level is ${look.settings.walLevel}, logical slots need logical`,
      fix: 'ALTER SYSTEM SET wal_level = logical; then restart the server',
    };
  }
  return hasRoom(look, 1) ? null : roomProblem(look);
}

/** What keeps declared slots from being what they are declared to be, on the primary. */
export function declaredSlotProblems(view: View): readonly Problem[] {
  const look = freshLook(view);
  if (look?.role !== 'primary' || view.config === null) return [];
  const problems: Problem[] = [];
  for (const [name, declared] of view.config.slots) {
    if (declared.type !== 'logical') continue;
    const slot = findSlot(look, name);
    if (slot === undefined) {
      const reason = obstacle(look, name, declared);
      if (reason !== null) problems.push(reason);
      const failure = view.failures.get(`create_logical_slot:${name}`);
      if (failure !== undefined) problems.push(creationFailed(name, failure.message));
    } else if (slot.type !== 'logical' || !matchesDeclaration(slot, declared)) {
      const found = slot.type === 'logical' ? `${slot.plugin} in ${slot.database}` : 'a physical slot';
      problems.push({
        code: 'slot_conflict',
        severity: 'error',
        what: `slots.${name} is declared as ${declared.plugin} in ${declared.database}, but the server has ${found} under that name`,
        fix: `correct slots.${name} with slotkeeper edit-config, or drop the slot on the primary`,
      });
    }
  }
  return problems;
}

function creationFailed(name: string, message: string): Problem {
  return {
    code: 'slot_creation_failed',
    severity: 'error',
    what: `the declared slot ${name} could not be made: ${message}`,
    fix: `correct slots.${name} with slotkeeper edit-config, or install what is missing on the server`,
  };
}

/** S4: on the primary only a slot that slotkeeper made is dropped, and only when nothing asks for it any more. */
function dropUndeclared(view: View, look: ServerLook): Intent[] {
  const config = configOf(view);
  const followed = new Set(followedOnPrimary(view, look).map((slot) => slot.name));
  const intents: Intent[] = [];
  for (const slot of look.slots) {
    const isOurs = view.ledger?.slots.get(slot.name)?.made === true;
    if (!isOurs || config.slots.has(slot.name) || followed.has(slot.name)) continue;
    if (isTransient(slot) || isIgnored(config.ignoreSlots, slot)) continue;
    intents.push(dropUnused(view, slot, 'it was taken out of the configuration'));
  }
  return intents;
}

/** Drops the slot, unless the cluster is paused or somebody uses the slot. */
export function dropUnused(
  view: View,
  slot: { readonly name: string; readonly type: 'logical' | 'physical'; readonly active: boolean },
  why: string,
): Intent {
  if (configOf(view).pause) return hold(`slot ${slot.name}`, `${why}, but the cluster is paused`);
  if (slot.active) return hold(`slot ${slot.name}`, `${why}, but it is in use`);
  return act({ kind: 'drop_slot', slot: slot.name, type: slot.type, why });
}
