import { majorOf } from '../domain/version.ts';
import { templatesSince } from '../view/method.ts';
import { freshLook, membersWaiting } from '../view/select.ts';
import type { View } from '../view/view.ts';
import { lacksRecordToMove } from './idle-slots.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';
import { mayPublish } from './leadership.ts';

/**
 * A slot that is being made needs up to three records of some dozens of bytes (FACTS 2), so the first ones come quickly. A
 * standby that waits for longer waits for something else as well: for a long transaction, or for its own replay.
 */
const rhythm: readonly { readonly untilMs: number; readonly everyMs: number }[] = [
  { untilMs: 5_000, everyMs: 200 },
  { untilMs: 60_000, everyMs: 1_000 },
  { untilMs: Infinity, everyMs: 5_000 },
];

/** How often the running transactions are logged for those who wait now. */
export function snapshotEveryMs(view: View): number {
  const waitedMs = view.nowMs - view.memory.awaitingSnapshot.sinceMs;
  return rhythm.find(({ untilMs }) => waitedMs < untilMs)?.everyMs ?? Infinity;
}

/**
 * On the primary: the running transactions are logged while a standby waits for them, and before an idle slot is moved. On an
 * idle primary nothing else does it, and on a busy one PostgreSQL does it every 15 seconds.
 */
export function planSnapshots(view: View): readonly Intent[] {
  const look = freshLook(view);
  if (look?.role !== 'primary' || majorOf(look.versionNum) < templatesSince || !mayPublish(view)) return [];
  const waiting = membersWaiting(view);
  if (waiting.length === 0 && !lacksRecordToMove(view, look)) return [];
  if (!look.privileges.logStandbySnapshot) {
    if (waiting.length === 0) return [];
    return [hold('running transactions', `${waiting.join(', ')} waits for them: no privilege to log them`)];
  }
  if (view.nowMs - (view.memory.snapshotLoggedAtMs ?? -Infinity) < snapshotEveryMs(view)) return [];
  return [act({ kind: 'log_standby_snapshot' })];
}
