import { later } from './event.ts';
import { healthyLink, type LinkFaults } from './link.ts';
import type { Random } from './random.ts';
import type { Member, World } from './world.ts';

// What goes wrong with servers, and what the HA manager does about it.

export function serverLinkSlow(world: World, random: Random): void {
  const member = random.pick(world.members);
  const faults = random.pick<Partial<LinkFaults>>([{ mode: 'cut' }, { maxTripMs: 1_500 }, { lostAnswers: 0.3 }]);
  world.trace.add(member.name, `way to its server: ${JSON.stringify(faults)}`);
  Object.assign(member.serverLink, healthyLink(), faults);
  later(world, random.int(500, 15_000), () => {
    Object.assign(member.serverLink, healthyLink());
  });
}

export function replayFails(world: World, random: Random): void {
  const { server } = random.pick(world.members);
  const stream = world.cluster.streams.get(server.name);
  if (stream === undefined) return;
  const kind = random.pick(['paused', 'slow', 'broken']);
  world.trace.add(server.name, `replay ${kind}`);
  if (kind === 'paused') server.replayPaused = true;
  if (kind === 'slow') stream.replayEveryPulls = random.int(10, 100);
  if (kind === 'broken') stream.broken = true;
  later(world, random.int(1_000, 25_000), () => {
    server.replayPaused = false;
    Object.assign(stream, { broken: false, replayEveryPulls: 1 });
  });
}

export function standbyRestarts(world: World, random: Random): void {
  const { server } = random.pick(world.members);
  if (server.role !== 'standby' || server.state !== 'up') return;
  const how = random.pick(['crash', 'stop'] as const);
  world.trace.add(server.name, `server: ${how}`);
  server[how]();
  later(world, random.int(200, 10_000), () => {
    if (server.state === 'down' && server.role === 'standby') server.start(world.time.nowMs());
  });
}

/** A host is gone for a while, with its server and its agent. */
export function standbyGone(world: World, random: Random): void {
  hostGone(world, random.pick(world.members), random.int(5_000, 45_000));
}

/** The same to a standby that the gate waits for, when all else is well: consumers go on without it, and then with it. */
export function standbyGoneLate(world: World): void {
  const direct = world.members.find(({ server }) => server.upstream === world.ha.primary);
  if (direct !== undefined) hostGone(world, direct, 25_000);
}

function hostGone(world: World, member: Member, forMs: number): void {
  const { server } = member;
  if (server.role !== 'standby' || server.state !== 'up') return;
  world.trace.add(server.name, 'host: gone');
  world.killAgent(member);
  server.crash();
  later(world, forMs, () => {
    world.trace.add(server.name, 'host: back');
    if (server.state === 'down' && server.role === 'standby') server.start(world.time.nowMs());
    world.startAgent(member);
  });
}

export function failover(world: World): void {
  world.ha.failover();
}

export function switchover(world: World): void {
  world.ha.switchover();
}

export function splitBrain(world: World): void {
  world.ha.splitBrain();
}

export function standbyRebuilt(world: World, random: Random): void {
  const { ha } = world;
  const standbys = world.members.filter(({ server }: Member) => server.role === 'standby' && server !== ha.primary);
  if (standbys.length === 0 || ha.busy || ha.primary.state !== 'up') return;
  const { server } = random.pick(standbys);
  ha.rebuild(server);
  ha.attach(server, ha.primary);
  later(world, random.int(100, 2_000), () => {
    if (server.state === 'down') server.start(world.time.nowMs());
  });
}
