import { decodeSync } from '../../../src/consul/codec/lead.ts';
import type { Random } from '../random.ts';
import { simKeys } from '../sim-agent.ts';
import type { LeadScopeConfig } from './lead-config.ts';
import type { LeadMember, LeadWorld } from './lead-world.ts';

/**
 * One chain of events that a broken rule does not survive, instead of everything that can happen: what takes hundreds of
 * histories to come about by chance comes about in nearly each of these.
 */
export interface LeadScene {
  readonly config: Partial<LeadScopeConfig>;
  readonly happens: (world: LeadWorld, random: Random) => void;
  /** From its beginning to the end of the history. */
  readonly lastsMs: number;
}

const watchMs = 5;

function leaderOf(world: LeadWorld): LeadMember | null {
  return world.members.find(({ host }) => host.isWritable) ?? null;
}

function othersThan(world: LeadWorld, ...members: readonly LeadMember[]): readonly LeadMember[] {
  return world.members.filter((member) => !members.includes(member));
}

function setStream(world: LeadWorld, { name }: LeadMember, broken: boolean): void {
  const stream = world.cluster.streams.get(name);
  if (stream !== undefined) stream.broken = broken;
}

function synchronousStandbys(world: LeadWorld): readonly string[] {
  const text = world.consul.state.keys.get(simKeys.sync)?.value;
  return text === undefined ? [] : (decodeSync(text, () => undefined)?.standbys ?? []);
}

export const leadScenes = {
  /** Its agent stands still for longer than any lease. */
  leaderFrozen: {
    config: {},
    lastsMs: 50_000,
    happens: (world) => {
      leaderOf(world)?.process?.freeze();
    },
  },

  /** Its agent goes on, but hears of Consul no more. */
  leaderCutOff: {
    config: {},
    lastsMs: 50_000,
    happens: (world) => {
      const leader = leaderOf(world);
      if (leader !== null) leader.consulLink.mode = 'black_hole';
    },
  },

  /** The leader can't hear that its session is gone, and nobody waits for it, since nobody streams. */
  sessionDestroyedUnheard: {
    config: { synchronousMode: 'off' },
    lastsMs: 15_000,
    happens: (world, random) => {
      const leader = leaderOf(world);
      if (leader === null) return;
      leader.consulLink.mode = 'black_hole';
      for (const other of othersThan(world, leader)) setStream(world, other, true);
      world.time.in(random.int(100, 1_500), () => {
        const { state } = world.consul;
        const session = state.keys.get(simKeys.leader)?.session ?? null;
        if (session !== null) state.endSession(session);
      });
    },
  },

  /** Whoever has all that was acknowledged is gone, and somebody who has not is left. */
  synchronousOnesGone: {
    config: { synchronousMode: 'on', synchronousNodeCount: 1, promotionGuard: 'off' },
    lastsMs: 50_000,
    happens: (world) => {
      const leader = leaderOf(world);
      if (leader === null) return;
      const names = synchronousStandbys(world);
      const gone = [leader, ...world.members.filter(({ name }) => names.includes(name))];
      for (const other of othersThan(world, ...gone)) setStream(world, other, true);
      world.time.in(3_000, () => {
        for (const member of gone) world.killHost(member);
      });
    },
  },

  /** A standby that has just been listed gets no more, and the leader's agent does no more. */
  leaderFrozenOnceListed: {
    config: { synchronousMode: 'on', synchronousNodeCount: 1, promotionGuard: 'off' },
    lastsMs: 60_000,
    happens: (world) => {
      const leader = leaderOf(world);
      if (leader === null) return;
      const others = othersThan(world, leader);
      for (const other of others) setStream(world, other, true);
      const watch = (): void => {
        const names = synchronousStandbys(world);
        if (names.length === 0) world.time.in(watchMs, watch, false);
        else {
          leader.process?.freeze();
          for (const other of others) setStream(world, other, true);
        }
      };
      world.time.in(8_000, () => {
        for (const other of others) setStream(world, other, false);
        watch();
      });
    },
  },

  /** One leads after the first whom the last never heard of; then the last leads, and one who followed the other is back. */
  leadersThatNeverMet: {
    config: { synchronousMode: 'off', checkTimeline: false, promotionGuard: 'off' },
    lastsMs: 160_000,
    happens: (world) => {
      const first = leaderOf(world);
      const [last, second] = first === null ? [] : othersThan(world, first);
      if (first === null || last === undefined || second === undefined) return;
      setStream(world, last, true);
      world.time.in(2_000, () => {
        world.killHost(first);
      });
      world.time.in(40_000, () => {
        world.startAgent(first);
      });
      world.time.in(65_000, () => {
        world.killHost(first);
        world.killHost(second);
      });
      world.time.in(110_000, () => {
        setStream(world, last, false);
        world.startAgent(first);
      });
    },
  },

  leaderGone: {
    config: {},
    lastsMs: 45_000,
    happens: (world) => {
      const leader = leaderOf(world);
      if (leader !== null) world.killHost(leader);
    },
  },
} as const satisfies Record<string, LeadScene>;
