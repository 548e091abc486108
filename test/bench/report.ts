import type { AgentSeries } from './agents.ts';
import type { NativeSeries } from './native.ts';
import { round, type Series } from './statistics.ts';

export interface VersionReport {
  readonly postgres: number;
  readonly slotkeeper: AgentSeries;
  /** PostgreSQL's own synchronisation, from 17 on. */
  readonly native: NativeSeries | null;
}

/** The report of one version as lines of text. */
export function reportLines({ postgres, slotkeeper, native }: VersionReport): readonly string[] {
  const { downtime, cost } = slotkeeper;
  return [
    `PostgreSQL ${postgres}, one primary, two standbys, one Consul server`,
    '',
    `${'milliseconds'.padEnd(nameWidth)}      min   median      p95      max`,
    line('configuration written to slot ready on both', slotkeeper.configToReadyMs),
    line('slot made under load to ready on both', slotkeeper.slotUnderLoadMs),
    ...(native === null ? [] : [line('  PostgreSQL’s own synchronisation', native.slotUnderLoadMs)]),
    ...(downtime === null ? [] : [line('  each standby takes no connections', downtime.eachMs)]),
    line('confirmation to standby, consumer moving', slotkeeper.syncMovingMs),
    ...(native === null ? [] : [line('  PostgreSQL’s own synchronisation', native.syncMovingMs)]),
    line('confirmation to standby, from quiet', slotkeeper.syncFromQuietMs),
    ...(native === null ? [] : [line('  PostgreSQL’s own synchronisation', native.syncFromQuietMs)]),
    ...(downtime === null ? [] : ['', `both standbys down at once: ${downtime.atOnce} times`]),
    ...(native === null ? [] : ['', ...ratios(slotkeeper, native)]),
    ...(cost === null ? [] : ['', ...costLines(cost)]),
  ];
}

const nameWidth = 44;

function line(name: string, { samples, min, median, p95, max }: Series): string {
  const figures = [min, median, p95, max].map((ms) => String(ms).padStart(8)).join(' ');
  return `${name.padEnd(nameWidth)} ${figures}   (${samples} samples)`;
}

/** How many times as long PostgreSQL's own synchronisation takes, by the medians. */
function ratios(slotkeeper: AgentSeries, native: NativeSeries): readonly string[] {
  const ratio = (name: string, ours: Series, theirs: Series): string =>
    `${name.padEnd(nameWidth)} ${String(round(theirs.median / ours.median)).padStart(8)}`;
  return [
    'PostgreSQL’s own synchronisation takes so many times as long (medians)',
    ratio('slot made under load to ready on both', slotkeeper.slotUnderLoadMs, native.slotUnderLoadMs),
    ratio('confirmation to standby, consumer moving', slotkeeper.syncMovingMs, native.syncMovingMs),
    ratio('confirmation to standby, from quiet', slotkeeper.syncFromQuietMs, native.syncFromQuietMs),
  ];
}

function costLines({ idle, load }: NonNullable<AgentSeries['cost']>): readonly string[] {
  const row = (name: string, whenIdle: number, underLoad: number): string =>
    `${name.padEnd(nameWidth)} ${String(whenIdle).padStart(8)} ${String(underLoad).padStart(8)}`;
  return [
    `${'cost'.padEnd(nameWidth)}     idle     load`,
    row('writes to keys per minute, all agents', idle.keyWritesPerMinute, load.keyWritesPerMinute),
    row('Raft entries per minute, with Consul’s own', idle.raftEntriesPerMinute, load.raftEntriesPerMinute),
    row('CPU seconds per minute, the busiest agent', idle.cpuSecondsPerMinute, load.cpuSecondsPerMinute),
    row('RSS in MiB, the largest agent', idle.rssMiB, load.rssMiB),
    row('PSS in MiB, the largest agent', idle.pssMiB, load.pssMiB),
  ];
}
