import type { ClusterKeys, Member } from '../../domain/cluster.ts';
import { leaderName } from '../../domain/cluster.ts';
import type { DynamicConfig } from '../../domain/config.ts';
import { isListed } from './standing.ts';

/** A switchover or failover as it is asked for. */
export interface SwitchoverAsked {
  readonly action: 'switchover' | 'failover';
  readonly leader: string | null;
  readonly candidate: string | null;
}

/** Why nobody could take over now, in Patroni's words; null = somebody could. */
export function impossibleBecause(
  { action, leader, candidate }: SwitchoverAsked,
  keys: ClusterKeys,
  config: DynamicConfig,
): string | null {
  const present = leaderName(keys);
  const { synchronousMode } = config.lead;
  const isSync = (name: string): boolean => isListed(keys.sync?.value ?? null, name);
  if (leader !== null && leader !== present) return 'leader name does not match';
  if (candidate !== null && action === 'switchover' && synchronousMode && !isSync(candidate))
    return 'candidate name does not match with sync_standby';
  if (candidate !== null && !keys.members.has(candidate)) return 'candidate does not exists';
  if (candidate !== null && candidate === present)
    return `${action} is not possible: ${candidate} is the leader already`;
  const others = [...keys.members.keys()].filter((name) =>
    candidate === null ? name !== present && (!synchronousMode || isSync(name)) : name === candidate,
  );
  if (others.length === 0) {
    return synchronousMode
      ? `${action} is not possible: can not find sync_standby`
      : `${action} is not possible: cluster does not have members except leader`;
  }
  return others.some((name) => canLead(keys, name))
    ? null
    : `${action} is not possible: no good candidates have been found`;
}

/** Alive by its session, and not kept from leading by its tags. */
function canLead(keys: ClusterKeys, name: string): boolean {
  const key = keys.members.get(name);
  const member: Member | null = key?.value ?? null;
  return (
    key != null && key.session !== null && member !== null && member.state === 'running' && !member.tags.nofailover
  );
}
