import { later } from './event.ts';
import type { Random } from './random.ts';
import { badConfigs, databaseOf, mayRestart, type ScopeConfig, someGate } from './scope-config.ts';
import type { World } from './world.ts';

// What people do to agents, to the configuration and to settings.

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
  else logical.set(name, { database: databaseOf(name), plugin: 'pgoutput', failover: random.chance(0.3) });
  const always: Partial<ScopeConfig>[] = [
    { logical },
    { logical },
    { physical: config.physical.length === 0 ? ['backup'] : [] },
    { pause: !config.pause },
    { restart: mayRestart(config, world.major) ? 'never' : 'allow' },
    { ignored: config.ignored.length === 0 ? ['found_b'] : [] },
    { recreateLost: !config.recreateLost },
  ];
  const sinceSixteen: Partial<ScopeConfig>[] = [
    { method: random.pick(['auto', 'auto', 'native', 'template', 'file_copy']) },
    { restart: null },
    { templateDatabases: config.templateDatabases.length === 0 ? ['postgres'] : [] },
    { gate: config.gate === null || random.chance(0.5) ? someGate(random) : null },
    { filter: random.pick(['default', 'found', 'all']) },
  ];
  const next = random.pick(world.major >= 16 ? [...always, ...sinceSixteen] : always);
  world.writeConfig({ ...config, ...next });
}

export function configGoesBad(world: World, random: Random): void {
  world.writeBadConfig(random.pick(badConfigs));
  later(world, random.int(500, 8_000), () => {
    world.writeConfig(world.config);
  });
}

export function feedbackSwitchedOff(world: World, random: Random): void {
  const { server } = random.pick(world.members);
  world.trace.add('operator', `switches hot_standby_feedback off on ${server.name}`);
  server.feedback.altered = false;
  server.feedback.configured = false;
  world.ha.changedAtMs.set(server.name, world.time.nowMs());
}

/** Nobody writes for a while: no records of the running transactions come by themselves either. */
export function writersRest(world: World, random: Random): void {
  world.trace.add('operator', 'writers rest');
  world.workload.writing = false;
  later(world, random.int(3_000, 20_000), () => {
    world.workload.writing = true;
  });
}
