import type { LinkFaults } from '../link.ts';
import type { Random } from '../random.ts';
import type { LeadMember, LeadWorld } from './lead-world.ts';

/** Something that happens in a history. */
export type LeadEvent = (world: LeadWorld, random: Random) => void;

function someMember(world: LeadWorld, random: Random): LeadMember | null {
  const nowMs = world.time.nowMs();
  const free = world.members.filter(({ sparedUntilMs }) => sparedUntilMs <= nowMs);
  // What happens to the leader is what matters most.
  const leader = free.find(({ host }) => host.isWritable);
  if (leader !== undefined && random.chance(0.5)) return leader;
  return free.length === 0 ? null : random.pick(free);
}

/** An event that happens to one member. */
export function toMember(happens: (world: LeadWorld, random: Random, member: LeadMember) => void): LeadEvent {
  return (world, random) => {
    const member = someMember(world, random);
    if (member !== null) happens(world, random, member);
  };
}

/** How long a fault lasts: mostly less than a lease, and often enough longer than any. */
export function someFaultMs(random: Random): number {
  return random.pick([random.int(300, 3_000), random.int(3_000, 9_000), random.int(9_000, 30_000)]);
}

export function isHealthy({ mode, maxTripMs, answersTakeMs, isMute, lostAnswers, duplicated }: LinkFaults): boolean {
  return mode === 'ok' && maxTripMs === 0 && answersTakeMs === 0 && !isMute && lostAnswers === 0 && duplicated === 0;
}
