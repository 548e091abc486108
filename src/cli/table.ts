import { printable } from '../base/printable.ts';

export type Colour = 'green' | 'yellow' | 'red';

export type Cell = string | { readonly text: string; readonly colour: Colour };

export interface Column {
  readonly name: string;
  readonly align: 'left' | 'right';
}

export interface Table {
  readonly title: string | null;
  /** The last column is the one that is broken into lines where the terminal is too narrow. */
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

export interface Fitting {
  /** Null = as wide as it gets. */
  readonly columns: number | null;
  readonly colour: boolean;
}

const codes: Readonly<Record<Colour, number>> = { green: 32, yellow: 33, red: 31 };
/** Narrower than this a column of words cannot be read any more: then the table is as wide as it is. */
const narrowestLast = 20;

export function paint(text: string, colour: Colour, fitting: Pick<Fitting, 'colour'>): string {
  return fitting.colour ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text;
}

/** A table in lines of `+`, `-` and `|`, like patronictl's. What is in the cells is made safe to print. */
export function tableLines(table: Table, fitting: Fitting): readonly string[] {
  const texts = table.rows.map((row) => row.map((cell) => printable(typeof cell === 'string' ? cell : cell.text)));
  const widths = table.columns.map((column, at) =>
    Math.max(lengthOf(column.name), ...texts.map((row) => lengthOf(row[at] ?? ''))),
  );
  const last = widths.length - 1;
  if (fitting.columns !== null) {
    const excess = widths.reduce((sum, width) => sum + width + 3, 1) - fitting.columns;
    const needed = Math.max(narrowestLast, lengthOf(table.columns[last]?.name ?? ''));
    if (excess > 0) widths[last] = Math.max(Math.min(needed, widths[last] ?? 0), (widths[last] ?? 0) - excess);
  }
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`;
  const body = table.rows.flatMap((row, at) => {
    const words = wrap(texts[at]?.[last] ?? '', widths[last] ?? 0);
    return words.map((part, index) =>
      line(
        table.columns.map((column, place) => {
          const text = place === last ? part : index === 0 ? (texts[at]?.[place] ?? '') : '';
          const cell = row[place];
          const padded = pad(text, widths[place] ?? 0, column.align);
          return typeof cell === 'object' ? paint(padded, cell.colour, fitting) : padded;
        }),
      ),
    );
  });
  const head = line(table.columns.map(({ name, align }, at) => pad(name, widths[at] ?? 0, align)));
  return [withTitle(rule, table.title), head, rule, ...body, rule];
}

function withTitle(rule: string, title: string | null): string {
  const safe = title === null ? '' : `+ ${printable(title)} `;
  return safe.length < rule.length ? safe + rule.slice(safe.length) : safe;
}

function pad(text: string, width: number, align: Column['align']): string {
  const space = ' '.repeat(Math.max(0, width - lengthOf(text)));
  return align === 'left' ? text + space : space + text;
}

/** Breaks a text at spaces into lines of at most `width` characters; longer words are cut. */
function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (lengthOf(longer) <= width) {
      line = longer;
      continue;
    }
    if (line !== '') lines.push(line);
    line = word;
    for (; lengthOf(line) > width; line = line.slice(width)) lines.push(line.slice(0, width));
  }
  return [...lines, line];
}

function lengthOf(text: string): number {
  return Array.from(text).length;
}
