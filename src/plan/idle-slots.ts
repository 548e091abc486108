import type { BackoffPolicy } from '../base/backoff.ts';
import { backoffMs } from '../base/backoff.ts';
import { formatLsn } from '../domain/lsn.ts';
import type { ServerLook } from '../domain/server.ts';
import type { LogicalSlot, Verdict } from '../domain/slot.ts';
import { invalidationOf } from '../domain/slot.ts';
import { majorOf } from '../domain/version.ts';
import { isMarkedSoon } from '../view/marks.ts';
import { templatesSince } from '../view/method.ts';
import { attemptsFor } from '../view/native-memory.ts';
import { configOf, freshLook, membersWaiting } from '../view/select.ts';
import type { View } from '../view/view.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';
import { mayPublish } from './leadership.ts';
import { followedOnPrimary } from './status.ts';

/** A slot that nobody has used for this long is idle. */
const idleForMs = 1_000;
/** A record of the running transactions is written at once and flushed a little later, and decoded only then. */
const flushedWithinMs = 300;
/**
 * What a slot needs of the catalog follows its position one step behind, so the second attempt comes soon. A standby can
 * also wait for something else, for good: each further attempt for the same ones waits longer.
 */
const moveBackoff: BackoffPolicy = { firstMs: 1_000, factor: 10, maxMs: 300_000 };
/** How long a slot is left alone for which changes wait: looking for them decodes all of its WAL. */
const changesWaitMs = 60_000;

/**
 * Idle slots whose start is older than what a standby can decode from, its template or PostgreSQL's own copy (FACTS 3): no
 * standby can take one over before it moves, and its consumer does not move it. They are moved past WAL that holds nothing
 * for the consumer, and only past that.
 */
export function planIdleSlots(view: View): readonly Intent[] {
  const look = freshLook(view);
  if (look?.role !== 'primary' || majorOf(look.versionNum) < templatesSince || !mayPublish(view)) return [];
  return movable(view, look).flatMap((slot) => moveIdle(view, look, slot));
}

/** Whether an idle slot is to be moved, but no record of the running transactions has been logged that it could begin at. */
export function lacksRecordToMove(view: View, look: ServerLook): boolean {
  return movable(view, look).some((slot) => {
    const move = moveOf(view, slot);
    return move?.kind === 'due' && !isLoggedSince(view, move.sinceMs);
  });
}

function movable(view: View, look: ServerLook): readonly LogicalSlot[] {
  if (view.config === null || view.ledger === null || configOf(view).failoverSlots.method === 'file_copy') return [];
  // One that is about to be marked is marked first.
  return followedOnPrimary(view, look).filter((slot) => slot.failover || !isMarkedSoon(view, look, slot));
}

/** Moves an idle slot on for the standbys that wait for it, and says why where that cannot be done. */
function moveIdle(view: View, look: ServerLook, slot: LogicalSlot): readonly Intent[] {
  const move = moveOf(view, slot);
  if (move === null) return [];
  if (move.kind === 'held') return [hold(`slot ${slot.name}`, move.why)];
  // Its start moves only to such a record. Without the privilege to log one it takes what PostgreSQL logs.
  if (look.privileges.logStandbySnapshot && !isFlushedSince(view, move.sinceMs)) return [];
  const { waiting } = move;
  return [act({ kind: 'move_idle_slot', slot: slot.name, database: slot.database, plugin: slot.plugin, waiting })];
}

type Move =
  | { readonly kind: 'held'; readonly why: string }
  /** `sinceMs`: since when the slot is where it is, or was last tried. */
  | { readonly kind: 'due'; readonly sinceMs: number; readonly waiting: readonly string[] };

/** Null = the slot stays for now. */
function moveOf(view: View, slot: LogicalSlot): Move | null {
  const idle = view.memory.native.idle.get(slot.name);
  if (idle === undefined || slot.active || invalidationOf(slot) !== null) return null;
  const standbys = standbysWaiting(view, slot);
  if (standbys.length === 0 || view.nowMs - idle.sinceMs < idleForMs) return null;
  const waiting = standbys.map((name) => withTemplates(view, name));
  const { tried } = idle;
  // What a standby waited for at first may have been its template: once that is there, one more move is all it takes.
  const count = isBehindTemplate(view, slot, standbys) ? 1 : Math.max(1, attemptsFor(waiting, tried));
  const waitMs = tried?.moved === false ? changesWaitMs : backoffMs(moveBackoff, count, 1);
  if (tried !== null && view.nowMs - tried.atMs < waitMs) {
    if (tried.moved) return null;
    const where = `changes from ${formatLsn(idle.position)} on wait for its consumer`;
    return { kind: 'held', why: `${standbys.join(', ')} cannot take it over before it moves, but ${where}` };
  }
  return { kind: 'due', sinceMs: tried?.atMs ?? idle.sinceMs, waiting };
}

function isLoggedSince({ memory }: View, sinceMs: number): boolean {
  return (memory.snapshotLoggedAtMs ?? -Infinity) > sinceMs;
}

/** While records are logged for those who ask for them, one of them is flushed by now. */
function isFlushedSince(view: View, sinceMs: number): boolean {
  const ageMs = view.nowMs - (view.memory.snapshotLoggedAtMs ?? -Infinity);
  return isLoggedSince(view, sinceMs) && (ageMs >= flushedWithinMs || membersWaiting(view).length > 0);
}

/**
 * The members that cannot take the slot over yet, as they say themselves; sorted. A cascade's copy waits for the same thing
 * as PostgreSQL's: that the slot passes what the standby can decode from. A direct standby with usable copies of marked
 * slots from templates waits, too: PostgreSQL could not keep them before that (`isTooEarlyToTakeOver`).
 */
function standbysWaiting(view: View, { name: slot, failover }: LogicalSlot): readonly string[] {
  return [...(view.consul.keys?.members ?? [])]
    .filter(([name, { value, session }]) => {
      const found = value?.slots.get(slot);
      if (name === view.self.name || session === null || found === undefined) return false;
      const isForPostgres = failover && value?.extras?.upstream === view.self.name;
      return isToCome(found.verdict) || (isForPostgres && found.method === 'template');
    })
    .map(([name]) => name)
    .sort();
}

/** One that PostgreSQL invalidated on the standby is made anew there, too. */
function isToCome({ kind }: Verdict): boolean {
  return kind === 'not_ready' || kind === 'lost';
}

/**
 * A standby and the databases of its templates: where the slot begins with a transaction running, PostgreSQL can decode from
 * it there only by a snapshot that another slot has left, and none leaves one of what is before its own start.
 */
function withTemplates(view: View, name: string): string {
  const templates = view.consul.keys?.members.get(name)?.value?.extras?.templates.keys() ?? [];
  return [name, ...[...templates].sort()].join(' ');
}

/** Whether the slot is too old for the template of a standby that is to make it from that. */
function isBehindTemplate(view: View, slot: LogicalSlot, waiting: readonly string[]): boolean {
  return waiting.some((name) => {
    const member = view.consul.keys?.members.get(name)?.value;
    const found = member?.slots.get(slot.name);
    const template = member?.extras?.templates.get(slot.database);
    const isToBeMade = found?.method === 'template' && (found.position === null || found.verdict.kind === 'lost');
    return isToBeMade && template !== undefined && template > (slot.confirmedFlushLsn ?? template);
  });
}
