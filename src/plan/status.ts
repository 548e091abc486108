import { equal } from '../base/equal.ts';
import type { LogicalSlotReport, LostSlot, PhysicalSlotReport, Status, StatusExtras } from '../domain/cluster.ts';
import type { DynamicConfig, SlotFilterTerm } from '../domain/config.ts';
import type { Lsn } from '../domain/lsn.ts';
import { minLsn } from '../domain/lsn.ts';
import type { ServerLook } from '../domain/server.ts';
import { furthestOf } from '../domain/server.ts';
import { matchesFilter } from '../domain/slot-filter.ts';
import type { LogicalSlot } from '../domain/slot.ts';
import { invalidationOf, slotNameFromMemberName } from '../domain/slot.ts';
import { isTemplateName } from '../domain/template.ts';
import { majorOf } from '../domain/version.ts';
import { isMarkedSoon } from '../view/marks.ts';
import { templatesSince } from '../view/method.ts';
import { retainedSlots } from '../view/member-slots.ts';
import { hasMemberSlots, wantedPhysicalSlots } from '../view/physical-slots.ts';
import { configOf, findSlot, freshLook, isIgnored, isTransient, logicalSlots, physicalSlots } from '../view/select.ts';
import type { View } from '../view/view.ts';
import { gateReport } from './standby-gate.ts';

/** How long a lost slot that nobody declared is shown; its record in `slot_history` stays. */
const lostShownMs = 24 * 60 * 60 * 1_000;

/**
 * The logical slots of this primary that standbys are to have: declared ones, and those that the filter discovers.
 * A slot that has the name of a declared one but another database or plugin is a conflict, not a followed slot.
 */
export function followedOnPrimary(view: View, look: ServerLook): readonly LogicalSlot[] {
  const config = configOf(view);
  return logicalSlots(look).filter((slot) => {
    if (isTransient(slot) || isTemplateName(slot.name) || isIgnored(config.ignoreSlots, slot)) return false;
    if (slot.confirmedFlushLsn === null) return false;
    // Without a configuration nothing says that a slot is not to be followed any more: standbys would drop it.
    if (view.config === null) return view.memory.lastStatus?.extras?.logical.has(slot.name) === true;
    const declared = config.slots.get(slot.name);
    if (declared !== undefined) return matchesDeclaration(slot, declared);
    return matchesFilter(config.failoverSlots.synchronizeSlotNames ?? defaultFilter(config, look), slot);
  });
}

/** Every slot where following one costs no restart; where each costs every standby a restart, none. */
function defaultFilter(config: DynamicConfig, look: ServerLook): readonly SlotFilterTerm[] {
  const isFree = majorOf(look.versionNum) >= templatesSince && config.failoverSlots.method !== 'file_copy';
  return isFree ? [{ key: 'name_like', value: '%' }] : [];
}

export function matchesDeclaration(
  slot: LogicalSlot,
  declared: { type: string; database?: string; plugin?: string },
): boolean {
  return declared.type === 'logical' && declared.database === slot.database && declared.plugin === slot.plugin;
}

/** What the key `status` should say; null while this server's state is not known well enough to say anything. */
export function wantedStatus(view: View): Status | null {
  const look = freshLook(view);
  const leader = view.consul.keys?.leader ?? null;
  if (look === null || leader === null || view.ledger === null) return null;
  // The leader of a standby cluster has what it has received, and no slot that others would follow.
  const end = furthestOf(look);
  if (end === null) return null;
  const followed = look.role === 'primary' ? followedOnPrimary(view, look) : [];
  const slots = new Map<string, Lsn>();
  for (const slot of followed) if (slot.confirmedFlushLsn !== null) slots.set(slot.name, slot.confirmedFlushLsn);
  for (const [name, lsn] of physicalPositions(view, look, end)) slots.set(name, lsn);
  const extras: StatusExtras = {
    term: leader.modifyIndex,
    timeline: look.timeline,
    membersIndex: view.memory.membersIndex.proven,
    logical: new Map(followed.map((slot) => [slot.name, reportOf(view, look, slot)])),
    physical: physicalReports(look),
    lost: wantedLost(view, look),
    templateLsn: templateLsn(look, end),
    gate: gateReport(view),
  };
  return { optime: end, slots, retainSlots: retainedSlots(view), extras };
}

/** Those of declared slots, and where slots are kept for members those of the members, so that standbys move theirs along. */
function physicalPositions(view: View, look: ServerLook, end: Lsn): ReadonlyMap<string, Lsn> {
  const { slots, lead } = configOf(view);
  const isOfMembers = hasMemberSlots(view) && lead.memberSlotsTtl > 0;
  const positions = new Map<string, Lsn>();
  for (const slot of physicalSlots(look)) {
    const isDeclared = slots.get(slot.name)?.type === 'physical';
    const isPublished = isDeclared || (isOfMembers && wantedPhysicalSlots(view).has(slot.name));
    if (isPublished && slot.restartLsn !== null) positions.set(slot.name, slot.restartLsn);
  }
  // The standbys keep a slot for this server, which has all of it.
  if (isOfMembers) positions.set(slotNameFromMemberName(view.self.name), end);
  return positions;
}

/**
 * Every slot that is usable on this primary and not in this look starts at or after this position: the look reads the end
 * of the WAL before the slots, and a slot that is still being made has reserved its start before it begins.
 */
function templateLsn(look: ServerLook, end: Lsn): Lsn {
  return logicalSlots(look)
    .filter((slot) => slot.confirmedFlushLsn === null)
    .reduce((least, { restartLsn }) => (restartLsn === null ? least : minLsn(least, restartLsn)), end);
}

/** What a server says of its physical slots, in `status` and in its member key. */
export function physicalReports(look: ServerLook): ReadonlyMap<string, PhysicalSlotReport> {
  return new Map(
    physicalSlots(look)
      .filter((slot) => !slot.temporary)
      .map((slot) => [
        slot.name,
        { restartLsn: slot.restartLsn, xmin: slot.xmin, catalogXmin: slot.catalogXmin, active: slot.active },
      ]),
  );
}

function reportOf(view: View, look: ServerLook, slot: LogicalSlot): LogicalSlotReport {
  const before = view.memory.lastStatus?.extras?.logical.get(slot.name);
  return {
    database: slot.database,
    plugin: slot.plugin,
    twoPhase: slot.twoPhase,
    failover: isMarkedSoon(view, look, slot),
    restartLsn: slot.restartLsn,
    catalogXmin: slot.catalogXmin,
    incarnation: view.memory.born.get(slot.name) ?? before?.incarnation ?? slot.confirmedFlushLsn ?? 0n,
    made: view.ledger?.slots.get(slot.name)?.made ?? false,
    invalidation: invalidationOf(slot),
  };
}

/**
 * The followed slots that the cluster had and that are gone from this primary (S3): all that a promotion left behind,
 * and declared ones that somebody dropped. A slot that is not declared and was dropped on purpose is just gone. Only a
 * promotion starts a timeline: under the same one the server is the same, also when its agent leads anew.
 */
export function wantedLost(view: View, look: ServerLook): ReadonlyMap<string, LostSlot> {
  const before = view.memory.lastStatus;
  const lost = new Map<string, LostSlot>();
  if (before === null) return lost;
  const config = configOf(view);
  // One without a position is still being made; one that was invalidated gives its consumer nothing any more. In a standby
  // cluster nobody keeps one.
  const usable =
    look.role === 'standby'
      ? []
      : logicalSlots(look).filter((slot) => slot.confirmedFlushLsn !== null && invalidationOf(slot) === null);
  const present = new Set(usable.map((slot) => slot.name));
  const isDeclared = (name: string): boolean => view.config === null || config.slots.get(name)?.type === 'logical';
  const isSameServer = before.extras?.timeline === look.timeline;
  const had = before.extras?.logical.keys() ?? [...before.slots.keys()].filter(isDeclared);
  for (const name of had) {
    const from = before.slots.get(name);
    if (present.has(name) || from === undefined) continue;
    const why = lossOf(look, name, isSameServer);
    // What is being made anew under its name was not dropped because nobody wants it.
    if (why === dropped && !isDeclared(name) && findSlot(look, name) === undefined) continue;
    lost.set(name, { from, why, atWallMs: view.nowWallMs });
  }
  for (const [name, entry] of before.extras?.lost ?? []) {
    if (present.has(name)) continue;
    if (isDeclared(name) || view.nowWallMs - entry.atWallMs < lostShownMs) lost.set(name, entry);
  }
  return lost;
}

const dropped = 'it was dropped on the primary';

function lossOf(look: ServerLook, name: string, isSameServer: boolean): string {
  if (look.role === 'standby') return 'the cluster was made a standby cluster';
  const slot = findSlot(look, name);
  const invalidation = slot?.type === 'logical' ? invalidationOf(slot) : null;
  if (invalidation !== null) return `PostgreSQL invalidated it: ${invalidation}`;
  return isSameServer ? dropped : 'it was not on the server that was promoted';
}

/** What made a difference between the status that is there and the one that is wanted; it decides how soon to write. */
export type StatusChange = 'none' | 'optime' | 'details' | 'positions' | 'slots';

export function statusChange(before: Status | null, wanted: Status): StatusChange {
  const from = before?.extras ?? null;
  const to = wanted.extras;
  if (before === null || from === null || to === null) return 'slots';
  if (from.term !== to.term || from.timeline !== to.timeline) return 'slots';
  if (!sameKeys(from.lost, to.lost) || !sameKeys(from.logical, to.logical) || !sameKeys(from.physical, to.physical))
    return 'slots';
  if (!sameKeys(before.slots, wanted.slots) || !equal(from.gate, to.gate)) return 'slots';
  if (!equal(before.retainSlots, wanted.retainSlots)) return 'slots';
  for (const [name, slot] of to.logical) if (isOther(from.logical.get(name), slot)) return 'slots';
  for (const [name, slot] of to.physical) if (isOtherLink(from.physical.get(name), slot)) return 'slots';
  // A cascade's new slot is not ready before it; it moves as seldom as members say something new.
  if (from.membersIndex !== to.membersIndex) return 'slots';
  for (const name of to.logical.keys()) if (before.slots.get(name) !== wanted.slots.get(name)) return 'positions';
  for (const [name, slot] of to.logical) {
    const old = from.logical.get(name);
    if (old?.catalogXmin !== slot.catalogXmin || old.restartLsn !== slot.restartLsn) return 'details';
  }
  for (const [name, slot] of to.physical)
    if (from.physical.get(name)?.catalogXmin !== slot.catalogXmin) return 'details';
  if (before.optime !== wanted.optime) return 'optime';
  for (const [name, lsn] of wanted.slots) if (before.slots.get(name) !== lsn) return 'optime';
  return 'none';
}

function isOther(before: LogicalSlotReport | undefined, now: LogicalSlotReport): boolean {
  return (
    before?.database !== now.database ||
    before.plugin !== now.plugin ||
    before.twoPhase !== now.twoPhase ||
    before.failover !== now.failover ||
    before.incarnation !== now.incarnation ||
    before.made !== now.made ||
    before.invalidation !== now.invalidation
  );
}

function isOtherLink(before: PhysicalSlotReport | undefined, now: PhysicalSlotReport): boolean {
  return before?.active !== now.active || (before.catalogXmin === null) !== (now.catalogXmin === null);
}

export function sameKeys(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean {
  return a.size === b.size && [...a.keys()].every((key) => b.has(key));
}
