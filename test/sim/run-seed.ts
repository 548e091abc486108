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

export const defaultOptions: SimOptions = { troubleMs: 45_000, restMs: 150_000, sabotage: (ports) => ports };

/** One whole history. Never throws for what the history finds: the report says it. */
export async function runSeed(seed: number, options: Partial<SimOptions> = {}): Promise<Report> {
  const { troubleMs, restMs, sabotage } = { ...defaultOptions, ...options };
  const holder: { checks: Checks | null } = { checks: null };
  const world = new World(
    seed,
    (built) => {
      const checks = new Checks(built);
      holder.checks = checks;
      return checks.witness();
    },
    sabotage,
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
  // Consumers go on for a while, so that every slot can move past what it was made from.
  world.workload.stir();
  await runUntil(troubleMs + restMs / 5);
  if (checks.violation === null) heal(world);
  world.workload.rest();
  const endMs = troubleMs + restMs;
  let unfinished: string | null = 'not looked at';
  while (checks.violation === null && world.time.nowMs() < endMs && unfinished !== null) {
    await runUntil(world.time.nowMs() + 1_000);
    unfinished = checks.unfinished();
  }
  if (checks.violation === null && unfinished !== null) {
    checks.fail(new Violation(unfinished.startsWith('S3') ? 'S3' : 'liveness', unfinished));
  }
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
