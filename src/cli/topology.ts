import { leaderName, type ClusterKeys } from '../domain/cluster.ts';
import type { MemberSummary } from './cluster-summary.ts';

/**
 * The members in the order of a tree, their names indented: the leader, below it who streams from it, and so on. Where a
 * member does not say whom it streams from, its tag `replicatefrom` does, as in patronictl; else the leader.
 */
export function asTree(members: readonly MemberSummary[], keys: ClusterKeys): readonly MemberSummary[] {
  const leader = leaderName(keys);
  const names = new Set(members.map(({ name }) => name));
  const parentOf = (name: string): string | null => {
    const member = keys.members.get(name)?.value ?? null;
    const parent = member?.extras?.upstream ?? member?.tags.replicatefrom ?? null;
    return parent !== null && parent !== name && names.has(parent) ? parent : leader;
  };
  const shown = new Set<string>();
  const below = (parent: string | null, level: number): readonly MemberSummary[] =>
    members
      .filter(({ name }) => name !== leader && parentOf(name) === parent)
      .flatMap((member) => withChildren(member, level));
  const withChildren = (member: MemberSummary, level: number): readonly MemberSummary[] => {
    if (shown.has(member.name)) return [];
    shown.add(member.name);
    const label = level === 0 ? member.name : `${'  '.repeat(level - 1)}+ ${member.name}`;
    return [{ ...member, label }, ...below(member.name, level + 1)];
  };
  const tree = [
    ...members.filter(({ name }) => name === leader).flatMap((member) => withChildren(member, 0)),
    ...(leader === null ? below(null, 0) : []),
  ];
  // Members that say to stream from each other hang from nowhere.
  return [...tree, ...members.flatMap((member) => withChildren(member, 0))];
}
