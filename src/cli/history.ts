import type { AccessOptions } from '../config/cluster-access.ts';
import type { HistoryEntry } from '../domain/cluster.ts';
import { withCluster } from './cluster.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';
import { tableLines, type Fitting } from './table.ts';
import type { Terminal } from './terminal.ts';

/** `slotkeeper history`: the ends of timelines. With `--json` in the form of the key: arrays, positions in bytes. */
export function history(options: AccessOptions & { readonly json: boolean }, terminal: Terminal): Promise<ExitCode> {
  return withCluster(options, terminal, ({ keys }) => {
    const entries = keys.history?.value ?? [];
    for (const line of options.json ? [historyJson(entries)] : historyLines(entries, terminal)) terminal.out(line);
    return exitCodes.ok;
  });
}

export function historyLines(entries: readonly HistoryEntry[], fitting: Fitting): readonly string[] {
  return tableLines(
    {
      title: null,
      columns: [
        { name: 'TL', align: 'right' },
        { name: 'LSN', align: 'right' },
        { name: 'Reason', align: 'left' },
        { name: 'Timestamp', align: 'left' },
        { name: 'New Leader', align: 'left' },
      ],
      rows: entries.map(({ timeline, lsn, reason, timestamp, newLeader }) => [
        String(timeline),
        String(lsn),
        reason,
        timestamp ?? '',
        newLeader ?? '',
      ]),
    },
    fitting,
  );
}

function historyJson(entries: readonly HistoryEntry[]): string {
  const lines = entries.map(({ timeline, lsn, reason, timestamp, newLeader }) => {
    const words = [reason, timestamp, newLeader].filter((word) => word !== null).map((word) => JSON.stringify(word));
    // Positions are larger than what a number can hold exactly, so they are written digit by digit.
    return `[${[String(timeline), String(lsn), ...words].join(',')}]`;
  });
  return `[${lines.join(',')}]`;
}
