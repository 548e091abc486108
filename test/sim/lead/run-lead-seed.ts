import { healthyLink } from '../link.ts';
import type { Random } from '../random.ts';
import { simKeys } from '../sim-agent.ts';
import { usualFaults } from './host.ts';
import { LeadChecks } from './lead-checks.ts';
import {
  agentAndServerDie,
  agentDies,
  agentFreezes,
  agentStops,
  consulFreezes,
  consulLeaderChanges,
  consulLinkFails,
  hostGone,
  leaderKeyDeleted,
  type LeadEvent,
  paused,
  serverDies,
  serverIsSlow,
  serverLinkFails,
  sessionDestroyed,
  streamBreaks,
  switchover,
  wallClockJumps,
} from './lead-events.ts';
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
  /** How often a server began to accept writes. */
  readonly leaderships: number;
  /** Equal for two runs that did the same. */
  readonly digest: string;
  readonly lastLines: readonly string[];
}

/** What can happen, with how often it does in relation to the others. */
const events: readonly (readonly [weight: number, event: LeadEvent])[] = [
  [5, agentDies],
  [1, agentStops],
  [7, agentFreezes],
  [4, serverDies],
  [4, agentAndServerDie],
  [5, hostGone],
  [8, consulLinkFails],
  [3, serverLinkFails],
  [5, streamBreaks],
  [4, serverIsSlow],
  [1, wallClockJumps],
  [4, consulFreezes],
  [2, consulLeaderChanges],
  [4, sessionDestroyed],
  [2, leaderKeyDeleted],
  [5, switchover],
  [1, paused],
];
const totalWeight = events.reduce((sum, [weight]) => sum + weight, 0);

const troubleLengthsMs = [20_000, 40_000, 60_000, 120_000];
/** The time in which agents make or take over the cluster, before anything goes wrong. */
const calmMs = 25_000;
/** How long a world in which everything works has to come to rest. */
const restMs = 60_000;
/** For how long it then has to stay as it is. */
const stillMs = 15_000;

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
  );
  const checks = holder.checks!;
  const random = world.random.fork();
  let steps = 0;
  const runUntil = async (untilMs: number): Promise<void> => {
    while (checks.violation === null && (await world.time.step(untilMs))) {
      steps += 1;
      checks.afterStep();
    }
  };
  for (const member of world.members) {
    world.time.in(random.int(0, 2_000), () => {
      world.startAgent(member);
    });
  }
  if (scene === null) await wholeHistory(world, random, checks, runUntil);
  else await play(world, random, scene, runUntil);
  for (const member of world.members) world.killAgent(member);
  await new Promise((resolve) => setImmediate(resolve));
  const { config } = world;
  return {
    seed,
    cluster: `synchronous mode ${config.synchronousMode}, ttl ${config.ttl}`,
    violation: checks.violation,
    events: steps,
    virtualMs: world.time.nowMs(),
    leaderships: checks.leaderships,
    digest: world.trace.digest(),
    lastLines: world.trace.tail(),
  };
}

type RunUntil = (untilMs: number) => Promise<void>;

async function wholeHistory(world: LeadWorld, random: Random, checks: LeadChecks, runUntil: RunUntil): Promise<void> {
  const troubleMs = random.pick(troubleLengthsMs);
  // Half of the histories are in trouble from the start: while the cluster is made.
  const firstMs = random.chance(0.5) ? calmMs : random.int(500, 8_000);
  trouble(world, random, firstMs, firstMs + troubleMs);
  await runUntil(firstMs + troubleMs);
  if (checks.violation === null) heal(world);
  await comeToRest(world, checks, runUntil);
  await stayStill(world, checks, runUntil);
}

/** What such a world does when nothing goes wrong any more is not what is looked for. */
async function play(world: LeadWorld, random: Random, scene: LeadScene, runUntil: RunUntil): Promise<void> {
  world.writeConfig({ ...world.config, ...scene.config });
  const fromMs = calmMs + random.int(0, 3_000);
  world.time.in(fromMs, () => {
    scene.happens(world, random);
  });
  await runUntil(fromMs + scene.lastsMs);
}

async function comeToRest(world: LeadWorld, checks: LeadChecks, runUntil: RunUntil): Promise<void> {
  const endMs = world.time.nowMs() + restMs;
  while (checks.violation === null) {
    const left = checks.unfinished();
    if (left === null) return;
    if (world.time.nowMs() >= endMs) checks.fail('liveness', left);
    await runUntil(world.time.nowMs() + 500);
  }
}

/** At rest nothing is started, stopped or handed over any more. */
async function stayStill(world: LeadWorld, checks: LeadChecks, runUntil: RunUntil): Promise<void> {
  await runUntil(world.time.nowMs() + 5_000);
  const before = world.members.map(({ host }) => host.epoch).join();
  await runUntil(world.time.nowMs() + stillMs);
  const after = world.members.map(({ host }) => host.epoch).join();
  const left = checks.unfinished();
  if (left !== null) checks.fail('restless', left);
  else if (before !== after) checks.fail('restless', 'a server was started, stopped or promoted');
}

function trouble(world: LeadWorld, random: Random, fromMs: number, untilMs: number): void {
  const calm = random.int(300, 8_000);
  const next = (): void => {
    if (world.time.nowMs() >= untilMs) return;
    pickEvent(random)(world, random);
    world.time.in(random.int(50, 2 * calm), next);
  };
  world.time.in(fromMs, next);
}

/** Everything works again and every agent runs. */
function heal(world: LeadWorld): void {
  world.trace.add('operator', 'heals everything');
  world.isHealed = true;
  if (world.frozen.isFrozen) world.frozen.thaw();
  if (!world.consul.running) world.consul.start('kept');
  for (const member of world.members) {
    Object.assign(member.consulLink, healthyLink());
    Object.assign(member.serverLink, healthyLink());
    Object.assign(member.host.faults, usualFaults);
    Object.assign(world.cluster.streams.get(member.name) ?? {}, { broken: false, replayEveryPulls: 1 });
    member.process?.thaw();
    world.startAgent(member);
  }
  // A request that nobody could carry out in all that trouble would be carried out now.
  world.consul.state.transact(null, [{ verb: 'delete', key: simKeys.failover }]);
  world.writeConfig({ ...world.config, pause: false });
}

function pickEvent(random: Random): LeadEvent {
  let at = random.next() * totalWeight;
  for (const [weight, event] of events) {
    at -= weight;
    if (at < 0) return event;
  }
  return agentDies;
}

/** What to show of a history that went wrong. */
export function explainLead(report: LeadReport, lines = 80): string {
  return [
    `seed ${String(report.seed)} (${report.cluster}): ${report.violation?.message ?? 'no violation'}`,
    ...report.lastLines.slice(-lines),
    `Replay it: SLOTKEEPER_LEAD_SEED=${String(report.seed)} npm run test:sim`,
  ].join('\n');
}
