import type { Checks } from './checks.ts';
import { later } from './event.ts';
import { healthyLink, type LinkFaults } from './link.ts';
import type { Random } from './random.ts';
import { simKeys } from './sim-agent.ts';
import type { World } from './world.ts';

// What goes wrong with Consul and on the way to it.

export function consulLinkFails(world: World, random: Random): void {
  const member = random.pick(world.members);
  const faults = random.pick<Partial<LinkFaults>>([
    { mode: 'cut' },
    { mode: 'black_hole' },
    { maxTripMs: 800 },
    { maxTripMs: 6_000 },
    { lostAnswers: 0.3 },
    { duplicated: 0.3, maxTripMs: 100 },
  ]);
  world.trace.add(member.name, `way to Consul: ${JSON.stringify(faults)}`);
  Object.assign(member.consulLink, healthyLink(), faults);
  if (faults.mode === 'cut') world.consul.resetConnections(member.consulLink);
  later(world, random.int(500, 30_000), () => {
    Object.assign(member.consulLink, healthyLink());
  });
}

export function consulStops(world: World, random: Random, checks: Checks): void {
  if (!world.consul.running) return;
  world.trace.add('consul', 'stops');
  world.consul.stop();
  const data = random.chance(0.25) ? 'lost' : 'kept';
  if (data === 'lost') checks.consulLosesData();
  later(world, random.int(500, 20_000), () => {
    if (world.consul.running) return;
    world.trace.add('consul', `starts, its data ${data}`);
    world.consul.start(data);
    if (data === 'lost') world.writeConfig(world.config);
  });
}

export function consulClientRestarts(world: World, random: Random): void {
  const member = random.pick(world.members);
  world.trace.add(member.name, 'its Consul client agent restarts');
  world.consul.restartClientAgent(member.name);
  world.consul.resetConnections(member.consulLink);
}

export function sessionEnds(world: World, random: Random): void {
  const ids = [...world.consul.state.sessions.keys()];
  if (ids.length === 0 || !world.consul.running) return;
  const id = random.pick(ids);
  world.trace.add('operator', `destroys ${id}`);
  world.consul.state.endSession(id);
}

/** The leader's session ends while what it has written is still on its way. */
export function leaderLosesKey(world: World, random: Random): void {
  const { state } = world.consul;
  const session = state.keys.get(simKeys.leader)?.session ?? null;
  const owner = state.ownerOf(session);
  if (session === null || owner === null || !world.consul.running) return;
  const { consulLink } = world.member(owner);
  world.trace.add(owner, 'its way to Consul becomes slow, then its session is destroyed');
  Object.assign(consulLink, healthyLink(), { maxTripMs: 3_000 });
  later(world, random.int(500, 4_000), () => {
    state.endSession(session);
  });
  later(world, random.int(4_000, 8_000), () => {
    Object.assign(consulLink, healthyLink());
  });
}

export function hostileKey(world: World, random: Random): void {
  const key = random.pick([
    simKeys.history,
    simKeys.slotHistory,
    `${simKeys.membersPrefix}stranger`,
    simKeys.initialize,
  ]);
  world.putByHand(key, random.pick(['', 'null', '{', '[1,2,3]', '{"role":7}', 'x'.repeat(2_000)]));
}
