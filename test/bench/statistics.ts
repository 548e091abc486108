/** A series of measurements in one unit, described. */
export interface Series {
  readonly samples: number;
  readonly min: number;
  readonly median: number;
  readonly p95: number;
  readonly max: number;
}

/** Nearest-rank percentiles: every figure is one that was measured. */
export function describeSeries(values: readonly number[]): Series {
  if (values.length === 0) throw new Error('nothing was measured');
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (fraction: number): number => round(sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)] ?? NaN);
  return { samples: sorted.length, min: rank(0), median: rank(0.5), p95: rank(0.95), max: rank(1) };
}

export function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}
