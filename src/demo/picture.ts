import { leaderName, type ClusterKeys } from '../domain/cluster.ts';
import { formatLsn } from '../domain/lsn.ts';

/** The cluster as lines of text: one for each member and slot. */
export function describeCluster(keys: ClusterKeys): readonly string[] {
  const leader = leaderName(keys);
  const optime = keys.status?.value?.optime ?? null;
  const rows = [['member', 'role', 'state', 'TL', 'lag', 'slot', 'position', 'verdict']];
  for (const [name, { value }] of [...keys.members].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (value === null) continue;
    const role = name === leader ? 'leader' : value.role;
    const lag =
      optime === null || value.xlogLocation === null || name === leader ? '' : bytes(optime - value.xlogLocation);
    const own = [name, role, value.state, String(value.timeline ?? ''), lag];
    const logical = [...value.slots.values()].filter((slot) => slot.type === 'logical');
    if (logical.length === 0) rows.push([...own, '', '', '']);
    for (const slot of logical) {
      const position = slot.position === null ? '' : formatLsn(slot.position);
      const reason = 'reason' in slot.verdict ? `: ${slot.verdict.reason}` : '';
      rows.push([...own, slot.slot, position, `${slot.verdict.kind.replace('_', ' ')}${reason}`]);
    }
  }
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function bytes(count: bigint): string {
  if (count <= 0n) return '0 B';
  return count < 10_240n ? `${count} B` : `${count / 1_024n} kB`;
}
