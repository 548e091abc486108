import { describe, expect, it } from 'vitest';
import { tableLines, type Table } from '../../../src/cli/table.ts';

const table: Table = {
  title: 'Cluster: main',
  columns: [
    { name: 'Member', align: 'left' },
    { name: 'TL', align: 'right' },
    { name: 'Reason', align: 'left' },
  ],
  rows: [
    ['pg1', '3', 'waits for the consumer to pass the position'],
    ['pg-long', '12', { text: 'lost', colour: 'red' }],
  ],
};
const plain = { columns: null, colour: false };

describe('a table', () => {
  it('is as wide as its cells where nothing limits it', () => {
    expect(tableLines(table, plain)).toEqual([
      '+ Cluster: main ---------------------------------------------+',
      '| Member  | TL | Reason                                      |',
      '+---------+----+---------------------------------------------+',
      '| pg1     |  3 | waits for the consumer to pass the position |',
      '| pg-long | 12 | lost                                        |',
      '+---------+----+---------------------------------------------+',
    ]);
  });

  it('breaks the words of its last column where the terminal is narrow', () => {
    const lines = tableLines(table, { columns: 42, colour: false });
    expect(lines).toEqual([
      '+ Cluster: main -------------------------+',
      '| Member  | TL | Reason                  |',
      '+---------+----+-------------------------+',
      '| pg1     |  3 | waits for the consumer  |',
      '|         |    | to pass the position    |',
      '| pg-long | 12 | lost                    |',
      '+---------+----+-------------------------+',
    ]);
    expect(lines.every((line) => line.length <= 42)).toBe(true);
  });

  it('paints whole cells, and only where colours are shown', () => {
    const cell = tableLines(table, { columns: null, colour: true })[4];
    expect(cell).toContain(`\u001b[31mlost${' '.repeat(39)}\u001b[0m`);
    expect(tableLines(table, plain).join()).not.toContain('\u001b');
  });

  it('shows what others wrote without letting it act on the terminal', () => {
    const hostile = '\u001b[2J\nfake | row\u202e';
    const [, , , row, ...rest] = tableLines({ ...table, rows: [[hostile, '', '']] }, plain);
    expect(row).toContain(String.raw`\u001b[2J\u000afake | row\u202e`);
    expect(rest).toHaveLength(1);
  });

  it('cuts a word that is longer than the column', () => {
    const rows = [['a', '1', 'x'.repeat(50)]];
    const lines = tableLines({ ...table, rows }, { columns: 40, colour: false });
    expect(lines.every((line) => line.length <= 40)).toBe(true);
    expect(lines.join('').replaceAll(/[^x]/g, '')).toHaveLength(50);
  });
});
