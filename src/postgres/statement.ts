import type { z } from 'zod';

/** One SQL statement and how its answer is read. The file of each is in `sql/`. */
export interface Statement<Result> {
  /** What it does, for messages: "advance slot x". */
  readonly verb: string;
  readonly text: string;
  readonly values: readonly string[];
  /** Planned once per connection under this name; for what is asked all the time. */
  readonly prepareAs?: string;
  /** Throws when the rows are not of the expected shape. */
  readonly read: (rows: readonly unknown[]) => Result;
}

/** Reads rows by a schema. A mismatch is a bug or a PostgreSQL that is unknown to us, and says which column. */
export function rowsOf<T>(schema: z.ZodType<T>): (rows: readonly unknown[]) => T[] {
  return (rows) => rows.map((row) => readRow(schema, row));
}

/** Like `rowsOf` for a statement that gives one row or none; none is null. */
export function rowOrNone<T>(schema: z.ZodType<T>): (rows: readonly unknown[]) => T | null {
  return (rows) => (rows.length === 0 ? null : readRow(schema, rows[0]));
}

/** Like `rowsOf` for a statement that gives exactly one row. */
export function oneRow<T>(schema: z.ZodType<T>): (rows: readonly unknown[]) => T {
  return (rows) => readRow(schema, rows[0]);
}

export function nothing(): null {
  return null;
}

function readRow<T>(schema: z.ZodType<T>, row: unknown): T {
  const parsed = schema.safeParse(row);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new Error(
    `the server's answer is not of the expected shape at ${issue?.path.join('.') ?? '?'}: ${issue?.message ?? '?'}`,
  );
}
