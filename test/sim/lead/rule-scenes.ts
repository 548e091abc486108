import { simKeys } from '../sim-agent.ts';
import type { LeadScene } from './lead-scenes.ts';
import type { LeadMember, LeadWorld } from './lead-world.ts';
import { leaderOf, once, othersThan, remove, setStream } from './scene-moves.ts';

/** Consul takes a question to the leader's session, and its answer comes so late. */
const lateMs = 4_500;

function renewalTaken({ consul: { state } }: LeadWorld, { name }: LeadMember): string | null {
  const session = [...state.sessions.values()].find(({ owner }) => owner === name);
  return session === undefined ? null : `${session.id} ${session.expiresAtMs}`;
}

/** Scenes for the rules of the lease, the race and the pause. */
export const ruleScenes = {
  /** The last renewal that Consul hears of is answered late, and the session ends as early as it may. */
  renewalAnsweredLate: {
    config: { ttl: 45, synchronousMode: 'off' },
    lastsMs: 25_000,
    happens: (world) => {
      const leader = leaderOf(world);
      if (leader === null) return;
      const { consulLink } = leader;
      consulLink.answersTakeMs = lateMs;
      for (const other of othersThan(world, leader)) setStream(world, other, true);
      const before = renewalTaken(world, leader);
      once(
        world,
        () => renewalTaken(world, leader) !== before,
        () => {
          consulLink.isMute = true;
          const nowMs = world.time.nowMs();
          for (const session of world.consul.state.sessions.values()) {
            if (session.owner === leader.name) session.expiresAtMs = nowMs + session.spec.ttlSeconds * 1_000;
          }
        },
        1,
      );
    },
  },

  /** Its key is deleted by hand, and the leader hears of it late. */
  keyDeletedFarAway: {
    config: { synchronousMode: 'off' },
    lastsMs: 12_000,
    happens: (world) => {
      const leader = leaderOf(world);
      if (leader === null) return;
      leader.consulLink.answersTakeMs = 1_800;
      world.consul.state.transact(null, [{ verb: 'delete', key: simKeys.leader }]);
    },
  },

  /** One standby is behind the other when the leader goes. */
  leaderGoneOneBehind: {
    config: { synchronousMode: 'off', promotionGuard: 'off' },
    lastsMs: 40_000,
    happens: (world, random) => {
      const leader = leaderOf(world);
      if (leader === null) return;
      // Among equals the first by its name would lead.
      const others = othersThan(world, leader);
      setStream(world, others[0]!, true);
      world.time.in(random.int(1_500, 3_000), () => {
        remove(world, leader);
        world.time.in(100, () => {
          setStream(world, others[0]!, false);
        });
      });
    },
    endsWith: (world) => {
      const first = leaderOf(world);
      const [behind, other] = first === null ? [] : othersThan(world, first);
      const before = world.tally.counts.get('failovers') ?? 0;
      return () => {
        const isNext = behind?.host.isWritable === true && world.tally.counts.get('failovers') === before + 1;
        return isNext && other?.tags.nofailover !== true ? `${behind.name} leads, which was behind` : null;
      };
    },
  },

  /** A slot is declared, and the leader goes before anybody else can have it. */
  leaderGoneBeforeSlotsAreReady: {
    config: { synchronousMode: 'off', promotionGuard: 'require', withSlots: false },
    lastsMs: 40_000,
    happens: (world) => {
      const leader = leaderOf(world);
      if (leader === null) return;
      world.writeConfig({ ...world.config, withSlots: true });
      world.time.in(150, () => {
        remove(world, leader);
      });
    },
    endsWith: (world) => () => {
      const leader = leaderOf(world);
      return leader === null || leader.host.server.logical('orders') !== undefined
        ? null
        : `${leader.name} leads without the slot`;
    },
  },

  /** The leader goes while the cluster is paused. */
  leaderGoneInPause: {
    config: { synchronousMode: 'off', promotionGuard: 'off' },
    lastsMs: 45_000,
    happens: (world) => {
      const leader = leaderOf(world);
      if (leader === null) return;
      world.writeConfig({ ...world.config, pause: true });
      world.time.in(2_000, () => {
        remove(world, leader);
      });
    },
    endsWith: (world) => () => {
      const leader = leaderOf(world);
      return leader === null ? null : `${leader.name} was elected in pause`;
    },
  },
} as const satisfies Record<string, LeadScene>;
