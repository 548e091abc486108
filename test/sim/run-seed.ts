import type { Goal } from './at-rest.ts';
import { Checks } from './checks.ts';
import { heal, trouble } from './histories.ts';
import { standbyGoneLate } from './server-events.ts';
import { slotMadeLate } from './slot-events.ts';
import { Violation } from './violation.ts';
import { type Sabotage, World } from './world.ts';

export interface SimOptions {
  /** How long things go wrong, in milliseconds of virtual time; null = the seed says. */
  readonly troubleMs: number | null;
  /** How long the cluster has to come to rest afterwards, at most. */
  readonly restMs: number;
  readonly sabotage: Sabotage;
  /** How many of the last lines of the trace are kept. */
  readonly keepLines: number;
}

export interface Report {
  readonly seed: number;
  /** What kind of cluster it was. */
  readonly cluster: string;
  readonly violation: Violation | null;
  readonly events: number;
  readonly virtualMs: number;
  /** Equal for two runs that did the same. */
  readonly digest: string;
  readonly lastLines: readonly string[];
}

/** After the last write: one look, one write of the status, one advance, and the longest wait after a failure. */
const levelMs = 45_000;
/** A slot that is made while nothing moves: PostgreSQL's own synchronisation takes up to half a minute between two passes. */
const lateMs = 90_000;
/** In how many histories each of these comes: they take longer than most troubles. */
const lateShares = { slot: 1 / 3, standby: 1 / 2 };

/** Many short histories find more in a minute than a few long ones; in the long ones troubles meet that take their time. */
const troubleLengthsMs = [4_000, 4_000, 5_000, 5_000, 6_000, 6_000, 8_000, 8_000, 10_000, 10_000, 15_000, 40_000];

export const defaultOptions: SimOptions = { troubleMs: null, restMs: 120_000, sabotage: {}, keepLines: 60 };

/** One whole history. Never throws for what the history finds: the report says it. */
export async function runSeed(seed: number, options: Partial<SimOptions> = {}): Promise<Report> {
  const { restMs, sabotage, keepLines, ...wanted } = { ...defaultOptions, ...options };
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
  const troubleMs = wanted.troubleMs ?? world.random.fork().pick(troubleLengthsMs);
  let events = 0;
  const runUntil = async (untilMs: number): Promise<void> => {
    while (checks.violation === null && (await world.time.step(untilMs))) {
      events += 1;
      checks.afterStep();
    }
  };

  for (const member of world.members) {
    world.time.in(world.random.int(0, Math.min(3_000, troubleMs / 4)), () => {
      world.startAgent(member);
    });
  }
  trouble(world, checks, troubleMs);
  await runUntil(troubleMs);
  if (checks.violation === null) heal(world);
  // Consumers go on, so that every slot can move past what it was made from; then they stop, and slots level out.
  world.workload.stir();
  const runUntilDone = async (goal: Goal, limitMs: number): Promise<void> => {
    const endMs = world.time.nowMs() + limitMs;
    for (let left: string | null = 'not looked at yet'; left !== null && checks.violation === null;) {
      await runUntil(world.time.nowMs() + 250);
      left = checks.unfinished(goal);
      if (left !== null && world.time.nowMs() >= endMs) {
        checks.fail(new Violation(left.startsWith('S3') ? 'S3' : 'liveness', left));
      }
    }
  };
  await runUntilDone('ready', restMs);
  world.workload.rest();
  await runUntilDone('level', levelMs);
  await afterwards(world, checks, runUntil, runUntilDone);
  for (const member of world.members) world.killAgent(member);
  // No event goes around the event loop: whoever runs many seeds is to stay reachable.
  await new Promise((resolve) => setImmediate(resolve));
  return {
    seed,
    cluster: `PostgreSQL ${String(world.major)}, ${String(world.members.length)} members, method ${world.config.method}`,
    violation: checks.violation,
    events,
    virtualMs: world.time.nowMs(),
    digest: world.trace.digest(),
    lastLines: world.trace.tail(),
  };
}

/** What has to go well when nothing else goes wrong and nobody writes or reads: what is waited for then cannot come by itself. */
async function afterwards(
  world: World,
  checks: Checks,
  runUntil: (untilMs: number) => Promise<void>,
  runUntilDone: (goal: Goal, limitMs: number) => Promise<void>,
): Promise<void> {
  if (checks.violation !== null) return;
  const random = world.random.fork();
  if (world.major >= 16 && world.config.method !== 'file_copy' && random.chance(lateShares.slot)) {
    slotMadeLate(world, random);
    await runUntilDone('ready', lateMs);
  }
  if (world.major >= 17 && world.config.gate !== null && random.chance(lateShares.standby)) {
    standbyGoneLate(world);
    await runUntil(world.time.nowMs() + 33_000);
    await runUntilDone('ready', lateMs);
  }
}

/** What to show of a history that went wrong. */
export function explain(report: Report): string {
  return [
    `seed ${String(report.seed)} (${report.cluster}): ${report.violation?.message ?? 'no violation'}`,
    ...report.lastLines.slice(-40),
    `Replay it: SLOTKEEPER_SEED=${String(report.seed)} npm run test:sim`,
  ].join('\n');
}
