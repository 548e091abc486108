import { simKeys } from '../sim-agent.ts';
import type { LeadScene } from './lead-scenes.ts';
import { endSessions, leaderOf, once, othersThan, remove } from './scene-moves.ts';

/** Scenes for the rules of slots where slotkeeper leads: their worlds have a slot from the beginning, and who reads from it. */
export const slotScenes = {
  /** The leader goes when its standbys have the slot, and once more when those of the next one have it. */
  leadersGoWithSlots: {
    config: { synchronousMode: 'off', promotionGuard: 'prefer', recreateLost: true },
    hasSlots: true,
    lastsMs: 70_000,
    happens: (world, random) => {
      for (const atMs of [12_000, 45_000]) {
        world.time.in(atMs, () => {
          const leader = leaderOf(world);
          if (leader === null) return;
          remove(world, leader);
          world.time.in(random.int(5_000, 8_000), () => {
            world.startAgent(leader);
          });
        });
      }
    },
  },

  /** A slot is read from, and the leader goes before anybody else can have it. */
  slotGoesWithItsLeader: {
    config: { synchronousMode: 'off', promotionGuard: 'off', withSlots: false, recreateLost: true },
    hasSlots: true,
    lastsMs: 50_000,
    happens: (world) => {
      const leader = leaderOf(world);
      if (leader === null) return;
      const others = othersThan(world, leader);
      for (const { process } of others) process?.freeze();
      world.writeConfig({ ...world.config, withSlots: true });
      const isRead = (): boolean => {
        const slot = leader.host.server.logical('orders');
        const consumer = world.slots.workload.consumers.get('orders');
        return slot !== undefined && consumer !== undefined && consumer.position > slot.restart;
      };
      once(world, isRead, () => {
        world.time.in(1_500, () => {
          remove(world, leader);
          for (const { name, process } of others) if (process !== null) world.thaw(name, process);
        });
      });
    },
  },

  /** What the leader has asked Consul for is on its way when its session ends and another one leads. */
  statusComesLate: {
    config: { synchronousMode: 'off', promotionGuard: 'off' },
    hasSlots: true,
    lastsMs: 30_000,
    happens: (world) => {
      const leader = leaderOf(world);
      if (leader === null) return;
      leader.consulLink.maxTripMs = 6_000;
      world.time.in(2_000, () => {
        if (world.consul.state.keys.has(simKeys.leader)) endSessions(world, leader);
      });
    },
  },
} as const satisfies Record<string, LeadScene>;
