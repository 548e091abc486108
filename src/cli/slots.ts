import type { AccessOptions } from '../config/cluster-access.ts';
import { verdictWords } from '../domain/check.ts';
import { leaderName, type ClusterKeys, type SlotHistoryEntry } from '../domain/cluster.ts';
import { formatLsn, type Lsn } from '../domain/lsn.ts';
import { slotNameFromMemberName, type Gap, type SlotVerdict, type VerdictKind } from '../domain/slot.ts';
import { lagBytes } from './cluster-summary.ts';
import { withCluster } from './cluster.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';
import { problemLines } from './failure.ts';
import { toJson } from './json.ts';
import { tableLines, type Cell, type Colour, type Fitting } from './table.ts';
import type { Terminal } from './terminal.ts';

/** One slot on one member. */
export interface SlotRow {
  readonly slot: string;
  readonly type: 'logical' | 'physical' | null;
  readonly member: string;
  readonly role: 'leader' | 'replica';
  /** `primary`: the slot that the others follow. `unknown`: the member's agent says nothing of it. */
  readonly verdict: VerdictKind | 'primary' | 'unknown';
  readonly position: Lsn | null;
  /** Bytes behind the primary's slot; null on the primary, or where one of both is not known. */
  readonly lag_bytes: number | null;
  readonly reason: string;
}

/** `slotkeeper slots`: each slot on each member, or with `--history` what became of slots at promotions. */
export function slots(
  options: AccessOptions & { readonly json: boolean; readonly history: boolean },
  terminal: Terminal,
): Promise<ExitCode> {
  return withCluster(options, terminal, ({ keys, configProblems }) => {
    for (const line of problemLines(configProblems)) terminal.err(line);
    if (options.history) {
      const entries = keys.slotHistory?.value ?? [];
      for (const line of options.json ? [toJson(entries)] : slotHistoryLines(entries, terminal)) terminal.out(line);
    } else {
      const rows = slotRows(keys);
      for (const line of options.json ? [toJson(rows)] : slotLines(rows, terminal)) terminal.out(line);
    }
    return exitCodes.ok;
  });
}

/** Every slot that the leader publishes, a member reports or the configuration declares, by slot and member. */
export function slotRows(keys: ClusterKeys): readonly SlotRow[] {
  const status = keys.status?.value ?? null;
  const declared = keys.config?.value?.slots ?? new Map<string, { readonly type: 'logical' | 'physical' }>();
  const names = new Set([...declared.keys(), ...(status?.slots.keys() ?? []), ...(status?.extras?.lost.keys() ?? [])]);
  for (const { value } of keys.members.values()) for (const name of value?.slots.keys() ?? []) names.add(name);
  const leader = leaderName(keys);
  const members = [...keys.members.keys()].sort(
    (a, b) => Number(b === leader) - Number(a === leader) || (a < b ? -1 : 1),
  );
  return [...names].sort().flatMap((slot) => {
    const published = status?.slots.get(slot) ?? null;
    const types = [...keys.members.values()].flatMap(({ value }) => value?.slots.get(slot)?.type ?? []);
    const logical = status?.extras?.logical.has(slot) === true ? 'logical' : null;
    const type = declared.get(slot)?.type ?? types[0] ?? logical;
    const lost = status?.extras?.lost.get(slot) ?? null;
    // A member's own physical slot is on the servers that it may stream from, never on itself.
    const concerned = members.filter((member) => type !== 'physical' || slotNameFromMemberName(member) !== slot);
    return concerned.map((member): SlotRow => {
      const told = keys.members.get(member)?.value?.slots.get(slot) ?? null;
      const role = member === leader ? 'leader' : 'replica';
      if (role === 'leader' && (told === null || told.verdict.kind === 'ready')) {
        const reason = lost !== null ? lost.why : published === null ? 'not on the primary yet' : '';
        const verdict = lost !== null ? 'lost' : published === null ? 'not_ready' : 'primary';
        return { slot, type, member, role, verdict, position: published, lag_bytes: null, reason };
      }
      return { slot, type, member, role, ...toldOf(told, published) };
    });
  });
}

function toldOf(
  told: SlotVerdict | null,
  published: Lsn | null,
): Pick<SlotRow, 'verdict' | 'position' | 'lag_bytes' | 'reason'> {
  if (told === null) return { verdict: 'unknown', position: null, lag_bytes: null, reason: 'the member does not say' };
  const { verdict, position } = told;
  const lag = lagBytes(position, published);
  return {
    verdict: verdict.kind,
    position,
    lag_bytes: lag === 'unknown' ? null : lag,
    reason: verdict.kind === 'ready' ? '' : verdict.reason,
  };
}

const colours: Readonly<Record<SlotRow['verdict'], Colour>> = {
  primary: 'green',
  ready: 'green',
  not_ready: 'yellow',
  ahead: 'yellow',
  orphan: 'yellow',
  unknown: 'yellow',
  lost: 'red',
};

export function slotLines(rows: readonly SlotRow[], fitting: Fitting): readonly string[] {
  if (rows.length === 0) return ['No slots are followed. Declare one: slotkeeper edit-config --help'];
  return tableLines(
    {
      title: null,
      columns: [
        { name: 'Slot', align: 'left' },
        { name: 'Type', align: 'left' },
        { name: 'Member', align: 'left' },
        { name: 'Verdict', align: 'left' },
        { name: 'Position', align: 'right' },
        { name: 'Lag in bytes', align: 'right' },
        { name: 'Reason', align: 'left' },
      ],
      rows: rows.map((row) => [
        row.slot,
        row.type ?? '',
        row.member,
        { text: wordsFor(row.verdict), colour: colours[row.verdict] },
        row.position === null ? '' : formatLsn(row.position),
        row.lag_bytes === null ? '' : String(row.lag_bytes),
        row.reason,
      ]),
    },
    fitting,
  );
}

export function slotHistoryLines(entries: readonly SlotHistoryEntry[], fitting: Fitting): readonly string[] {
  const rows = entries.flatMap(({ timeline, timestamp, leader, slots, gaps }) => {
    const names = new Set([...slots, ...gaps].map(({ slot }) => slot));
    return [...names].sort().map((name): readonly Cell[] => {
      const found = slots.find(({ slot }) => slot === name);
      const verdict = found?.verdict ?? { kind: 'lost', reason: 'it was not there' };
      const reasons = verdict.kind === 'ready' ? [] : [verdict.reason];
      for (const gap of gaps) if (gap.slot === name) reasons.push(describeGap(gap));
      return [
        String(timeline),
        timestamp,
        leader,
        name,
        { text: verdictWords[verdict.kind], colour: colours[verdict.kind] },
        found?.position == null ? '' : formatLsn(found.position),
        reasons.join('; '),
      ];
    });
  });
  if (rows.length === 0) return ['No promotion has been recorded.'];
  return tableLines(
    {
      title: null,
      columns: [
        { name: 'TL', align: 'right' },
        { name: 'Timestamp', align: 'left' },
        { name: 'New Leader', align: 'left' },
        { name: 'Slot', align: 'left' },
        { name: 'Verdict', align: 'left' },
        { name: 'Position', align: 'right' },
        { name: 'Reason', align: 'left' },
      ],
      rows,
    },
    fitting,
  );
}

function describeGap({ from, to, why }: Gap): string {
  return `changes from ${formatLsn(from)} to ${to === null ? 'an unknown position' : formatLsn(to)} are lost: ${why}`;
}

function wordsFor(verdict: SlotRow['verdict']): string {
  return verdict === 'primary' || verdict === 'unknown' ? verdict : verdictWords[verdict];
}
