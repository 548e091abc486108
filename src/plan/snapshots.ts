import { majorOf } from '../domain/version.ts';
import { templatesSince } from '../view/method.ts';
import { freshLook } from '../view/select.ts';
import type { View } from '../view/view.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';
import { mayPublish } from './leadership.ts';

/** Each is a record of some dozens of bytes; a slot that is being made needs up to three of them (FACTS 2). */
export const snapshotEveryMs = 200;

/**
 * On the primary: the running transactions are logged while a standby waits for them. On an idle primary nothing else
 * does it, and on a busy one PostgreSQL does it every 15 seconds.
 */
export function planSnapshots(view: View): readonly Intent[] {
  const look = freshLook(view);
  if (look?.role !== 'primary' || majorOf(look.versionNum) < templatesSince || !mayPublish(view)) return [];
  const waiting = membersWaiting(view);
  if (waiting.length === 0) return [];
  if (!look.privileges.logStandbySnapshot) {
    return [hold('running transactions', `${waiting.join(', ')} waits for them: no privilege to log them`)];
  }
  if (view.nowMs - (view.memory.snapshotLoggedAtMs ?? -Infinity) < snapshotEveryMs) return [];
  return [act({ kind: 'log_standby_snapshot' })];
}

/** The members that wait for a record of the running transactions, and are alive by their session; sorted. */
export function membersWaiting(view: View): readonly string[] {
  return [...(view.consul.keys?.members ?? [])]
    .filter(
      ([name, key]) => name !== view.self.name && key.session !== null && key.value?.extras?.wantsSnapshot === true,
    )
    .map(([name]) => name)
    .sort();
}
