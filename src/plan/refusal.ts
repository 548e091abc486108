import { leaderName } from '../domain/cluster.ts';
import { oldestMajor, majorOf, versionText } from '../domain/version.ts';
import { freshLook } from '../view/select.ts';
import type { View } from '../view/view.ts';

/**
 * Why this server takes no part at all: it is too old (S7), or of another cluster, whose slots are none of this scope's
 * business. Null = it does, or nothing is known of it yet.
 */
export function refusalOf(view: View): string | null {
  const look = freshLook(view);
  if (look === null) return null;
  if (majorOf(look.versionNum) < oldestMajor) {
    return `this server is PostgreSQL ${versionText(look.versionNum)}; ${oldestMajor} is the oldest that can advance a slot`;
  }
  return foreignBecause(view, look.systemIdentifier);
}

/** Why nothing is changed on this server: it takes no part, or it can hold no logical slots (S7). */
export function untouchableBecause(view: View): string | null {
  const walLevel = freshLook(view)?.settings.walLevel ?? 'logical';
  return refusalOf(view) ?? (walLevel === 'logical' ? null : `wal_level is ${walLevel}, logical slots need logical`);
}

/** Why data with that system identifier does not belong to this scope; null = it does, as far as is known. */
export function foreignBecause(view: View, identifier: string): string | null {
  const { keys } = view.consul;
  if (keys === null) return null;
  const scope = keys.initialize?.value ?? '';
  if (scope !== '' && scope !== identifier) {
    return `this server's system identifier is ${identifier}, the scope's is ${scope}: it belongs to another cluster`;
  }
  const leader = leaderName(keys) ?? view.self.name;
  const leading = keys.members.get(leader)?.value?.extras?.systemIdentifier ?? null;
  if (leader !== view.self.name && leading !== null && leading !== identifier) {
    return `this server's system identifier is ${identifier}, that of ${leader}, the leader, is ${leading}`;
  }
  return null;
}
