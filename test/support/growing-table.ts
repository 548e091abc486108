import type { PostgresServer } from '../../src/sandbox/postgres-server.ts';
import type { Transactions } from './transactions.ts';

/**
 * A table of numbered rows that gets a further column now and then, while it is written to. Decoding has to see it as it
 * was when a row was written: with the catalog rows of a later moment a row would have the wrong columns.
 */
export interface GrowingTable {
  readonly name: string;
  create(server: PostgresServer): Promise<void>;
  /** One column more, and the catalog rows of before are vacuumed away wherever nobody protects them. */
  grow(server: PostgresServer, rows: Transactions): Promise<void>;
  /** The rows, of those given with the number of columns that they came with, that cannot have had so many. */
  misread(columns: ReadonlyMap<number, number>): readonly number[];
}

interface Growth {
  /** Written and acknowledged before it. */
  readonly before: ReadonlySet<number>;
  /** Every row with a higher number was written after it. */
  readonly lastIssued: number;
}

export function growingTable(name: string): GrowingTable {
  const growths: Growth[] = [];
  return {
    name,
    create: async (server) => {
      await server.query(`create table ${name} (id bigint primary key)`);
      await server.query(`create publication ${name} for table ${name}`);
    },
    grow: async (server, rows) => {
      const before = new Set(rows.acknowledged);
      await server.query(`alter table ${name} add column added_${growths.length} int not null default 0`);
      growths.push({ before, lastIssued: rows.lastIssued() });
      for (const catalog of ['pg_class', 'pg_attribute', 'pg_attrdef'])
        await server.query(`vacuum pg_catalog.${catalog}`);
    },
    misread: (columns) =>
      [...columns].flatMap(([row, count]) => {
        const least = 1 + growths.filter(({ lastIssued }) => row > lastIssued).length;
        const most = 1 + growths.filter(({ before }) => !before.has(row)).length;
        return least <= count && count <= most ? [] : [row];
      }),
  };
}

/** What a slot with the plugin `test_decoding` gives for such a table: row number → how many columns it came with. */
export async function takeRows(server: PostgresServer, slot: string): Promise<ReadonlyMap<number, number>> {
  const changes = await server.query<{ data: string }>(
    `select data from pg_logical_slot_get_changes($1, null, null) where data like 'table %: INSERT: %'`,
    [slot],
  );
  return new Map(
    changes.map(({ data }) => {
      const values = data.slice(data.indexOf('INSERT: ') + 'INSERT: '.length).split(' ');
      return [Number(values[0]?.split(':')[1]), values.length];
    }),
  );
}
