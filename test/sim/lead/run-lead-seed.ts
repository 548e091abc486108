import type { Counts } from '../tally.ts';
import { LeadChecks } from './lead-checks.ts';
import { play, type RunUntil, wholeHistory } from './lead-histories.ts';
import type { LeadScene } from './lead-scenes.ts';
import type { LeadViolation } from './lead-violation.ts';
import { type LeadSabotage, LeadWorld } from './lead-world.ts';

export interface LeadReport {
  readonly seed: number;
  /** What kind of cluster it was. */
  readonly cluster: string;
  readonly violation: LeadViolation | null;
  readonly events: number;
  readonly virtualMs: number;
  /** What happened, and how often. */
  readonly counts: Counts;
  /** Equal for two runs that did the same. */
  readonly digest: string;
  readonly lastLines: readonly string[];
}

/** How a history is run: `scene` null = everything may happen, and afterwards the cluster has to come to rest. */
export interface LeadRunning {
  readonly sabotage?: LeadSabotage;
  readonly keepLines?: number;
  readonly scene?: LeadScene | null;
}

/** One whole history. Never throws for what the history finds: the report says it. */
export async function runLeadSeed(
  seed: number,
  { sabotage = {}, keepLines = 400, scene = null }: LeadRunning = {},
): Promise<LeadReport> {
  const holder: { checks: LeadChecks | null } = { checks: null };
  const world = new LeadWorld(
    seed,
    (built) => {
      holder.checks = new LeadChecks(built);
      return holder.checks.witness();
    },
    sabotage,
    keepLines,
    scene?.hasSlots ?? null,
  );
  const checks = holder.checks!;
  const random = world.random.fork();
  let events = 0;
  const run: RunUntil = async (untilMs) => {
    if (checks.violation !== null) return;
    events += await world.time.run(untilMs, () => {
      checks.afterStep();
      return checks.violation === null;
    });
  };
  for (const member of world.members) {
    world.time.in(random.int(0, 1_500), () => {
      world.startAgent(member);
    });
  }
  if (scene === null) await wholeHistory(world, random, checks, run);
  else await play(world, random, scene, checks, run);
  for (const member of world.members) world.killAgent(member);
  await new Promise((resolve) => setImmediate(resolve));
  const { config } = world;
  return {
    seed,
    cluster: `synchronous mode ${config.synchronousMode}, ttl ${config.ttl}`,
    violation: checks.violation,
    events,
    virtualMs: world.time.nowMs(),
    counts: world.tally.counts,
    digest: world.trace.digest(),
    lastLines: world.trace.tail(),
  };
}

/** What to show of a history that went wrong. */
export function explainLead(report: LeadReport, lines = 80): string {
  return [
    `seed ${String(report.seed)} (${report.cluster}): ${report.violation?.message ?? 'no violation'}`,
    ...report.lastLines.slice(-lines),
    `Replay it: SLOTKEEPER_LEAD_SEED=${String(report.seed)} npm run test:sim`,
  ].join('\n');
}
