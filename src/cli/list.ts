import { formatAddress } from '../config/address.ts';
import { verdictWords } from '../domain/check.ts';
import type { VerdictKind } from '../domain/slot.ts';
import type { AccessOptions } from '../config/cluster-access.ts';
import { printable } from '../base/printable.ts';
import { summarize, type ClusterSummary, type MemberSummary } from './cluster-summary.ts';
import { withCluster } from './cluster.ts';
import { asTree } from './topology.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';
import { toJson } from './json.ts';
import { paint, tableLines, type Cell, type Fitting } from './table.ts';
import type { Terminal } from './terminal.ts';

/**
 * `slotkeeper list`: the members of the cluster, and everything that is wrong with it. `isTree`: each below the one that it
 * streams from (`slotkeeper topology`).
 */
export function list(
  options: AccessOptions & { readonly json: boolean; readonly isTree: boolean },
  terminal: Terminal,
): Promise<ExitCode> {
  return withCluster(options, terminal, ({ access, keys, configProblems }) => {
    const all = summarize(access.scope, keys, configProblems);
    const summary = options.isTree && !options.json ? { ...all, members: asTree(all.members, keys) } : all;
    for (const line of options.json ? [toJson(summary)] : listLines(summary, terminal)) terminal.out(line);
    return exitCodes.ok;
  });
}

export function listLines(summary: ClusterSummary, fitting: Fitting): readonly string[] {
  const { scope, system_identifier, members, problems } = summary;
  const table = tableLines(
    {
      title: `Cluster: ${scope} (${system_identifier === null ? 'uninitialized' : system_identifier})`,
      columns: [
        { name: 'Member', align: 'left' },
        { name: 'Host', align: 'left' },
        { name: 'Role', align: 'left' },
        { name: 'State', align: 'left' },
        { name: 'TL', align: 'right' },
        { name: 'Lag in MB', align: 'right' },
        { name: 'Slots', align: 'left' },
      ],
      rows: members.map((member) => rowOf(member, showPorts(members))),
    },
    fitting,
  );
  return [
    ...table,
    ...(summary.pause ? [' Maintenance mode: on'] : []),
    ...serviceLines(summary),
    ...problems.map((problem) => ` ${paint('!', 'red', fitting)} ${printable(problem)}`),
  ];
}

/** What is to happen at a later time, and what waits to be done. */
function serviceLines({ scheduled_switchover, members }: ClusterSummary): readonly string[] {
  const { at, from, to } = scheduled_switchover ?? {};
  const names = [from === undefined ? '' : ` from ${from}`, to === undefined ? '' : ` to ${to}`].join('');
  const switchover = at === undefined ? [] : [` Switchover scheduled at: ${at}${names}`];
  const restarts = members.flatMap(({ name, pending_restart, pending_restart_reason, scheduled_restart }) => [
    ...(scheduled_restart === undefined ? [] : [` Restart of ${name} scheduled at: ${scheduled_restart}`]),
    ...(pending_restart ? [` Restart pending on: ${name}${changesIn(pending_restart_reason ?? {})}`] : []),
  ]);
  return [...switchover, ...restarts].map((line) => printable(line));
}

/** ` (name: old->new, …)`, as patronictl writes it. */
function changesIn(reason: NonNullable<MemberSummary['pending_restart_reason']>): string {
  const changes = Object.entries(reason).map(
    ([name, { old_value, new_value }]) => `${name}: ${old_value}->${new_value}`,
  );
  return changes.length === 0 ? '' : ` (${changes.join(', ')})`;
}

/** patronictl shows ports only where they tell something. */
function showPorts(members: readonly MemberSummary[]): boolean {
  const hosts = members.flatMap(({ host }) => (host === null ? [] : [host]));
  return new Set(hosts).size < hosts.length || members.some(({ port }) => port !== null && port !== 5432);
}

function rowOf(member: MemberSummary, withPort: boolean): readonly Cell[] {
  const { host, port, lag } = member;
  return [
    member.label ?? member.name,
    host === null ? '' : withPort && port !== null ? formatAddress({ host, port }) : host,
    member.role
      .split('_')
      .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
      .join(' '),
    member.state,
    member.timeline === null ? '' : String(member.timeline),
    lag === undefined ? '' : lag === 'unknown' ? lag : String(Math.round(lag / 1024 / 1024)),
    slotsCell(member.slots),
  ];
}

const worstFirst: readonly VerdictKind[] = ['lost', 'not_ready', 'ahead', 'orphan', 'ready'];

function slotsCell(slots: MemberSummary['slots']): Cell {
  const counts = worstFirst.flatMap((kind) => {
    const count = slots[kind] ?? 0;
    return count === 0 ? [] : [`${count} ${verdictWords[kind]}`];
  });
  if (counts.length === 0) return '';
  const colour = slots.lost !== undefined ? 'red' : counts.length > 1 || slots.ready === undefined ? 'yellow' : 'green';
  return { text: counts.join(', '), colour };
}
