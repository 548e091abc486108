import { encodeFailover } from '../../../src/consul/codec/lead.ts';
import { simKeys } from '../sim-agent.ts';
import { usualFaults } from './host.ts';
import { isHealthy, type LeadEvent, someFaultMs, toMember } from './lead-event.ts';
import type { LeadMember, LeadWorld } from './lead-world.ts';

const someDelays = [10, 500, 500, 3_000, 12_000] as const;

export const agentDies = toMember((world, random, member) => {
  world.killAgent(member);
  world.time.in(random.pick(someDelays), () => {
    world.startAgent(member);
  });
});

export const agentStops = toMember((world, random, member) => {
  world.trace.add(member.name, 'agent is told to stop');
  const { agent } = member;
  member.process?.whenAwake(() => agent?.stop());
  world.time.in(random.int(1_000, 15_000), () => {
    if (member.agent === agent) world.killAgent(member);
    world.startAgent(member);
  });
});

/** SIGSTOP and SIGCONT: for as long as a slow machine may take, or for longer than any lease. */
export const agentFreezes = toMember((world, random, member) => {
  const { process } = member;
  if (process === null || process.isFrozen) return;
  const forMs = someFaultMs(random);
  world.trace.add(member.name, `agent is frozen for ${forMs} ms`);
  process.freeze();
  world.time.in(forMs, () => {
    if (process.isFrozen) world.trace.add(member.name, 'agent goes on');
    world.thaw(member.name, process);
  });
});

export const serverDies = toMember((_world, _random, { host }) => {
  if (!host.isDown) host.crash('killed');
});

export const agentAndServerDie = toMember((world, random, member) => {
  if (random.chance(0.5)) member.host.crash('killed with its agent');
  world.killAgent(member);
  if (!member.host.isDown) member.host.crash('killed with its agent');
  world.time.in(random.pick(someDelays), () => {
    world.startAgent(member);
  });
});

export const hostGone = toMember((world, random, member) => {
  world.killHost(member);
  world.time.in(someFaultMs(random), () => {
    world.trace.add(member.name, 'host is back');
    world.startAgent(member);
  });
});

export const serverIsSlow = toMember((world, random, { name, host }) => {
  const faults = random.pick([
    { startFails: true },
    { startMs: 15_000 },
    { promoteMs: 12_000 },
    { stopMs: 30_000 },
    { cloneMs: 30_000 },
  ]);
  world.trace.add(name, `server: ${JSON.stringify(faults)}`);
  Object.assign(host.faults, usualFaults, faults);
  world.time.in(random.int(3_000, 20_000), () => {
    Object.assign(host.faults, usualFaults);
  });
});

export const wallClockJumps = toMember((world, random, member) => {
  if (member.agent !== null) world.tally.count('clock jumps beside an agent that runs');
  member.wallJumpMs = random.pick([-3_600_000, -30_000, 0, 30_000, 86_400_000]);
  world.trace.add(member.name, `wall clock is off by ${member.wallJumpMs} ms`);
});

/** Consul's servers are stopped and continued. */
export const consulFreezes: LeadEvent = (world, random) => {
  if (world.consul.isFrozen) return;
  world.trace.add('consul', 'is frozen');
  world.consul.freeze();
  world.time.in(random.pick([random.int(500, 8_000), random.int(8_000, 25_000), 60_000]), () => {
    if (!world.consul.isFrozen) return;
    world.trace.add('consul', 'goes on');
    // Whoever becomes the leader gives every session its whole time again.
    if (random.chance(0.4)) world.consul.state.renewAll();
    world.consul.thaw();
  });
};

export const consulLeaderChanges: LeadEvent = (world, random) => {
  if (world.consul.isFrozen || !world.consul.running) return;
  world.trace.add('consul', 'elects a leader');
  world.consul.stop();
  world.time.in(random.int(100, 4_000), () => {
    if (!world.consul.isFrozen) world.consul.start('kept');
  });
};

export const sessionDestroyed: LeadEvent = (world, random) => {
  const { state } = world.consul;
  const leading = state.keys.get(simKeys.leader)?.session ?? null;
  const ids = [...state.sessions.keys()];
  if (world.consul.isFrozen || ids.length === 0) return;
  const id = leading !== null && random.chance(0.6) ? leading : random.pick(ids);
  world.trace.add('operator', `destroys ${id}`);
  state.endSession(id);
};

/** Whoever hears of a change at all has heard of it by then. */
const hearingMs = 2_000;

/**
 * By hand, where the member that leads can see it: a key that is deleted has no lock delay, so nothing but its holder's
 * own watch keeps a second one from leading.
 */
export const leaderKeyDeleted: LeadEvent = (world) => {
  const { state } = world.consul;
  const owner = state.ownerOf(state.keys.get(simKeys.leader)?.session ?? null);
  if (owner === null || world.consul.isFrozen) return;
  const member = world.member(owner);
  if (!isHealthy(member.consulLink) || member.process?.isFrozen !== false) return;
  world.trace.add('operator', 'deletes the leader key');
  member.sparedUntilMs = world.time.nowMs() + 15_000;
  state.transact(null, [{ verb: 'delete', key: simKeys.leader }]);
};

export const switchover: LeadEvent = (world, random) => {
  const { state } = world.consul;
  const leader = state.ownerOf(state.keys.get(simKeys.leader)?.session ?? null);
  // Whoever names the next leader without a leader to ask takes what that one lacks upon himself.
  const isManual = world.config.synchronousMode === 'off' && random.chance(0.3);
  const others = world.members.map(({ name }) => name).filter((name) => name !== leader);
  const candidate = isManual || random.chance(0.6) ? random.pick(others) : null;
  const request = { leader: isManual ? null : leader, candidate, scheduledAt: null, force: random.chance(0.3) };
  if (request.leader === null && !isManual) return;
  world.putByHand(simKeys.failover, encodeFailover(request));
};

export const paused: LeadEvent = (world, random) => {
  if (world.config.pause) return;
  world.writeConfig({ ...world.config, pause: true });
  world.time.in(random.int(2_000, 15_000), () => {
    resumed(world);
  });
};

/**
 * The pause is over once whoever accepts writes can hear of it: a primary whose lease ran out in pause goes on, and nobody
 * stops it before it knows (plan/SPEC.md, N6). Nothing goes wrong until it has heard.
 */
export function resumed(world: LeadWorld): void {
  if (!world.config.pause) return;
  const { time, consul, members } = world;
  const hears = ({ process, agent, consulLink }: LeadMember): boolean =>
    process?.isFrozen === false && isHealthy(consulLink) && agent?.turn?.view.consul.contact.kind === 'good';
  if (!consul.running || members.some((member) => member.host.isWritable && !hears(member))) {
    time.in(200, () => {
      resumed(world);
    });
    return;
  }
  world.writeConfig({ ...world.config, pause: false });
  world.sparedUntilMs = time.nowMs() + hearingMs;
}
