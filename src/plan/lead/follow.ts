import { equal } from '../../base/equal.ts';
import type { ServerPlan } from '../../domain/managed.ts';
import { freshLook } from '../../view/select.ts';
import type { View } from '../../view/view.ts';
import type { Intent } from '../intent.ts';
import { act, hold } from '../intent.ts';
import { awaitsRemoteLine, isToFollowAnother } from './remote-line.ts';

/** A reload takes effect within a fraction of a second; what had none is not done again before this. */
const againAfterMs = 10_000;

/** A running standby streams from whom it is to stream from, through its slot there. */
export function planFollow(view: View, plan: ServerPlan): readonly Intent[] {
  const look = freshLook(view);
  const { upstream } = plan;
  if (look?.role !== 'standby' || upstream === null) return [];
  if (!isToFollowAnother(look, upstream)) return [];
  if (awaitsRemoteLine(view)) return [hold('follow', 'it is not known yet where the remote primary left its line')];
  const { followed } = view.memory.lead;
  if (followed !== null && equal(followed.upstream, upstream) && view.nowMs - followed.atMs < againAfterMs)
    return [hold('follow', `it was told to stream from ${upstream.member}, and its settings still say otherwise`)];
  return [act({ kind: 'follow', plan })];
}
