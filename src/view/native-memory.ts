import { equal } from '../base/equal.ts';
import type { Outcome } from '../domain/action.ts';
import type { ServerLook } from '../domain/server.ts';
import type { LogicalSlot } from '../domain/slot.ts';
import { majorOf } from '../domain/version.ts';
import { nativeSince, templatesSince } from './method.ts';
import { awaitedNativeSlots, isCascade, isOnTimeline, missingNativeSettings, nativeSettings } from './native.ts';
import { findSlot, followedSlots, freshLook, isTransient, logicalSlots } from './select.ts';
import type { FollowedSlot } from './select.ts';
import type { IdleSlot, IdleSlotMove, NativeMemory, SyncedFrom, SyncState, View } from './view.ts';

export function noNativeMemory(nowMs: number): NativeMemory {
  return {
    timeline: null,
    synced: new Map(),
    waiting: { slots: new Map(), sinceMs: nowMs },
    waitingFor: { starts: '', sinceMs: nowMs },
    syncedAtMs: null,
    behindSinceMs: null,
    settings: new Map(),
    cascadeUntilMs: null,
    cascadeSinceMs: null,
    marked: [],
    idle: new Map(),
  };
}

/** What an action that was done leaves in the memory. */
export function nativeAfterOutcome(view: View, outcome: Extract<Outcome, { kind: 'done' }>): NativeMemory {
  const { native } = view.memory;
  const { action, result } = outcome.done;
  switch (action.kind) {
    case 'alter_settings':
      return withChanged(
        native,
        action.changes.filter(({ value }) => value !== null).map(({ name }) => name),
        view.nowMs,
      );
    case 'set_upstream_database':
      return withChanged(native, ['dbname in primary_conninfo'], view.nowMs);
    case 'sync_slots':
      return { ...native, syncedAtMs: view.nowMs };
    case 'move_idle_slot': {
      const slot = native.idle.get(action.slot);
      if (slot === undefined) return native;
      const { waiting } = action;
      const count = attemptsFor(waiting, slot.tried) + 1;
      const tried = { count, atMs: view.nowMs, moved: result !== null, waiting };
      return { ...native, idle: new Map(native.idle).set(action.slot, { ...slot, tried }) };
    }
    default:
      return native;
  }
}

/** How often the slot was moved for those who wait: one who was not there yet, or had less, may need it once more. */
export function attemptsFor(waiting: readonly string[], tried: IdleSlotMove | null): number {
  return tried === null || waiting.some((one) => !tried.waiting.includes(one)) ? 0 : tried.count;
}

function withChanged(native: NativeMemory, names: readonly string[], nowMs: number): NativeMemory {
  const settings = new Map(native.settings);
  for (const name of names) if (nativeSettings.some((one) => one === name)) settings.set(name, nowMs);
  return { ...native, settings };
}

/** What follows from the view as a whole, after each observation. */
export function rememberNative(view: View): View {
  const look = freshLook(view);
  if (look === null || majorOf(look.versionNum) < templatesSince) return view;
  const native = look.role === 'standby' ? onStandby(view, look) : onPrimary(view, look);
  return { ...view, memory: { ...view.memory, native } };
}

/** A standby that has yet to be told of another primary still streams from the former one: that makes no cascade of it. */
const repointedWithinMs = 5_000;

function cascadeAfter(view: View): Pick<NativeMemory, 'cascadeSinceMs' | 'cascadeUntilMs'> {
  const { cascadeSinceMs, cascadeUntilMs } = view.memory.native;
  if (!isCascade(view)) return { cascadeSinceMs: null, cascadeUntilMs };
  const sinceMs = cascadeSinceMs ?? view.nowMs;
  const isLasting = view.nowMs - sinceMs >= repointedWithinMs;
  return { cascadeSinceMs: sinceMs, cascadeUntilMs: isLasting ? view.nowMs : cascadeUntilMs };
}

function onStandby(view: View, look: ServerLook): NativeMemory {
  const unset = new Set<string>(missingNativeSettings(look));
  const settings = new Map([...view.memory.native.settings].filter(([name]) => unset.has(name)));
  const before: NativeMemory = {
    ...{ ...view.memory.native, ...cascadeAfter(view), settings },
    ...{ marked: [], idle: new Map() },
  };
  if (majorOf(look.versionNum) < nativeSince) return before;
  const followed = followedSlots(view);
  // Not known for the moment: what was learnt under this primary still holds when it is known again.
  if (followed === null || !isOnTimeline(view, look)) return before;
  const isSame = before.timeline === look.timeline;
  const awaited = awaitedNativeSlots(view, look);
  const slots = new Map(awaited.map((slot) => [slot.name, stateOf(look, slot)]));
  const starts = awaited.map(startOf).join(', ');
  return {
    ...before,
    timeline: look.timeline,
    synced: syncedAfter(view, look, followed, isSame ? before : noNativeMemory(view.nowMs)),
    waiting: isSame && equal(slots, before.waiting.slots) ? before.waiting : { slots, sinceMs: view.nowMs },
    waitingFor: isSame && starts === before.waitingFor.starts ? before.waitingFor : { starts, sinceMs: view.nowMs },
    behindSinceMs: isBehind(look, followed) ? (before.behindSinceMs ?? view.nowMs) : null,
  };
}

/** Whether PostgreSQL could move a slot on, since the WAL is here, and has not done so. */
function isBehind(look: ServerLook, followed: readonly FollowedSlot[]): boolean {
  return followed.some(({ name, position }) => {
    const local = findSlot(look, name);
    if (local?.type !== 'logical' || !local.synced || local.confirmedFlushLsn === null) return false;
    return local.confirmedFlushLsn < position && position <= (look.receivedLsn ?? 0n);
  });
}

function stateOf(look: ServerLook, { name }: FollowedSlot): SyncState {
  const slot = findSlot(look, name);
  if (slot === undefined) return 'missing';
  return slot.temporary ? 'temporary' : 'unproven';
}

/** Where a slot begins on the primary: once that changes, PostgreSQL may be able to take it over. */
function startOf({ name, report }: FollowedSlot): string {
  return `${name} ${report.restartLsn ?? '-'} ${report.catalogXmin ?? '-'}`;
}

/**
 * Positions are published later than PostgreSQL synchronises them, so a slot may well be past the published one for a moment.
 * What counts is where it was first seen: when the primary is published to have been there, or when PostgreSQL, which never
 * goes past the primary's slot, has moved it or even made it since then, it is not ahead.
 */
function syncedAfter(
  view: View,
  look: ServerLook,
  followed: readonly FollowedSlot[],
  before: NativeMemory,
): ReadonlyMap<string, SyncedFrom> {
  const synced = new Map<string, SyncedFrom>();
  for (const slot of followed) {
    const local = findSlot(look, slot.name);
    if (local?.type !== 'logical' || !local.synced || local.confirmedFlushLsn === null) continue;
    const position = local.confirmedFlushLsn;
    const from = before.synced.get(slot.name) ?? {
      position,
      sinceMs: view.nowMs,
      isConfirmed: before.waiting.slots.has(slot.name),
    };
    const isConfirmed = from.isConfirmed || position > from.position || from.position <= slot.position;
    synced.set(slot.name, isConfirmed === from.isConfirmed ? from : { ...from, isConfirmed });
  }
  return synced;
}

function onPrimary(view: View, look: ServerLook): NativeMemory {
  const before = view.memory.native;
  const idle = new Map<string, IdleSlot>();
  for (const slot of logicalSlots(look)) {
    if (slot.active || isTransient(slot) || slot.confirmedFlushLsn === null) continue;
    idle.set(slot.name, idleAfter(view, slot, slot.confirmedFlushLsn));
  }
  return { ...noNativeMemory(before.waiting.sinceMs), idle, marked: markedBefore(view, look) };
}

function idleAfter(view: View, slot: LogicalSlot, position: IdleSlot['position']): IdleSlot {
  const before = view.memory.native.idle.get(slot.name);
  if (before?.position === position) return before;
  // Its consumer, or we, moved it: whether changes wait for it now is not known any more.
  const tried = before?.tried ?? null;
  return { position, sinceMs: view.nowMs, tried: tried === null ? null : { ...tried, moved: true } };
}

/**
 * A slot that was made from a template on a cascade has no mark: after a promotion there it is to have the one that it had.
 * Only what was published before the promotion counts: a mark that somebody takes away later stays away.
 */
function markedBefore(view: View, look: ServerLook): readonly string[] {
  const last = view.memory.lastStatus?.extras ?? null;
  const isPromoted = last !== null && last.timeline !== look.timeline;
  const names = isPromoted
    ? [...last.logical].filter(([, report]) => report.failover).map(([name]) => name)
    : view.memory.native.marked;
  return names.filter((name) => logicalSlots(look).some((slot) => slot.name === name && !slot.failover)).sort();
}
