import { boundBecause } from '../../view/failsafe.ts';
import { hasLeaseLeft, leadingTerm } from '../../view/lease.ts';
import { freshLook, sessionId } from '../../view/select.ts';
import { standbyClusterOf } from '../../view/standby-cluster.ts';
import type { View } from '../../view/view.ts';
import type { Intent } from '../intent.ts';
import { act, hold } from '../intent.ts';
import { behindOffer, newestTimeline } from './fitness.ts';
import { isSyncReady } from './sync-mode.ts';
import { isListed } from './terms.ts';

/** A standby whose agent leads is promoted; the executor asks Consul once more (L1). */
export function planPromotion(view: View): readonly Intent[] {
  const term = leadingTerm(view);
  const session = sessionId(view);
  if (term === null || session === null || freshLook(view)?.role !== 'standby') return [];
  if (standbyClusterOf(view) !== null) return [];
  const why = waitsToWrite(view, term) ?? behindOffer(view);
  return why === null
    ? [act({ kind: 'promote', session, term, newestTimeline: newestTaken(view) })]
    : [hold('promotion', why)];
}

/**
 * The newest number of a timeline that any leader may have taken: one that was not heard of since it was listed may have
 * been promoted all the same. A second line of WAL under that number would pass for the first (L7).
 */
function newestTaken(view: View): number {
  const terms = view.consul.keys?.terms?.value ?? [];
  return (
    newestTimeline(view) + terms.filter(({ timeline, term }) => timeline === null && term !== leadingTerm(view)).length
  );
}

/** What has to be in Consul, and left of the lease, before the server may accept a write under the term; null = all is. */
export function waitsToWrite(view: View, term: number): string | null {
  if (!isListed(view, term)) return `term ${term} is not listed yet`;
  if (!isSyncReady(view)) return 'the key sync does not name this leader alone yet';
  return boundBecause(view) ?? (hasLeaseLeft(view) ? null : 'too little is left of the lease');
}
