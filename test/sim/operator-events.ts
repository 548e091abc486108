import { later } from './event.ts';
import type { Random } from './random.ts';
import { badConfigs, type ScopeConfig } from './scope-config.ts';
import type { World } from './world.ts';

// What people do: to agents, to the configuration, to slots and settings by hand.

export function agentDies(world: World, random: Random): void {
  const member = random.pick(world.members);
  world.killAgent(member);
  later(world, random.pick([10, 500, 5_000, 30_000]), () => {
    world.startAgent(member);
  });
}

export function agentStops(world: World, random: Random): void {
  const member = random.pick(world.members);
  world.trace.add(member.name, 'agent is told to stop');
  member.agent?.stop();
  later(world, random.int(1_000, 15_000), () => {
    if (member.agent?.life.alive === true) world.killAgent(member);
    world.startAgent(member);
  });
}

export function configChanges(world: World, random: Random): void {
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

export function configGoesBad(world: World, random: Random): void {
  world.writeBadConfig(random.pick(badConfigs));
  later(world, random.int(500, 8_000), () => {
    world.writeConfig(world.config);
  });
}

export function foundSlotChanges(world: World, random: Random): void {
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

export function slotMadeAnew(world: World, random: Random): void {
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

export function slotDroppedOnStandby(world: World, random: Random): void {
  const { server } = random.pick(world.members);
  const slots = server.role === 'standby' ? server.logicalSlots() : [];
  if (slots.length === 0) return;
  const { name } = random.pick(slots);
  world.trace.add('operator', `drops slot ${name} on the standby ${server.name}`);
  server.slots.delete(name);
}

export function feedbackSwitchedOff(world: World, random: Random): void {
  const { server } = random.pick(world.members);
  world.trace.add('operator', `switches hot_standby_feedback off on ${server.name}`);
  server.feedback.altered = false;
  server.feedback.configured = false;
  world.ha.changedAtMs.set(server.name, world.time.nowMs());
}
