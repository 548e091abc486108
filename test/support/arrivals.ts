/** A row that a consumer got again. Times are monotonic milliseconds. */
export interface Repeat {
  readonly row: number;
  readonly firstAtMs: number;
  readonly againAtMs: number;
}

/** What a consumer got: every row once at least, and which ones again. */
export interface Arrivals {
  /** For `Consumer`: it confirms a row as soon as it has it, so the first arrival is also when it was confirmed. */
  readonly onRow: (row: number, values: Readonly<Record<string, unknown>>) => void;
  readonly repeats: readonly Repeat[];
  /** Row number → with how many columns it came first. */
  readonly columns: ReadonlyMap<number, number>;
  /** Those of the rows that have not arrived. */
  missing(rows: ReadonlySet<number>): readonly number[];
}

export function collectArrivals(): Arrivals {
  const firstAtMs = new Map<number, number>();
  const columns = new Map<number, number>();
  const repeats: Repeat[] = [];
  return {
    onRow: (row, values) => {
      const atMs = performance.now();
      const before = firstAtMs.get(row);
      if (before !== undefined) {
        repeats.push({ row, firstAtMs: before, againAtMs: atMs });
        return;
      }
      firstAtMs.set(row, atMs);
      columns.set(row, Object.keys(values).length);
    },
    repeats,
    columns,
    missing: (rows) => [...rows].filter((row) => !firstAtMs.has(row)),
  };
}

/**
 * How long before the failover each repeated row had been confirmed, in milliseconds: a failover may take back only what was
 * confirmed right before it. `failoversAtMs`: when each old primary ended, in order.
 */
export function confirmedBeforeMs(repeats: readonly Repeat[], failoversAtMs: readonly number[]): readonly number[] {
  return repeats.map(({ firstAtMs, againAtMs }) => {
    const failover = failoversAtMs.filter((atMs) => atMs <= againAtMs).at(-1) ?? Infinity;
    return failover - firstAtMs;
  });
}
