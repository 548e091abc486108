import { onceForEach } from '../base/once.ts';
import { leaderName } from '../domain/cluster.ts';
import { ownUpstream } from './select.ts';
import { standbyClusterOf } from './standby-cluster.ts';
import type { View } from './view.ts';

/**
 * Why this member is to have no logical slots; null = it is. What streams from a member that does not stream itself has
 * none either: nothing tells the primary which rows it needs. One that is never promoted hands that on. In a standby
 * cluster nobody has: its consumers have theirs on the other cluster's primary.
 */
export const excludedBecause = onceForEach((view: View): string | null => {
  const { nofailover, nostream } = view.self.tags;
  if (nofailover || nostream) return `this member is tagged ${nofailover ? 'nofailover' : 'nostream'}`;
  if (view.self.ha === 'manage' && standbyClusterOf(view) !== null) return 'this is a standby cluster';
  const keys = view.consul.keys;
  const seen = new Set<string>([view.self.name]);
  for (let upstream = ownUpstream(view); upstream !== null && keys !== null && !seen.has(upstream);) {
    seen.add(upstream);
    if (upstream === leaderName(keys)) return null;
    const member = keys.members.get(upstream)?.value ?? null;
    if (member?.tags.nostream === true) return `${upstream}, which this member streams from, is tagged nostream`;
    upstream = member?.extras?.upstream ?? null;
  }
  return null;
});
