import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { compiled, type Edit } from './compiled.ts';
import type { RangeReport, SeedRange } from './seed-range.ts';
import { type Counts, Tally } from './tally.ts';

/** Which seeds: from 1 on, at least so many, and on until the time is over. */
export interface Wish {
  readonly atLeast: number;
  readonly budgetMs: number;
}

export interface ManySeeds {
  readonly seeds: number;
  readonly processes: number;
  readonly elapsedMs: number;
  readonly cpuMs: number;
  /** The digest of each seed's history. */
  readonly digests: ReadonlyMap<number, string>;
  /** What happened in all of them, where their program counts it. */
  readonly counts: Counts;
  /** The lowest seed that broke a rule, explained; null = none did. */
  readonly violation: string | null;
}

/** Small enough that no process is waited for long at the end. */
const rangeLength = 20;

/**
 * For V8 in these processes: histories leave much short-lived garbage and next to nothing that stays, and nobody reads the
 * stacks of the thousands of errors that simulated servers answer with.
 */
const nodeOptions = ['--max-semi-space-size=32', '--single-threaded-gc', '--stack-trace-limit=0'];

/**
 * Runs seeds in as many processes as there are cores; none of them begins anything new once a rule was broken. `entry`: the
 * program of these processes, `edit`: what is to be changed in it.
 */
export async function runSeeds(
  { atLeast, budgetMs }: Wish,
  entry = path.join(import.meta.dirname, 'seed-process.ts'),
  edit?: Edit,
): Promise<ManySeeds> {
  const program = await compiled(entry, edit);
  const startedAtMs = performance.now();
  const elapsedMs = (): number => performance.now() - startedAtMs;
  const digests = new Map<number, string>();
  const tally = new Tally();
  const violations: NonNullable<RangeReport['violation']>[] = [];
  let next = 1;
  let isOver = false;
  const nextRange = (): SeedRange | null => {
    const wanted = elapsedMs() < budgetMs ? rangeLength : Math.min(rangeLength, atLeast + 1 - next);
    if (wanted <= 0 || isOver) return null;
    const range = { from: next, to: next + wanted - 1 };
    next += wanted;
    return range;
  };
  /** One process from its start to its end; resolves to the CPU time that it took. */
  const work = async (): Promise<number> => {
    const child = fork(program.entry, { execArgv: nodeOptions });
    let cpuMs = 0;
    try {
      for (let range = nextRange(); range !== null; range = nextRange()) {
        const report = await reportOf(child, range);
        for (const [at, digest] of report.digests.entries()) digests.set(range.from + at, digest);
        cpuMs = report.cpuMs;
        tally.add(new Map(report.counts));
        if (report.violation === null) continue;
        violations.push(report.violation);
        break;
      }
    } finally {
      // Nothing is left to do, or something went wrong: the others end as well.
      isOver = true;
      if (child.connected) child.disconnect();
    }
    return cpuMs;
  };
  const processes = availableParallelism();
  try {
    const cpuMs = await Promise.all(Array.from({ length: processes }, work));
    const [first] = violations.sort((a, b) => a.seed - b.seed);
    return {
      seeds: digests.size,
      processes,
      elapsedMs: elapsedMs(),
      cpuMs: cpuMs.reduce((sum, each) => sum + each, 0),
      digests,
      counts: tally.counts,
      violation: first?.explanation ?? null,
    };
  } finally {
    await program.remove();
  }
}

/** Rejects when the process ends before it has answered. */
function reportOf(child: ChildProcess, range: SeedRange): Promise<RangeReport> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null, signal: string | null): void => {
      child.off('message', onMessage);
      reject(new Error(`the process that ran the seeds ${range.from} to ${range.to} ended (${code ?? signal ?? '?'})`));
    };
    const onMessage = (report: unknown): void => {
      child.off('exit', onExit);
      resolve(report as RangeReport);
    };
    child.once('exit', onExit);
    child.once('message', onMessage);
    child.send(range);
  });
}

/** How many there were and how fast: what a reader of the tests' output has to know. */
export function summary({ seeds, processes, elapsedMs, cpuMs }: ManySeeds): string {
  const perCoreMinute = Math.round(seeds / (cpuMs / 60_000));
  return `${seeds} seeds in ${Math.round(elapsedMs / 1_000)} s, ${processes} processes, ${perCoreMinute} seeds a minute of one core`;
}
