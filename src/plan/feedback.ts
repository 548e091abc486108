import { needsFeedback } from '../view/feedback.ts';
import { followedSlots, freshLook } from '../view/select.ts';
import type { View } from '../view/view.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';

/** How long after a change without effect the next one is tried; a reload takes effect within a fraction of a second. */
const overruledForMs = 60_000;

/**
 * hot_standby_feedback on where logical slots, here or further down, need it; off again only where slotkeeper switched
 * it on, and only when the primary's slots are known, so that not knowing never costs the protection.
 */
export function planFeedback(view: View): readonly Intent[] {
  const look = freshLook(view);
  if (look?.role !== 'standby') return [];
  const isOn = look.settings.hotStandbyFeedback;
  if (needsFeedback(view)) {
    if (isOn) return [];
    if (isFeedbackOverruled(view))
      return [hold('hot_standby_feedback', 'it was switched on, and the server still says off')];
    return [act({ kind: 'set_feedback', mode: 'on' })];
  }
  const isOurs = view.ledger?.feedbackSet === true;
  return isOn && isOurs && followedSlots(view) !== null ? [act({ kind: 'set_feedback', mode: 'reset' })] : [];
}

/** Whether switching it on had no effect: something that counts more, a command line option say, says off. */
export function isFeedbackOverruled(view: View): boolean {
  const last = view.memory.feedback;
  return (
    freshLook(view)?.settings.hotStandbyFeedback === false &&
    last?.mode === 'on' &&
    view.nowMs - last.atMs < overruledForMs
  );
}
