import type { Lsn } from '../domain/lsn.ts';
import type { PhysicalSlot } from '../domain/slot.ts';
import { slotNameFromMemberName } from '../domain/slot.ts';
import type { ServerLook } from '../domain/server.ts';
import { positionOf } from '../domain/server.ts';
import { maxLsn, minLsn } from '../domain/lsn.ts';
import type { Key, Member } from '../domain/cluster.ts';
import { leaderName } from '../domain/cluster.ts';
import { agreedTerm } from '../view/lease.ts';
import type { SlotUse } from '../view/physical-slots.ts';
import { wantedPhysicalSlots } from '../view/physical-slots.ts';
import {
  configOf,
  currentStatus,
  findSlot,
  freshLook,
  holdsLeader,
  isIgnored,
  isTransient,
  physicalSlots,
} from '../view/select.ts';
import { toldPosition } from '../view/acceptance.ts';
import type { View } from '../view/view.ts';
import { hasRoom, roomProblem } from './budget.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';
import { severalPrimaries } from './leadership.ts';
import { dropUnused } from './primary-slots.ts';

/** An idle physical slot holds WAL, not changes: it is enough to move it now and then. */
const advanceEveryMs = 5_000;

/** Declared physical slots exist on standbys too, so that whoever streams from one finds it after a failover. */
export function planStandbyPhysicalSlots(view: View): readonly Intent[] {
  const look = freshLook(view);
  if (look?.role !== 'standby' || view.config === null || view.ledger === null || severalPrimaries(view) !== null)
    return [];
  const intents: Intent[] = [];
  const wanted = wantedPhysicalSlots(view);
  for (const name of wanted.keys()) {
    if (findSlot(look, name) !== undefined) continue;
    intents.push(
      hasRoom(look, 1)
        ? act({ kind: 'create_physical_slot', slot: name })
        : hold(`slot ${name}`, roomProblem(look).what),
    );
  }
  for (const slot of physicalSlots(look)) {
    const isOurs = view.ledger.slots.get(slot.name)?.made === true;
    const isDeclared = view.config.slots.has(slot.name) && !view.self.tags.nofailover;
    if (!isOurs || isDeclared || wanted.has(slot.name) || isTransient(slot) || isIgnored(view.config.ignoreSlots, slot))
      continue;
    intents.push(dropUnused(view, slot, 'nothing is to stream through it from here'));
  }
  return intents;
}

/**
 * A slot keeps the xmin of its member's feedback when the member goes on elsewhere, and nothing would ever move it: dead
 * rows stay on the primary for as long (FACTS 2). It is made anew, without one. On a primary only what slotkeeper made.
 */
export function planForgottenXmin(view: View): readonly Intent[] {
  const look = freshLook(view);
  if (look === null || !holdsMemberSlots(view, look)) return [];
  const intents: Intent[] = [];
  for (const [name, use] of wantedPhysicalSlots(view)) {
    const slot = findSlot(look, name);
    if (slot?.type !== 'physical' || !isForgotten(view, slot, use)) continue;
    if (look.role === 'primary' && view.ledger?.slots.get(name)?.made !== true) continue;
    intents.push(dropUnused(view, slot, 'it holds the xmin of a member that streams from elsewhere now'));
  }
  return intents;
}

/** Whether it is known who leads, so that it is known who streams from where; not in the moment of a promotion. */
function holdsMemberSlots(view: View, look: ServerLook): boolean {
  const { keys } = view.consul;
  const isLed = keys !== null && leaderName(keys) !== null && view.consul.contact.kind === 'good';
  return isLed && holdsLeader(view) === (look.role === 'primary');
}

function isForgotten(view: View, slot: PhysicalSlot, use: SlotUse): boolean {
  if (use !== 'elsewhere' || slot.active || (slot.xmin === null && slot.catalogXmin === null)) return false;
  if (isTransient(slot) || isIgnored(configOf(view).ignoreSlots, slot)) return false;
  return membersOf(view, slot.name).every(([, { value, session }]) => {
    const upstream = value?.extras?.upstream ?? null;
    return session !== null && upstream !== view.self.name && (value?.role !== 'replica' || upstream !== null);
  });
}

/**
 * Idle physical slots move along with whoever they are for: a member's slot with what the member has, on whichever server
 * it does not stream from; any one, on standbys, with its position on the primary.
 */
export function planPhysicalAdvances(view: View): readonly Intent[] {
  const look = freshLook(view);
  if (look === null || severalPrimaries(view) !== null) return [];
  if (look.role === 'primary' && !holdsLeader(view) && agreedTerm(view) === null) return [];
  const intents: Intent[] = [];
  for (const name of wantedPhysicalSlots(view).keys()) {
    const slot = findSlot(look, name);
    if (slot?.type !== 'physical' || slot.active || slot.restartLsn === null) continue;
    const target = targetOf(view, look, name);
    if (target === null || target <= slot.restartLsn) continue;
    const last = view.memory.slots.get(name)?.lastAdvance ?? null;
    if (last !== null && view.nowMs - last.endedAtMs < advanceEveryMs) continue;
    intents.push(act({ kind: 'advance_physical_slot', slot: name, target }));
  }
  return intents;
}

/**
 * What its member has, and what is published of it, are both on that member's disk: the further one is the newer word. Where
 * two members share a slot it is kept for the one that is behind.
 */
function targetOf(view: View, look: ServerLook, name: string): Lsn | null {
  const here = positionOf(look);
  if (here === null) return null;
  const ofMembers = membersOf(view, name).map((member) => toldByMember(view, member));
  const published = look.role === 'standby' ? currentStatus(view.consul.keys)?.slots.get(name) : undefined;
  const isShared = ofMembers.length > 1;
  if (isShared && ofMembers.includes(null)) return null;
  const told = look.role === 'standby' ? toldPosition(view, name, null) : null;
  const known = [...ofMembers, published ?? null, told].filter((lsn) => lsn !== null);
  return known.length === 0 ? null : minLsn(known.reduce(isShared ? minLsn : maxLsn), here);
}

/**
 * What is replayed is there for good; a member of Patroni says `xlog_location` only. While Consul is away, what it received,
 * as it says when it agrees: that is where PostgreSQL itself moves the slot of a standby that streams.
 */
function toldByMember(view: View, [name, { value }]: NamedMember): Lsn | null {
  const inKey = value?.replayLsn ?? value?.xlogLocation ?? null;
  const answered = view.memory.lead.failsafe.agreement?.positions.get(name) ?? null;
  return inKey === null || answered === null ? (answered ?? inKey) : maxLsn(inKey, answered);
}

type NamedMember = readonly [name: string, key: Key<Member>];

function membersOf(view: View, slot: string): readonly NamedMember[] {
  return [...(view.consul.keys?.members ?? [])].filter(([member]) => slotNameFromMemberName(member) === slot);
}
