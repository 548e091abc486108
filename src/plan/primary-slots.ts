import type { DeclaredSlot, LogicalSlot } from '../domain/slot.ts';
import { invalidationOf, slotNameFromMemberName } from '../domain/slot.ts';
import type { ServerLook } from '../domain/server.ts';
import type { Problem } from '../domain/problem.ts';
import { formatLsn } from '../domain/lsn.ts';
import { isTemplateName } from '../domain/template.ts';
import { majorOf } from '../domain/version.ts';
import { templatesSince } from '../view/method.ts';
import { wantedPhysicalSlots } from '../view/physical-slots.ts';
import { configOf, findSlot, freshLook, isIgnored, isTransient, physicalSlots } from '../view/select.ts';
import type { View } from '../view/view.ts';
import { hasRoom, roomProblem } from './budget.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';
import { mayPublish } from './leadership.ts';
import { isOtherIdentity } from '../view/births.ts';
import { isToBeMarked } from '../view/marks.ts';
import { isLossRecorded } from './slot-history.ts';
import { followedOnPrimary, matchesDeclaration, wantedLost } from './status.ts';

/** How long a declared slot's creation waits for the standbys' templates: without one a standby gets the slot later. */
const templatePatienceMs = 3_000;

/** Declared slots on the primary: made when missing, dropped when they were ours and are declared no more (S3, S4). */
export function planPrimarySlots(view: View): readonly Intent[] {
  const look = freshLook(view);
  if (look?.role !== 'primary' || !mayPublish(view)) return [];
  if (view.config === null) return [hold('slots', 'no good cluster configuration has been read yet')];
  if (view.ledger === null) return [hold('slots', 'the ledger has not been read yet')];
  const intents: Intent[] = [];
  for (const [name, declared] of view.config.slots) {
    if (declared.type !== 'logical') continue;
    const slot = findSlot(look, name);
    if (slot === undefined) intents.push(createLogical(view, look, name, declared));
    else if (slot.type === 'logical') intents.push(...replaceLost(view, look, slot));
  }
  for (const name of wantedPhysicalSlots(view).keys()) {
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
  const waiting = withoutTemplate(view, look, name, declared);
  if (waiting.length > 0) {
    return hold(
      `slot ${name}`,
      `${waiting.join(', ')} first makes a template slot, from which the slot can be made there`,
    );
  }
  const { database, plugin } = declared;
  const failover = isToBeMarked(view, look, name);
  return act({ kind: 'create_logical_slot', slot: name, database, plugin, failover });
}

/**
 * A declared slot that PostgreSQL invalidated stays as it is, for everybody to see, unless it may be made anew: then it is
 * dropped once its loss is on record (S3).
 */
function replaceLost(view: View, look: ServerLook, slot: LogicalSlot): readonly Intent[] {
  const lost = wantedLost(view, look).get(slot.name);
  if (lost === undefined || invalidationOf(slot) === null) return [];
  if (!configOf(view).failoverSlots.recreateLost) {
    return [hold(`slot ${slot.name}`, `${lost.why}; changes from ${formatLsn(lost.from)} on are lost to its consumer`)];
  }
  if (!isLossRecorded(view, slot.name, lost.from))
    return [hold(`slot ${slot.name}`, 'that it was lost is not in slot_history yet')];
  return [dropUnused(view, slot, `it is made anew: ${lost.why}`)];
}

/** The standbys that are still to get a template for a slot in this database; none once it has taken too long. */
function withoutTemplate(
  view: View,
  look: ServerLook,
  name: string,
  { database }: Extract<DeclaredSlot, { type: 'logical' }>,
): readonly string[] {
  const { method } = configOf(view).failoverSlots;
  if (majorOf(look.versionNum) < templatesSince || method === 'file_copy') return [];
  if (view.nowMs - (view.memory.uncreated.get(name) ?? view.nowMs) >= templatePatienceMs) return [];
  const members = [...(view.consul.keys?.members ?? [])];
  // Agents that are started together: a standby streams before its member key is there.
  const known = new Set(
    members
      .filter(([, { value }]) => value?.extras?.upstream != null)
      .map(([member]) => slotNameFromMemberName(member)),
  );
  const strangers = physicalSlots(look).filter((slot) => slot.active && !known.has(slot.name));
  const withoutOne = members
    .filter(([member, { value, session }]) => {
      if (member === view.self.name || session === null || value?.extras == null) return false;
      const isStandby = value.role === 'replica' && value.state === 'running';
      return isStandby && !value.tags.nofailover && !value.tags.nostream && !value.extras.templates.has(database);
    })
    .map(([member]) => member);
  return [...withoutOne, ...strangers.map((slot) => `the standby behind the slot ${slot.name}`)].sort();
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
    const known = view.ledger?.slots.get(slot.name);
    // Made anew by somebody else, under the name of one that was ours.
    const isOther = slot.type === 'logical' && isOtherIdentity(known?.identity ?? null, slot.identity);
    if (known?.made !== true || isOther || config.slots.has(slot.name) || followed.has(slot.name)) continue;
    if (slot.type === 'physical' && wantedPhysicalSlots(view).has(slot.name)) continue;
    if (isTransient(slot) || (isIgnored(config.ignoreSlots, slot) && !isTemplateName(slot.name))) continue;
    const why = isTemplateName(slot.name) ? 'a primary needs no template' : 'it was taken out of the configuration';
    intents.push(dropUnused(view, slot, why));
  }
  return intents;
}

/** Drops the slot, unless no configuration says what is wanted, the cluster is paused, or somebody uses the slot. */
export function dropUnused(
  view: View,
  slot: { readonly name: string; readonly type: 'logical' | 'physical'; readonly active: boolean },
  why: string,
): Intent {
  if (view.config === null)
    return hold(`slot ${slot.name}`, `${why}, but no good cluster configuration has been read yet`);
  if (view.config.pause) return hold(`slot ${slot.name}`, `${why}, but the cluster is paused`);
  if (slot.active) return hold(`slot ${slot.name}`, `${why}, but it is in use`);
  const role = view.local.look?.role ?? 'primary';
  return act({ kind: 'drop_slot', slot: slot.name, type: slot.type, role, why });
}
