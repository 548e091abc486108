import { needsFeedback } from '../view/feedback.ts';
import { followedSlots, freshLook } from '../view/select.ts';
import type { View } from '../view/view.ts';
import type { Intent } from './intent.ts';
import { act } from './intent.ts';

/**
 * hot_standby_feedback on where logical slots, here or further down, need it; off again only where slotkeeper switched
 * it on, and only when the primary's slots are known, so that not knowing never costs the protection.
 */
export function planFeedback(view: View): readonly Intent[] {
  const look = freshLook(view);
  if (look?.role !== 'standby') return [];
  const isOn = look.settings.hotStandbyFeedback;
  if (needsFeedback(view)) return isOn ? [] : [act({ kind: 'set_feedback', mode: 'on' })];
  const isOurs = view.ledger?.feedbackSet === true;
  return isOn && isOurs && followedSlots(view) !== null ? [act({ kind: 'set_feedback', mode: 'reset' })] : [];
}
