import type { Checks } from './checks.ts';
import { healthyLink, type LinkFaults } from './link.ts';
import { Random } from './random.ts';
import { badConfigs, type ScopeConfig } from './scope-config.ts';
import { simKeys } from './sim-agent.ts';
import type { Member, World } from './world.ts';

type Event = (world: World, random: Random, checks: Checks) => void;

/** What can happen, with how often it does in relation to the others. */
const events: readonly (readonly [weight: number, event: Event])[] = [
  [6, agentDies],
  [2, agentStops],
  [5, consulLinkFails],
  [3, serverLinkSlow],
  [3, consulStops],
  [2, consulClientRestarts],
  [3, sessionEnds],
  [6, configChanges],
  [3, configGoesBad],
  [3, hostileKey],
  [5, foundSlotChanges],
  [2, slotMadeAnew],
  [2, slotInvalidated],
  [4, replayFails],
  [2, standbyRestarts],
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
  const calm = random.int(500, 6_000);
  const next = (): void => {
    if (world.time.nowMs() >= untilMs) return;
    pickEvent(random)(world, random, checks);
    world.disturb();
    world.time.in(random.int(100, 2 * calm), next);
  };
  world.time.in(random.int(1_000, 12_000), next);
}

/** Everything works again, agents run, and the configuration is a good one. */
export function heal(world: World): void {
  world.trace.add('operator', 'heals everything');
  if (!world.consul.running) world.consul.start('kept');
  for (const member of world.members) {
    Object.assign(member.consulLink, healthyLink());
    Object.assign(member.serverLink, healthyLink());
    Object.assign(world.cluster.streams.get(member.name) ?? {}, { broken: false, replayEveryPulls: 1 });
    member.server.replayPaused = false;
    world.startAgent(member);
    if (member.server.state === 'down' && !world.ha.busy && !member.server.files.copyInterrupted) {
      member.server.start(world.time.nowMs());
    }
  }
  world.writeConfig({ ...world.config, pause: false, restart: 'allow', recreateLost: true });
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

function later(world: World, delayMs: number, act: () => void): void {
  world.time.in(delayMs, () => {
    act();
    world.disturb();
  });
}

function agentDies(world: World, random: Random): void {
  const member = random.pick(world.members);
  world.killAgent(member);
  later(world, random.pick([10, 500, 5_000, 30_000]), () => {
    world.startAgent(member);
  });
}

function agentStops(world: World, random: Random): void {
  const member = random.pick(world.members);
  world.trace.add(member.name, 'agent is told to stop');
  member.agent?.stop();
  later(world, random.int(1_000, 15_000), () => {
    if (member.agent?.life.alive === true) world.killAgent(member);
    world.startAgent(member);
  });
}

function consulLinkFails(world: World, random: Random): void {
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

function serverLinkSlow(world: World, random: Random): void {
  const member = random.pick(world.members);
  const faults = random.pick<Partial<LinkFaults>>([{ mode: 'cut' }, { maxTripMs: 1_500 }, { lostAnswers: 0.3 }]);
  world.trace.add(member.name, `way to its server: ${JSON.stringify(faults)}`);
  Object.assign(member.serverLink, healthyLink(), faults);
  later(world, random.int(500, 15_000), () => {
    Object.assign(member.serverLink, healthyLink());
  });
}

function consulStops(world: World, random: Random, checks: Checks): void {
  if (!world.consul.running) return;
  world.trace.add('consul', 'stops');
  world.consul.stop();
  const data = random.chance(0.25) ? 'lost' : 'kept';
  if (data === 'lost') checks.consulLostData = true;
  later(world, random.int(500, 20_000), () => {
    if (world.consul.running) return;
    world.trace.add('consul', `starts, its data ${data}`);
    world.consul.start(data);
    if (data === 'lost') world.writeConfig(world.config);
  });
}

function consulClientRestarts(world: World, random: Random): void {
  const member = random.pick(world.members);
  world.trace.add(member.name, 'its Consul client agent restarts');
  world.consul.restartClientAgent(member.name);
  world.consul.resetConnections(member.consulLink);
}

function sessionEnds(world: World, random: Random): void {
  const ids = [...world.consul.state.sessions.keys()];
  if (ids.length === 0 || !world.consul.running) return;
  const id = random.pick(ids);
  world.trace.add('operator', `destroys ${id}`);
  world.consul.state.endSession(id);
}

function configChanges(world: World, random: Random): void {
  const { config } = world;
  const logical = new Map(config.logical);
  const name = random.pick(['orders', 'bills', 'stock']);
  if (logical.has(name) && random.chance(0.5)) logical.delete(name);
  else logical.set(name, { database: 'app', plugin: 'pgoutput' });
  const next: Partial<ScopeConfig> = random.pick<Partial<ScopeConfig>>([
    { logical },
    { logical },
    { physical: config.physical.length === 0 ? ['backup'] : [] },
    { pause: !config.pause },
    { restart: config.restart === 'allow' ? 'never' : 'allow' },
    { ignored: config.ignored.length === 0 ? ['found_b'] : [] },
    { recreateLost: !config.recreateLost },
  ]);
  world.writeConfig({ ...config, ...next });
}

function configGoesBad(world: World, random: Random): void {
  world.writeBadConfig(random.pick(badConfigs));
  later(world, random.int(500, 8_000), () => {
    world.writeConfig(world.config);
  });
}

function hostileKey(world: World, random: Random): void {
  const key = random.pick([simKeys.history, simKeys.slotHistory, `${simKeys.membersPrefix}stranger`, simKeys.initialize]);
  world.putByHand(key, random.pick(['', 'null', '{', '[1,2,3]', '{"role":7}', 'x'.repeat(2_000)]));
}

function foundSlotChanges(world: World, random: Random): void {
  const { primary } = world.ha;
  const name = random.pick(['found_a', 'found_b', 'other']);
  if (primary.state !== 'up' || primary.role !== 'primary') return;
  const slot = primary.logical(name);
  if (slot === undefined) makeSlot(world, name);
  else if (random.chance(0.4)) {
    world.trace.add('operator', `drops slot ${name} on ${primary.name}`);
    primary.slots.delete(name);
  }
}

function slotMadeAnew(world: World, random: Random): void {
  const { primary } = world.ha;
  if (primary.state !== 'up' || primary.role !== 'primary') return;
  const slots = primary.logicalSlots().filter((slot) => !slot.creating);
  if (slots.length === 0) return;
  const { name, madeBy } = random.pick(slots);
  world.trace.add('operator', `makes slot ${name} anew on ${primary.name}`);
  primary.slots.delete(name);
  // PostgreSQL gives slots no identity: one that is made anew while nobody looks still passes for slotkeeper's.
  makeSlot(world, name, random.chance(0.2) ? 'test_decoding' : 'pgoutput', madeBy);
}

function makeSlot(world: World, name: string, plugin = 'pgoutput', madeBy: 'agent' | 'operator' = 'operator'): void {
  const { primary } = world.ha;
  if (primary.slots.size >= primary.setup.maxSlots) return;
  const slot = primary.addLogicalSlot(name, 'app', plugin, madeBy);
  world.trace.add('operator', `makes slot ${name} on ${primary.name}`);
  const finish = (): void => {
    if (primary.slots.get(name) !== slot || primary.state !== 'up') return;
    if (!primary.finishCreation(slot)) {
      world.time.in(100, finish, false);
      return;
    }
    world.workload.follow(slot);
  };
  world.time.in(100, finish, false);
}

function slotInvalidated(world: World, random: Random): void {
  const server = random.pick(world.members).server;
  const slots = server.logicalSlots();
  if (slots.length === 0) return;
  const slot = random.pick(slots);
  world.trace.add(server.name, `slot ${slot.name} is invalidated`);
  slot.invalidation = 'wal_removed';
}

function replayFails(world: World, random: Random): void {
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

function standbyRestarts(world: World, random: Random): void {
  const { server } = random.pick(world.members);
  if (server.role !== 'standby' || server.state !== 'up') return;
  const how = random.pick(['crash', 'stop'] as const);
  world.trace.add(server.name, `server: ${how}`);
  server[how]();
  later(world, random.int(200, 10_000), () => {
    if (server.state === 'down' && server.role === 'standby') server.start(world.time.nowMs());
  });
}

function feedbackSwitchedOff(world: World, random: Random): void {
  const { server } = random.pick(world.members);
  world.trace.add('operator', `switches hot_standby_feedback off on ${server.name}`);
  server.feedback.altered = false;
  server.feedback.configured = false;
  world.ha.changedAtMs.set(server.name, world.time.nowMs());
}

function slotDroppedOnStandby(world: World, random: Random): void {
  const { server } = random.pick(world.members);
  const slots = server.role === 'standby' ? server.logicalSlots() : [];
  if (slots.length === 0) return;
  const { name } = random.pick(slots);
  world.trace.add('operator', `drops slot ${name} on the standby ${server.name}`);
  server.slots.delete(name);
}

function failover(world: World): void {
  world.ha.failover();
}

function switchover(world: World): void {
  world.ha.switchover();
}

function splitBrain(world: World): void {
  world.ha.splitBrain();
}

function standbyRebuilt(world: World, random: Random): void {
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
