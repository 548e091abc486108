import { leaderName } from '../domain/cluster.ts';
import type { ServerLook } from '../domain/server.ts';
import { needsFeedback } from '../view/feedback.ts';
import { currentStatus, followedSlots, freshLook, ownUpstream } from '../view/select.ts';
import type { View } from '../view/view.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';

/** A reload takes effect within a fraction of a second. */
const reloadMs = 1_000;
/** How long after a change without effect the next one is tried. */
const overruledForMs = 60_000;
/** Until the server above has looked at its slot and has said what is there. */
const hurryEveryMs = 2_000;

/**
 * hot_standby_feedback on where logical slots, here or further down, need it; off again only where slotkeeper switched
 * it on, and only when the primary's slots are known, so that not knowing never costs the protection.
 */
export function planFeedback(view: View): readonly Intent[] {
  const look = freshLook(view);
  if (look?.role !== 'standby') return [];
  const isOn = look.settings.hotStandbyFeedback;
  if (needsFeedback(view)) {
    if (isOn) return isFeedbackLate(view, look) ? [act({ kind: 'hurry_feedback' })] : [];
    const last = view.memory.feedback;
    if (last?.mode === 'on' && view.nowMs - last.atMs < reloadMs) return [];
    if (isFeedbackOverruled(view))
      return [hold('hot_standby_feedback', 'it was switched on, and the server still says off')];
    return [act({ kind: 'set_feedback', mode: 'on' })];
  }
  const isOurs = view.ledger?.feedbackSet === true;
  return isOn && isOurs && followedSlots(view) !== null ? [act({ kind: 'set_feedback', mode: 'reset' })] : [];
}

/**
 * Whether a catalog_xmin is held here, for slots of this server or of one that streams from it, of which the server above
 * has not heard at all: nothing is ready before it has.
 */
function isFeedbackLate(view: View, look: ServerLook): boolean {
  if (view.nowMs - (view.memory.feedbackHurriedAtMs ?? -Infinity) < hurryEveryMs) return false;
  const isHeld = look.slots.some((slot) => slot.catalogXmin !== null && !slot.temporary);
  if (!isHeld || look.receiver?.status !== 'streaming') return false;
  const { keys } = view.consul;
  const upstream = ownUpstream(view);
  if (keys === null || upstream === null) return false;
  const link =
    upstream === leaderName(keys)
      ? currentStatus(keys)?.extras?.physical
      : keys.members.get(upstream)?.value?.extras?.physical;
  return link?.get(look.settings.primarySlotName)?.catalogXmin === null;
}

/** Whether switching it on had no effect: something that counts more, a command line option say, says off. */
export function isFeedbackOverruled(view: View): boolean {
  const last = view.memory.feedback;
  if (freshLook(view)?.settings.hotStandbyFeedback !== false || last?.mode !== 'on') return false;
  const sinceMs = view.nowMs - last.atMs;
  return sinceMs >= reloadMs && sinceMs < overruledForMs;
}
