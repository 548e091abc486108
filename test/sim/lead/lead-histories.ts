import { healthyLink } from '../link.ts';
import type { Random } from '../random.ts';
import { simKeys } from '../sim-agent.ts';
import { usualFaults } from './host.ts';
import type { LeadChecks } from './lead-checks.ts';
import type { LeadEvent } from './lead-event.ts';
import {
  agentAndServerDie,
  agentDies,
  agentFreezes,
  agentStops,
  consulFreezes,
  consulLeaderChanges,
  hostGone,
  leaderKeyDeleted,
  paused,
  resumed,
  serverDies,
  serverIsSlow,
  sessionDestroyed,
  switchover,
  wallClockJumps,
} from './lead-events.ts';
import type { LeadScene } from './lead-scenes.ts';
import type { LeadWorld } from './lead-world.ts';
import {
  agentsApart,
  consulLinkFails,
  hostCutOff,
  memberAlone,
  serverLinkFails,
  serversApart,
  streamBreaks,
} from './partition-events.ts';

/** What can happen, as the tally calls it, with how often it does in relation to the others. */
const events: readonly (readonly [what: string, weight: number, event: LeadEvent])[] = [
  ['agents killed', 5, agentDies],
  ['agents told to stop', 1, agentStops],
  ['agents frozen', 7, agentFreezes],
  ['servers killed', 4, serverDies],
  ['agents and servers killed', 4, agentAndServerDie],
  ['hosts gone', 4, hostGone],
  ['hosts cut off', 3, hostCutOff],
  ['faults between agent and Consul', 8, consulLinkFails],
  ['faults between agent and server', 4, serverLinkFails],
  ['faults between servers', 5, streamBreaks],
  ['servers apart', 2, serversApart],
  ['slow servers', 4, serverIsSlow],
  ['clock jumps', 2, wallClockJumps],
  ['Consul frozen', 3, consulFreezes],
  ['agents apart', 1, agentsApart],
  ['agents alone', 2, memberAlone],
  ['Consul leader changes', 2, consulLeaderChanges],
  ['sessions destroyed', 4, sessionDestroyed],
  ['leader keys deleted', 2, leaderKeyDeleted],
  ['switchovers asked for', 5, switchover],
  ['pauses', 1, paused],
];
const totalWeight = events.reduce((sum, [, weight]) => sum + weight, 0);

/** Without any of these a history is not one of leadership: each has to have happened somewhere in a sweep. */
export const expectedInSweep: readonly string[] = [
  ...events.map(([what]) => what),
  'acknowledged writes in synchronous mode',
  'clusters made',
  'copies of a server',
  'failovers',
  'promotions',
  'rewinds',
  'servers stopped at once by their agent',
  'servers stopped by their lifeline',
  'starts as a primary',
  'switchovers',
  'terms that were over by their key',
  'terms that were over by their lease',
  'terms that were over by their session',
];

/** Many short histories find more in a minute than a few long ones; in the long ones leases run out, and more than one. */
const troubleLengthsMs = [
  4_000, 5_000, 6_000, 6_000, 6_000, 8_000, 8_000, 10_000, 10_000, 12_000, 15_000, 20_000, 30_000,
];
const longestTroubleMs = 60_000;
const longestShare = 0.03;
/** How long agents have to make or take over the cluster before anything goes wrong, in the histories that let them. */
const mostCalmMs = 15_000;
/** In how many histories whoever stands still goes on when its pause is over, and not when all else is mended. */
const pauseGoesOnShare = 0.3;
/** How long a world in which everything works has to come to rest. */
const restMs = 60_000;
/** In how many of the histories with slots it is waited for until they can be used everywhere, and for how long at most. */
const readyShare = 0.5;
const readyMs = 120_000;
/** In how many histories it then has to stay as it is, and for how long. */
const stillShare = 0.1;
const stillMs = 10_000;
/** What was asked in the trouble, and got lost, is given up within this time: what follows from that is no unrest. */
const lateAnswersMs = 12_000;
const lookEveryMs = 250;

export type RunUntil = (untilMs: number) => Promise<void>;

export async function wholeHistory(world: LeadWorld, random: Random, checks: LeadChecks, run: RunUntil): Promise<void> {
  const { time } = world;
  const troubleMs = random.chance(longestShare) ? longestTroubleMs : random.pick(troubleLengthsMs);
  // In the others there is trouble while the cluster is made.
  if (random.chance(0.6)) await calm(world, checks, run);
  else await run(random.int(500, 5_000));
  const endMs = time.nowMs() + troubleMs;
  trouble(world, random, endMs);
  await run(endMs);
  if (checks.violation === null) heal(world, random.chance(pauseGoesOnShare));
  await comeToRest(checks, run, world, restMs, () => checks.unfinished());
  if (world.slots.isUsed && world.config.withSlots && random.chance(readyShare)) await becomeReady(world, checks, run);
  if (random.chance(stillShare)) await stayStill(world, checks, run);
}

/** What such a world does when nothing goes wrong any more is not what is looked for. */
export async function play(world: LeadWorld, random: Random, scene: LeadScene, checks: LeadChecks, run: RunUntil) {
  world.writeConfig({ ...world.config, failsafeMode: false, ...scene.config });
  if (scene.prepare === undefined) {
    await calm(world, checks, run);
    await run(world.time.nowMs() + random.int(0, 1_500));
  } else scene.prepare(world);
  const end = scene.endsWith?.(world) ?? null;
  scene.happens(world, random);
  await run(world.time.nowMs() + scene.lastsMs);
  const wrong = checks.violation === null && end !== null ? end() : null;
  if (wrong !== null) checks.fail('outcome', wrong);
}

async function calm(world: LeadWorld, checks: LeadChecks, run: RunUntil): Promise<void> {
  await run(2_000);
  while (checks.violation === null && checks.unfinished() !== null && world.time.nowMs() < mostCalmMs) {
    await run(world.time.nowMs() + lookEveryMs);
  }
}

/** Slots that can be used on every standby, whatever has become of them. */
async function becomeReady(world: LeadWorld, checks: LeadChecks, run: RunUntil): Promise<void> {
  world.slots.stir();
  world.writeConfig({ ...world.config, recreateLost: true });
  await comeToRest(checks, run, world, readyMs, () => checks.unfinished() ?? checks.unfinishedSlots());
}

async function comeToRest(
  checks: LeadChecks,
  run: RunUntil,
  world: LeadWorld,
  withinMs: number,
  unfinished: () => string | null,
): Promise<void> {
  const endMs = world.time.nowMs() + withinMs;
  while (checks.violation === null) {
    const left = unfinished();
    if (left === null) return;
    if (world.time.nowMs() >= endMs) checks.fail('liveness', left);
    await run(world.time.nowMs() + lookEveryMs);
  }
}

/** At rest nothing is started, stopped or handed over any more. */
async function stayStill(world: LeadWorld, checks: LeadChecks, run: RunUntil): Promise<void> {
  // Of an agent that stands still while its server goes on, more is to come.
  await comeToRest(checks, run, world, restMs, () => frozenAgent(world) ?? checks.unfinished());
  await run(world.time.nowMs() + lateAnswersMs);
  const before = world.members.map(({ host }) => host.epoch).join();
  await run(world.time.nowMs() + stillMs);
  const after = world.members.map(({ host }) => host.epoch).join();
  const left = checks.unfinished();
  if (left !== null) checks.fail('restless', left);
  else if (before !== after) checks.fail('restless', 'a server was started, stopped or promoted');
}

function frozenAgent({ members }: LeadWorld): string | null {
  const frozen = members.find(({ process }) => process?.isFrozen === true);
  return frozen === undefined ? null : `the agent of ${frozen.name} stands still`;
}

function trouble(world: LeadWorld, random: Random, untilMs: number): void {
  const calmMs = random.int(300, 4_000);
  const next = (): void => {
    if (world.time.nowMs() >= untilMs) return;
    const [what, event] = pickEvent(random);
    if (world.sparedUntilMs <= world.time.nowMs()) {
      world.tally.count(what);
      event(world, random);
    }
    world.time.in(random.int(50, 2 * calmMs), next);
  };
  next();
}

/** Everything works again and every agent runs, but for those whose pause goes on. */
function heal(world: LeadWorld, pausesGoOn: boolean): void {
  world.trace.add('operator', 'heals everything');
  world.healedAtMs = world.time.nowMs();
  if (world.consul.isFrozen) world.consul.thaw();
  if (!world.consul.running) world.consul.start('kept');
  world.cluster.apart.joinAll();
  world.agentsApart.joinAll();
  for (const member of world.members) {
    Object.assign(member.consulLink, healthyLink());
    Object.assign(member.serverLink, healthyLink());
    member.isAlone = false;
    Object.assign(member.host.faults, usualFaults);
    Object.assign(world.cluster.streams.get(member.name) ?? {}, { broken: false, replayEveryPulls: 1 });
    if (member.process !== null && !pausesGoOn) world.thaw(member.name, member.process);
    world.startAgent(member);
  }
  // A request that nobody could carry out in all that trouble would be carried out now.
  world.consul.state.transact(null, [{ verb: 'delete', key: simKeys.failover }]);
  resumed(world);
}

function pickEvent(random: Random): readonly [what: string, event: LeadEvent] {
  let at = random.next() * totalWeight;
  for (const [what, weight, event] of events) {
    at -= weight;
    if (at < 0) return [what, event];
  }
  return ['agents killed', agentDies];
}
