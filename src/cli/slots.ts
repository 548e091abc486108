import { printable } from '../base/printable.ts';
import type { AccessOptions } from '../config/cluster-access.ts';
import { verdictWords } from '../domain/check.ts';
import type { ClusterKeys } from '../domain/cluster.ts';
import { formatLsn } from '../domain/lsn.ts';
import type { Method } from '../domain/slot.ts';
import { describeGate, templateRows, type TemplateRow } from '../report/explain.ts';
import { gateToJson, historyToJson, lostToJson, templateToJson } from '../report/slots-json.ts';
import { currentStatus } from '../view/select.ts';
import { withCluster } from './cluster.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';
import { problemLines } from './failure.ts';
import { toJson } from './json.ts';
import { describeRange, slotHistoryLines } from './slot-history.ts';
import { slotRows, verdictColours, type SlotRow } from './slot-rows.ts';
import { paint, tableLines, type Fitting } from './table.ts';
import type { Terminal } from './terminal.ts';

/** `slotkeeper slots`: each slot on each member, or with `--history` what became of slots at promotions. */
export function slots(
  options: AccessOptions & { readonly json: boolean; readonly history: boolean },
  terminal: Terminal,
): Promise<ExitCode> {
  return withCluster(options, terminal, ({ keys, configProblems }) => {
    for (const line of problemLines(configProblems)) terminal.err(line);
    for (const line of options.history ? historyOf(keys, options, terminal) : slotsOf(keys, options, terminal)) {
      terminal.out(line);
    }
    return exitCodes.ok;
  });
}

function historyOf(keys: ClusterKeys, { json }: { readonly json: boolean }, fitting: Fitting): readonly string[] {
  const entries = keys.slotHistory?.value ?? [];
  return json ? [toJson(historyToJson(entries))] : slotHistoryLines(entries, fitting);
}

function slotsOf(keys: ClusterKeys, { json }: { readonly json: boolean }, fitting: Fitting): readonly string[] {
  return json
    ? [toJson(slotsDocument(keys))]
    : [
        ...slotLines(slotRows(keys), fitting),
        ...lostLines(keys, fitting),
        ...templateLines(templateRows(keys)),
        gateLine(keys, fitting),
      ];
}

/** What `slots --json` prints. */
export function slotsDocument(keys: ClusterKeys): Readonly<Record<string, unknown>> {
  return {
    slots: slotRows(keys),
    templates: templateRows(keys).map(templateToJson),
    gate: gateToJson(keys),
    lost: lostToJson(keys),
  };
}

const methodWords: Readonly<Record<Method, string>> = {
  file_copy: 'file copy',
  template: 'template',
  native: 'native',
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
        { name: 'Method', align: 'left' },
        { name: 'Position', align: 'right' },
        { name: 'Lag in bytes', align: 'right' },
        { name: 'Reason', align: 'left' },
      ],
      rows: rows.map((row) => [
        row.slot,
        row.type ?? '',
        row.member,
        { text: wordsFor(row.verdict), colour: verdictColours[row.verdict] },
        row.method === null ? '' : methodWords[row.method],
        row.position === null ? '' : formatLsn(row.position),
        row.lag_bytes === null ? '' : String(row.lag_bytes),
        row.reason,
      ]),
    },
    fitting,
  );
}

/** The followed slots that are gone from the primary, each with the range of WAL that its consumer cannot get any more. */
export function lostLines(keys: ClusterKeys, fitting: Fitting): readonly string[] {
  const recorded = (keys.slotHistory?.value ?? []).flatMap(({ gaps }) => gaps);
  return [...(keys.status?.value?.extras?.lost ?? [])].map(([slot, { from, why }]) => {
    const to = recorded.find((gap) => gap.slot === slot && gap.from === from)?.to ?? null;
    const words = `${slot} is lost: changes from ${describeRange({ from, to })} (${why})`;
    return ` ${paint('!', 'red', fitting)} ${printable(words)}`;
  });
}

/** One line for each standby that has template slots. */
export function templateLines(rows: readonly TemplateRow[]): readonly string[] {
  const members = [...new Set(rows.map(({ member }) => member))];
  return members.map((name) => {
    const own = rows.filter(({ member }) => member === name);
    return ` Templates of ${printable(name)}: ${own.map(describeTemplate).join(', ')}`;
  });
}

function describeTemplate({ database, position, lagBytes }: TemplateRow): string {
  const lag = lagBytes === null ? '' : ` (${lagBytes} bytes behind)`;
  return `${printable(database)} at ${formatLsn(position)}${lag}`;
}

export function gateLine(keys: ClusterKeys, fitting: Fitting): string {
  const gate = currentStatus(keys)?.extras?.gate ?? null;
  const isAskedInVain = gate !== null && gate.enforcedBy === null;
  const words = `Gate: ${describeGate(keys)}`;
  return ` ${isAskedInVain ? paint(printable(words), 'red', fitting) : printable(words)}`;
}

function wordsFor(verdict: SlotRow['verdict']): string {
  return verdict === 'primary' || verdict === 'unknown' ? verdict : verdictWords[verdict];
}
