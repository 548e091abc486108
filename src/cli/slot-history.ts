import { verdictWords } from '../domain/check.ts';
import type { SlotHistoryEntry } from '../domain/cluster.ts';
import { formatLsn } from '../domain/lsn.ts';
import type { Gap, Verdict } from '../domain/slot.ts';
import { verdictColours } from './slot-rows.ts';
import { tableLines, type Cell, type Fitting } from './table.ts';

/** `slotkeeper slots --history`: for each promotion what each slot was on the new primary, and what is lost of it. */
export function slotHistoryLines(entries: readonly SlotHistoryEntry[], fitting: Fitting): readonly string[] {
  const rows = entries.flatMap((entry) => slotNames(entry).map((slot) => rowOf(entry, slot)));
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
        { name: 'Lost', align: 'left' },
        { name: 'Reason', align: 'left' },
      ],
      rows,
    },
    fitting,
  );
}

function slotNames({ slots, gaps }: SlotHistoryEntry): readonly string[] {
  return [...new Set([...slots, ...gaps].map(({ slot }) => slot))].sort();
}

function rowOf({ timeline, timestamp, leader, slots, gaps }: SlotHistoryEntry, name: string): readonly Cell[] {
  const found = slots.find(({ slot }) => slot === name);
  const verdict: Verdict = found?.verdict ?? { kind: 'lost', reason: 'it was not there' };
  const own = gaps.filter(({ slot }) => slot === name);
  const reasons = new Set([...(verdict.kind === 'ready' ? [] : [verdict.reason]), ...own.map(({ why }) => why)]);
  return [
    String(timeline),
    timestamp,
    leader,
    name,
    { text: verdictWords[verdict.kind], colour: verdictColours[verdict.kind] },
    found?.position == null ? '' : formatLsn(found.position),
    own.length === 0 ? 'nothing' : { text: own.map(describeRange).join(', '), colour: 'red' },
    [...reasons].join('; '),
  ];
}

/** A range of WAL that a consumer cannot get any more, e.g. `0/10 to 0/3000 (12272 bytes)`. */
export function describeRange({ from, to }: Pick<Gap, 'from' | 'to'>): string {
  if (to === null) return `${formatLsn(from)} to an unknown position`;
  return `${formatLsn(from)} to ${formatLsn(to)}${to < from ? '' : ` (${to - from} bytes)`}`;
}
