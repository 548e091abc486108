import { formatAddress } from '../config/address.ts';
import { verdictWords } from '../domain/check.ts';
import type { VerdictKind } from '../domain/slot.ts';
import type { AccessOptions } from '../config/cluster-access.ts';
import { printable } from '../base/printable.ts';
import { summarize, type ClusterSummary, type MemberSummary } from './cluster-summary.ts';
import { withCluster } from './cluster.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';
import { toJson } from './json.ts';
import { paint, tableLines, type Cell, type Fitting } from './table.ts';
import type { Terminal } from './terminal.ts';

/** `slotkeeper list`: the members of the cluster, and everything that is wrong with it. */
export function list(options: AccessOptions & { readonly json: boolean }, terminal: Terminal): Promise<ExitCode> {
  return withCluster(options, terminal, ({ access, keys, configProblems }) => {
    const summary = summarize(access.scope, keys, configProblems);
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
    ...problems.map((problem) => ` ${paint('!', 'red', fitting)} ${printable(problem)}`),
  ];
}

/** patronictl shows ports only where they tell something. */
function showPorts(members: readonly MemberSummary[]): boolean {
  const hosts = members.flatMap(({ host }) => (host === null ? [] : [host]));
  return new Set(hosts).size < hosts.length || members.some(({ port }) => port !== null && port !== 5432);
}

function rowOf(member: MemberSummary, withPort: boolean): readonly Cell[] {
  const { host, port, lag } = member;
  return [
    member.name,
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
