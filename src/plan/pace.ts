import { currentStatus, followedSlots } from '../view/select.ts';
import type { View } from '../view/view.ts';

/** Looks while slots move, and while nothing does. The quiet pace bounds how late the first movement is seen. */
const quickMs = 50;
const quietMs = 500;
const emptyMs = 1_000;
/** How long after the last movement the quick pace is kept. */
const quickForMs = 5_000;

/** How soon to look at the local server again. */
export function lookAgainMs(view: View): number {
  if (view.local.contact.kind !== 'good')
    return view.local.look?.role === 'primary' || view.local.look === null ? quietMs : 200;
  const { movedAtMs } = view.memory;
  if (view.local.look?.role === 'standby') {
    // A standby acts on what Consul says; it looks often only until what it has begun is done.
    const isSettling =
      view.memory.missing.names !== '' || view.verdicts.some((slot) => slot.verdict.kind === 'not_ready');
    return isSettling ? 200 : (followedSlots(view)?.length ?? 0) > 0 ? quietMs : emptyMs;
  }
  if (movedAtMs !== null && view.nowMs - movedAtMs < quickForMs) return quickMs;
  return (currentStatus(view.consul.keys)?.extras?.logical.size ?? 0) > 0 ? quietMs : emptyMs;
}
