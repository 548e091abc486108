import type { FailoverSeries } from './failovers.ts';
import type { Series } from './statistics.ts';

export interface FailoverReport extends FailoverSeries {
  readonly postgres: number;
}

const nameWidth = 44;

/** The report of what a failover takes as lines of text, each figure beside its aim. */
export function failoverLines(report: FailoverReport): readonly string[] {
  const { postgres, ttlSeconds, load, acknowledged, lost, missed } = report;
  const row = (name: string, { samples, min, median, p95, max }: Series, aimMs: number): string => {
    const figures = [min, median, p95, max, aimMs].map((ms) => String(Math.round(ms)).padStart(8)).join(' ');
    return `${name.padEnd(nameWidth)} ${figures}   (${samples} samples)`;
  };
  return [
    `PostgreSQL ${postgres}, ha: manage in synchronous mode, three members, each with a Consul client agent`,
    '',
    `${'milliseconds'.padEnd(nameWidth)}      min   median      p95      max      aim`,
    row('agent and server killed to a write accepted', report.agentAndServerMs, 3_000),
    row('server killed to a write accepted', report.serverMs, 2_000),
    row(`host gone to a write accepted, ttl ${ttlSeconds}`, report.hostMs, ttlSeconds * 1_000),
    row('switchover, no write accepted', report.switchoverMs, 1_000),
    '',
    `rows acknowledged ${acknowledged}, of them lost ${lost}, missed by the consumer ${missed}`,
    `load average ${load.min} to ${load.max}`,
  ];
}
