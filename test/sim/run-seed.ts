import { Checks } from './checks.ts';
import { heal, trouble } from './histories.ts';
import { Violation } from './violation.ts';
import { type Sabotage, World } from './world.ts';

export interface SimOptions {
  /** How long things go wrong, in milliseconds of virtual time. */
  readonly troubleMs: number;
  /** How long the cluster has to come to rest afterwards, at most. */
  readonly restMs: number;
  readonly sabotage: Sabotage;
  /** How many of the last lines of the trace are kept. */
  readonly keepLines: number;
}

export interface Report {
  readonly seed: number;
  readonly violation: Violation | null;
  readonly events: number;
  readonly virtualMs: number;
  /** Equal for two runs that did the same. */
  readonly digest: string;
  readonly lastLines: readonly string[];
}

/** After the last write: one look, one write of the status, one advance, and the longest wait after a failure. */
const levelMs = 45_000;

export const defaultOptions: SimOptions = { troubleMs: 45_000, restMs: 120_000, sabotage: {}, keepLines: 60 };

/** One whole history. Never throws for what the history finds: the report says it. */
export async function runSeed(seed: number, options: Partial<SimOptions> = {}): Promise<Report> {
  const { troubleMs, restMs, sabotage, keepLines } = { ...defaultOptions, ...options };
  const holder: { checks: Checks | null } = { checks: null };
  const world = new World(
    seed,
    (built) => {
      const checks = new Checks(built);
      holder.checks = checks;
      return checks.witness();
    },
    sabotage,
    keepLines,
  );
  const checks = holder.checks!;
  let events = 0;
  const runUntil = async (untilMs: number): Promise<void> => {
    while (checks.violation === null && (await world.time.step(untilMs))) {
      events += 1;
      checks.afterStep();
    }
  };

  for (const member of world.members) {
    world.time.in(world.random.int(0, 3_000), () => {
      world.startAgent(member);
    });
  }
  trouble(world, checks, troubleMs);
  await runUntil(troubleMs);
  if (checks.violation === null) heal(world);
  // Consumers go on, so that every slot can move past what it was made from; then they stop, and slots level out.
  world.workload.stir();
  const runUntilDone = async (goal: 'ready' | 'level', limitMs: number): Promise<void> => {
    const endMs = world.time.nowMs() + limitMs;
    for (let left: string | null = 'not looked at yet'; left !== null && checks.violation === null;) {
      await runUntil(world.time.nowMs() + 1_000);
      left = checks.unfinished(goal);
      if (left !== null && world.time.nowMs() >= endMs) {
        checks.fail(new Violation(left.startsWith('S3') ? 'S3' : 'liveness', left));
      }
    }
  };
  await runUntilDone('ready', restMs);
  world.workload.rest();
  await runUntilDone('level', levelMs);
  for (const member of world.members) world.killAgent(member);
  return {
    seed,
    violation: checks.violation,
    events,
    virtualMs: world.time.nowMs(),
    digest: world.trace.digest(),
    lastLines: world.trace.tail(),
  };
}

/** What to show of a history that went wrong. */
export function explain(report: Report): string {
  return [
    `seed ${String(report.seed)}: ${report.violation?.message ?? 'no violation'}`,
    ...report.lastLines.slice(-40),
    `Replay it: SLOTKEEPER_SEED=${String(report.seed)} npm run test:sim`,
  ].join('\n');
}
