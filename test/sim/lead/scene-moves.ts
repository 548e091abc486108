import { decodeSync } from '../../../src/consul/codec/lead.ts';
import { simKeys } from '../sim-agent.ts';
import type { LeadMember, LeadWorld } from './lead-world.ts';

// What scenes are put together from.

/** Between two looks of whoever waits for a moment, in milliseconds. */
export const watchMs = 5;

export function leaderOf(world: LeadWorld): LeadMember | null {
  return world.members.find(({ host }) => host.isWritable) ?? null;
}

export function othersThan(world: LeadWorld, ...members: readonly LeadMember[]): readonly LeadMember[] {
  return world.members.filter((member) => !members.includes(member));
}

export function setStream(world: LeadWorld, { name }: LeadMember, broken: boolean): void {
  const stream = world.cluster.streams.get(name);
  if (stream !== undefined) stream.broken = broken;
}

export function synchronousStandbys(world: LeadWorld): readonly string[] {
  const text = world.consul.state.keys.get(simKeys.sync)?.value;
  return text == null ? [] : (decodeSync(text, () => undefined)?.standbys ?? []);
}

export function endSessions({ consul: { state } }: LeadWorld, { name }: LeadMember): void {
  for (const id of [...state.sessions.keys()]) if (state.ownerOf(id) === name) state.endSession(id);
}

/** Its host goes, and Consul knows it at once: the lock delay is what the others wait for. */
export function remove(world: LeadWorld, member: LeadMember): void {
  world.killHost(member);
  endSessions(world, member);
}

/** Does something as soon as `isNow`. */
export function once(world: LeadWorld, isNow: () => boolean, act: () => void, everyMs = watchMs): void {
  const watch = (): void => {
    if (isNow()) act();
    else world.time.in(everyMs, watch, false);
  };
  watch();
}
