import type { ServerLook } from '../../domain/server.ts';
import { leadingTerm, mayWrite } from '../../view/lease.ts';
import { startTimeoutSecondsOf } from '../../view/requests.ts';
import { configOf, freshLook, holdsLeader, sessionId } from '../../view/select.ts';
import { standbyClusterOf } from '../../view/standby-cluster.ts';
import type { View } from '../../view/view.ts';
import type { Intent } from '../intent.ts';
import { act, hold } from '../intent.ts';
import { refusalOf } from '../refusal.ts';
import { leadsAloneBesideRemote } from './empty.ts';
import { behindOffer, failedPromotion, lacksBecause } from './fitness.ts';
import { planFinalPosition } from './switchover.ts';

/** A server that could not be started this often is left to be mended while somebody else leads. */
const mostStarts = 3;

/** Gives the leader key back when this member does not, or should not, lead with it; never while its server may write. */
export function planRelease(view: View): readonly Intent[] {
  const session = sessionId(view);
  if (session === null || !holdsLeader(view)) return [];
  const why = releaseBecause(view);
  if (why === null) return [];
  // In pause it is not stopped, and takes the key again in a new term: the others are not in a race then.
  if (mayWrite(view) && !configOf(view).pause)
    return [hold('leader key', `it is to be released (${why}), but the server may still accept writes`)];
  const final = planFinalPosition(view);
  return final.length > 0 ? final : [act({ kind: 'release_leader', session })];
}

/** Why this member does not lead on; null = it does. */
export function releaseBecause(view: View): string | null {
  const term = leadingTerm(view);
  if (term === null) return 'its term is over';
  const refusal = refusalOf(view);
  if (refusal !== null) return refusal;
  const look = freshLook(view);
  if (look?.role === 'standby') return failedPromotion(view) ?? lostTimeline(view) ?? lacking(view, look);
  if (look !== null || view.running.has('server')) return null;
  const { disk } = view.local;
  if (disk === null) return null;
  if (view.memory.lead.handover?.term === term) return 'switchover';
  if (disk.kind !== 'cluster') return leadsAloneBesideRemote(view) ? null : 'it has no data';
  if (configOf(view).pause) return null;
  const downMs = view.nowMs - (view.memory.lead.downSinceMs ?? view.nowMs);
  if (downMs >= startTimeoutSecondsOf(view) * 1_000) return 'its server did not come back in time';
  return (view.failures.get('start_server')?.count ?? 0) >= mostStarts ? 'its server can not be started' : null;
}

/** The leader of a standby cluster has what the remote primary sends, and no more is known of that. */
function lacking(view: View, look: ServerLook): string | null {
  return standbyClusterOf(view) === null ? lacksBecause(view, look) : null;
}

/** What crashed on its way to lead has until then to replay what it had. */
const replayMs = 10_000;

function lostTimeline(view: View): string | null {
  const { offered } = view.memory.lead;
  return offered !== null && view.nowMs - offered.atMs >= replayMs ? behindOffer(view) : null;
}
