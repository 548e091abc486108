import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What a process has cost so far. Linux only: read from /proc. */
export interface ProcessUsage {
  readonly rssMiB: number;
  /** RSS with what is shared with other processes (the pages of Node's own binary, most of all) counted in parts. */
  readonly pssMiB: number;
  readonly cpuSeconds: number;
}

export function usageOf(pid: number): ProcessUsage {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const rssKiB = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
  const pssKiB = Number(/^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]);
  // The name in parentheses may have spaces; what follows it has not. utime and stime are fields 14 and 15.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { rssMiB: rssKiB / 1_024, pssMiB: pssKiB / 1_024, cpuSeconds: ticks / ticksPerSecond() };
}

function ticksPerSecond(): number {
  return Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
}
