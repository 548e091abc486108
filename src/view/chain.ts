import type { ClusterKeys } from '../domain/cluster.ts';
import { leaderName } from '../domain/cluster.ts';
import type { Xid } from '../domain/xid.ts';
import { xidPrecedesOrEquals } from '../domain/xid.ts';
import { currentStatus, ownUpstream } from './select.ts';
import type { View } from './view.ts';

/** Whether catalog rows back to some xid are protected on every link from a standby to the primary. */
export type Protection =
  /**
   * `confirmed`: the primary's status is newer than everything that members on the way report, so its slots' own
   * catalog_xmin in it was read while the chain was protected. Needed to begin with, not to go on.
   */
  { readonly kind: 'protected'; readonly confirmed: boolean } | { readonly kind: 'unprotected'; readonly why: string };

/**
 * Looks along the chain: on every link the physical slot of the lower server must hold a catalog_xmin that is not
 * newer than `catalogXmin`. It gets there only through hot_standby_feedback and a physical slot on each link (FACTS 2).
 */
export function protectionOf(view: View, catalogXmin: Xid): Protection {
  const keys = view.consul.keys;
  const look = view.local.look;
  const status = currentStatus(keys);
  if (keys === null || look === null || status?.extras == null) return unprotected("the primary's status is not known");
  if (!look.settings.hotStandbyFeedback) return unprotected('hot_standby_feedback is off here');
  const leader = leaderName(keys);
  let lower = view.self.name;
  let slot: string | null = look.settings.primarySlotName;
  let upstream = ownUpstream(view);
  let confirmed = true;
  for (let depth = 0; depth < 16; depth += 1) {
    if (slot === null || slot === '')
      return unprotected(`${lower} streams without a physical slot (primary_slot_name)`);
    if (upstream === null) return unprotected(`it is not known where ${lower} streams from`);
    const link = upstream === leader ? status.extras.physical.get(slot) : upstreamLink(keys, upstream, slot);
    if (link?.catalogXmin == null) {
      return unprotected(`the physical slot ${slot} on ${upstream} has no catalog_xmin from hot_standby_feedback yet`);
    }
    if (!xidPrecedesOrEquals(link.catalogXmin, catalogXmin)) {
      return unprotected(
        `the physical slot ${slot} on ${upstream} protects catalog rows only from xid ${link.catalogXmin}`,
      );
    }
    if (upstream === leader) return { kind: 'protected', confirmed };
    const key = keys.members.get(upstream);
    if ((key?.modifyIndex ?? 0) > status.extras.membersIndex) confirmed = false;
    lower = upstream;
    slot = key?.value?.extras?.primarySlotName ?? null;
    upstream = key?.value?.extras?.upstream ?? null;
  }
  return unprotected('the members stream from each other in a circle');
}

function upstreamLink(keys: ClusterKeys, upstream: string, slot: string) {
  const extras = keys.members.get(upstream)?.value?.extras ?? null;
  return extras?.hotStandbyFeedback === true ? extras.physical.get(slot) : undefined;
}

function unprotected(why: string): Protection {
  return { kind: 'unprotected', why };
}
