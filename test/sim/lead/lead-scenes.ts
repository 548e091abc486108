import type { Random } from '../random.ts';
import type { LeadScopeConfig } from './lead-config.ts';
import type { LeadWorld } from './lead-world.ts';
import { ruleScenes } from './rule-scenes.ts';
import { slotScenes } from './slot-scenes.ts';
import { takeoverScenes } from './takeover-scenes.ts';
import { endSessions, leaderOf, once, othersThan, remove, setStream, synchronousStandbys } from './scene-moves.ts';

/**
 * One chain of events that a broken rule does not survive, instead of everything that can happen: what takes hundreds of
 * histories to come about by chance comes about in nearly each of these.
 */
export interface LeadScene {
  readonly config: Partial<LeadScopeConfig>;
  /** Of a scene that does not wait for a cluster that works: what there is before the first agent starts. */
  readonly prepare?: (world: LeadWorld) => void;
  readonly happens: (world: LeadWorld, random: Random) => void;
  /** Whether slots are declared, written for and read from. */
  readonly hasSlots?: boolean;
  /** From its beginning to the end of the history. */
  readonly lastsMs: number;
  /** Asked right before it begins for what is to be looked at in the end, besides what is always checked. */
  readonly endsWith?: (world: LeadWorld) => SceneEnd;
}

/** What is wrong when a scene is over; null = nothing. */
export type SceneEnd = () => string | null;

export const leadScenes = {
  ...ruleScenes,
  ...takeoverScenes,
  ...slotScenes,

  /** Its agent stands still for longer than any lease. */
  leaderFrozen: {
    config: {},
    lastsMs: 50_000,
    happens: (world) => {
      leaderOf(world)?.process?.freeze();
    },
  },

  /** The leader can't hear that its session is gone, and nobody waits for it, since nobody streams. */
  sessionDestroyedUnheard: {
    config: { synchronousMode: 'off' },
    lastsMs: 22_000,
    happens: (world, random) => {
      const leader = leaderOf(world);
      if (leader === null) return;
      leader.consulLink.mode = 'black_hole';
      for (const other of othersThan(world, leader)) setStream(world, other, true);
      world.time.in(random.int(100, 1_500), () => {
        endSessions(world, leader);
      });
    },
  },

  /** The leader can't reach Consul; whoever it reaches has its word asked for, and one of them is not reached. */
  leaderWithoutConsul: {
    config: { synchronousMode: 'off', failsafeMode: true, promotionGuard: 'off' },
    lastsMs: 60_000,
    happens: (world, random) => {
      const leader = leaderOf(world);
      if (leader === null) return;
      leader.consulLink.mode = 'black_hole';
      const others = othersThan(world, leader);
      for (const other of others) setStream(world, other, true);
      if (random.chance(0.5)) random.pick(others).isAlone = true;
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
      const isListed = (): boolean => synchronousStandbys(world).length > 0;
      world.time.in(8_000, () => {
        for (const other of others) setStream(world, other, false);
        once(world, isListed, () => {
          leader.process?.freeze();
          for (const other of others) setStream(world, other, true);
        });
      });
    },
  },

  /**
   * The second leader never heard of by the last, who takes its place; and then somebody who followed the second is back,
   * when the last has begun another timeline.
   */
  leadersThatNeverMet: {
    config: { synchronousMode: 'off', checkTimeline: false, promotionGuard: 'off' },
    lastsMs: 100_000,
    happens: (world) => {
      const first = leaderOf(world);
      const [last, second] = first === null ? [] : othersThan(world, first);
      if (first === null || last === undefined || second === undefined) return;
      const at = (ms: number, run: () => void): void => {
        world.time.in(ms, run);
      };
      setStream(world, last, true);
      world.killAgent(last);
      at(2_000, () => {
        remove(world, first);
      });
      at(18_000, () => {
        world.startAgent(first);
      });
      at(26_000, () => {
        remove(world, first);
        remove(world, second);
        setStream(world, last, false);
        endSessions(world, last);
        world.startAgent(last);
      });
      at(66_000, () => {
        remove(world, last);
        world.startAgent(last);
      });
      at(84_000, () => {
        world.startAgent(first);
      });
    },
  },

  /** Whoever leads next asks for several things at once, and Consul hears of them in another order. */
  heirsFarFromConsul: {
    config: { synchronousMode: 'off' },
    lastsMs: 25_000,
    happens: (world) => {
      const leader = leaderOf(world);
      if (leader === null) return;
      remove(world, leader);
      for (const other of othersThan(world, leader)) other.consulLink.maxTripMs = 1_500;
    },
  },
} as const satisfies Record<string, LeadScene>;

export type LeadSceneName = keyof typeof leadScenes;

/** The environment variable that names the scene to play; inherited by the processes that run seeds. */
export const sceneVariable = 'SLOTKEEPER_LEAD_SCENE';

/** The scene that the environment asks for; null = everything may happen. Throws RangeError for a name that is none. */
export function wantedScene(): LeadScene | null {
  const name = process.env[sceneVariable];
  if (name === undefined) return null;
  const found = Object.entries<LeadScene>(leadScenes).find(([each]) => each === name);
  if (found === undefined) throw new RangeError(`no scene ${name}`);
  return found[1];
}
