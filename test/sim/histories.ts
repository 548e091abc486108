import type { Checks } from './checks.ts';
import {
  consulClientRestarts,
  consulLinkFails,
  consulStops,
  hostileKey,
  leaderLosesKey,
  sessionEnds,
} from './consul-events.ts';
import type { Event } from './event.ts';
import { healthyLink } from './link.ts';
import {
  agentDies,
  agentStops,
  configChanges,
  configGoesBad,
  feedbackSwitchedOff,
  writersRest,
} from './operator-events.ts';
import type { Random } from './random.ts';
import {
  failover,
  replayFails,
  serverLinkSlow,
  splitBrain,
  standbyGone,
  standbyRebuilt,
  standbyRestarts,
  switchover,
} from './server-events.ts';
import {
  failoverMarkChanges,
  foundSlotChanges,
  slotDroppedOnStandby,
  slotInvalidated,
  slotMadeAnew,
  slotMadeAnewUnseen,
} from './slot-events.ts';
import type { World } from './world.ts';

/** What can happen, with how often it does in relation to the others. */
const events: readonly (readonly [weight: number, event: Event])[] = [
  [6, agentDies],
  [2, agentStops],
  [5, consulLinkFails],
  [3, serverLinkSlow],
  [3, consulStops],
  [2, consulClientRestarts],
  [3, sessionEnds],
  [3, leaderLosesKey],
  [6, configChanges],
  [3, configGoesBad],
  [3, hostileKey],
  [5, foundSlotChanges],
  [3, slotMadeAnew],
  [4, slotMadeAnewUnseen],
  [3, failoverMarkChanges],
  [2, writersRest],
  [2, slotInvalidated],
  [7, replayFails],
  [2, standbyRestarts],
  [2, standbyGone],
  [2, feedbackSwitchedOff],
  [2, slotDroppedOnStandby],
  [6, failover],
  [4, switchover],
  [2, splitBrain],
  [1, standbyRebuilt],
];

const totalWeight = events.reduce((sum, [weight]) => sum + weight, 0);

/** Lets something happen now and again until `untilMs`. */
export function trouble(world: World, checks: Checks, untilMs: number): void {
  const random = world.random.fork();
  const calm = random.int(300, 3_000);
  const next = (): void => {
    if (world.time.nowMs() >= untilMs) return;
    pickEvent(random)(world, random, checks);
    world.disturb();
    world.time.in(random.int(100, 2 * calm), next);
  };
  world.time.in(random.int(500, Math.min(12_000, untilMs / 2)), next);
}

/** Everything works again, agents run, and the configuration is a good one. */
export function heal(world: World): void {
  world.trace.add('operator', 'heals everything');
  world.isHealed = true;
  if (!world.consul.running) world.consul.start('kept');
  for (const member of world.members) {
    Object.assign(member.consulLink, healthyLink());
    Object.assign(member.serverLink, healthyLink());
    Object.assign(world.cluster.streams.get(member.name) ?? {}, { broken: false, replayEveryPulls: 1 });
    member.server.replayPaused = false;
    member.server.slotKeepBytes = null;
    world.startAgent(member);
    if (member.server.state === 'down' && !world.ha.busy && !member.server.files.copyInterrupted) {
      member.server.start(world.time.nowMs());
    }
  }
  // Where slots come without a restart, they have to.
  const restart = world.major >= 16 ? null : 'allow';
  world.writeConfig({ ...world.config, pause: false, restart, recreateLost: true });
  world.disturb();
}

function pickEvent(random: Random): Event {
  let at = random.next() * totalWeight;
  for (const [weight, event] of events) {
    at -= weight;
    if (at < 0) return event;
  }
  return configChanges;
}
