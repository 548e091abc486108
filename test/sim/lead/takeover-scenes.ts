import { decodeTerms, encodeFailover } from '../../../src/consul/codec/lead.ts';
import { healthyLink } from '../link.ts';
import { simKeys } from '../sim-agent.ts';
import type { LeadScene } from './lead-scenes.ts';
import type { LeadMember, LeadWorld } from './lead-world.ts';
import { leaderOf, once, othersThan, remove, setStream, synchronousStandbys } from './scene-moves.ts';

/** By hand: no lock delay follows, and its holder may be gone already. */
function deleteLeaderKey(world: LeadWorld): void {
  world.consul.state.transact(null, [{ verb: 'delete', key: simKeys.leader }]);
}

function holderOf({ consul: { state } }: LeadWorld): string | null {
  return state.ownerOf(state.keys.get(simKeys.leader)?.session ?? null);
}

function keepSessions({ consul: { state } }: LeadWorld, { name }: LeadMember): void {
  for (const session of state.sessions.values()) if (session.owner === name) session.expiresAtMs = Infinity;
}

/** Scenes for what is between the leader key and the first write, and for handing it over. */
export const takeoverScenes = {
  /** The synchronous standby gets no more and is replaced; the leader stands still before the key says so. */
  synchronousOneReplaced: {
    config: { synchronousMode: 'on', synchronousNodeCount: 1, promotionGuard: 'off' },
    lastsMs: 60_000,
    happens: (world) => {
      const leader = leaderOf(world);
      const first = synchronousStandbys(world)[0];
      if (leader === null || first === undefined) return;
      const isListed = (): boolean => synchronousStandbys(world).includes(first);
      leader.consulLink.maxTripMs = 2_500;
      setStream(world, world.member(first), true);
      const isForgotten = (): boolean => {
        const awaited = leader.host.synchronousStandbyNames ?? '';
        return isListed() && leader.host.isWritable && awaited !== '' && !awaited.includes(first);
      };
      once(world, isForgotten, () => {
        leader.process?.freeze();
        leader.consulLink.mode = 'black_hole';
        world.time.in(1_500, () => {
          remove(world, leader);
          setStream(world, world.member(first), false);
        });
      });
    },
  },

  /** Another standby is listed, which the leader does not hear of; the stream changes back to the former one. */
  listedWithoutAnAnswer: {
    config: { synchronousMode: 'on', synchronousNodeCount: 1, promotionGuard: 'off' },
    lastsMs: 40_000,
    happens: (world) => {
      const leader = leaderOf(world);
      const former = world.members.find(({ name }) => synchronousStandbys(world)[0] === name);
      const [next] = leader === null || former === undefined ? [] : othersThan(world, leader, former);
      if (leader === null || former === undefined || next === undefined) return;
      const listed = (): readonly string[] | undefined => leader.agent?.turn?.view.consul.keys?.sync?.value?.standbys;
      setStream(world, former, true);
      once(
        world,
        () => listed()?.length === 0,
        () => {
          leader.consulLink.lostAnswers = 1;
        },
      );
      once(
        world,
        () => synchronousStandbys(world).includes(next.name),
        () => {
          setStream(world, next, true);
          setStream(world, former, false);
          world.time.in(2_500, () => {
            remove(world, leader);
            setStream(world, next, false);
          });
        },
      );
    },
  },

  /** Whoever goes for the key is so far from Consul that another one leads and is gone before the question gets there. */
  keyComesAfterATerm: {
    config: { ttl: 45, synchronousMode: 'on', synchronousNodeCount: 2, promotionGuard: 'off' },
    lastsMs: 30_000,
    happens: (world) => {
      const first = leaderOf(world);
      const [late, next] = first === null ? [] : othersThan(world, first);
      if (first === null || late === undefined || next === undefined) return;
      const at = (ms: number, run: () => void): void => {
        world.time.in(ms, run);
      };
      once(
        world,
        () => synchronousStandbys(world).length === 2,
        () => {
          keepSessions(world, late);
          next.process?.freeze();
          deleteLeaderKey(world);
          remove(world, first);
          at(300, () => {
            late.consulLink.maxTripMs = 9_000;
          });
          at(900, () => {
            if (next.process !== null) world.thaw(next.name, next.process);
          });
        },
      );
      once(
        world,
        () => next.host.isWritable,
        () => {
          at(1_000, () => {
            deleteLeaderKey(world);
            remove(world, next);
            once(
              world,
              () => holderOf(world) === late.name,
              () => Object.assign(late.consulLink, healthyLink()),
            );
          });
        },
      );
    },
  },

  /** The key of a member that is about to be promoted is deleted by hand, and it does not hear of that. */
  keyDeletedBeforePromotion: {
    config: { synchronousMode: 'off', promotionGuard: 'off' },
    lastsMs: 30_000,
    happens: (world) => {
      const leader = leaderOf(world);
      if (leader !== null) remove(world, leader);
    },
    endsWith: (world) => {
      const before = leaderOf(world);
      let wrong: string | null = null;
      const isListed = (): boolean => {
        const term = world.consul.state.keys.get(simKeys.leader)?.modifyIndex ?? null;
        const listed = decodeTerms(world.consul.state.keys.get(simKeys.terms)?.value ?? '[]', () => undefined) ?? [];
        return listed.some((each) => each.term === term && each.timeline === null);
      };
      const isTaken = (): boolean => holderOf(world) !== null && holderOf(world) !== before?.name;
      once(world, isTaken, () => {
        const member = world.member(holderOf(world)!);
        member.consulLink.maxTripMs = 400;
        once(world, isListed, () => {
          world.time.in(world.random.int(100, 700), () => {
            const key = world.consul.state.keys.get(simKeys.leader);
            if (member.host.server.role !== 'standby' || holderOf(world) !== member.name || key === undefined) return;
            // Once it has asked, it is told what was so then.
            if (member.host.term?.term === key.modifyIndex) return;
            world.trace.add('operator', 'deletes the leader key');
            deleteLeaderKey(world);
            once(
              world,
              () => member.host.term?.term === key.modifyIndex,
              () => {
                wrong = `${member.name} was promoted in term ${key.modifyIndex}, whose key was gone before it asked`;
              },
            );
          });
        });
      });
      return () => wrong;
    },
  },

  /** A switchover with clients that go on writing. */
  switchoverAskedFor: {
    config: { synchronousMode: 'off', promotionGuard: 'off' },
    lastsMs: 30_000,
    happens: (world) => {
      const leader = leaderOf(world);
      if (leader === null) return;
      const request = { leader: leader.name, candidate: null, scheduledAt: null, force: true };
      world.putByHand(simKeys.failover, encodeFailover(request));
    },
    endsWith: (world) => {
      const line = leaderOf(world)?.host.server.branch ?? null;
      return () => {
        const leader = leaderOf(world);
        if (line === null || leader === null) return null;
        return leader.host.server.branch.contains(line, line.end) ? null : `${leader.name} lacks what was written last`;
      };
    },
  },

  /** Whoever makes the cluster stands still while it does, for so long that another one makes it. */
  bootstrapOvertaken: {
    config: { synchronousMode: 'off', promotionGuard: 'off' },
    lastsMs: 60_000,
    prepare: (world) => {
      for (const { host } of world.members) host.removeData();
    },
    happens: (world) => {
      const maker = (): LeadMember | undefined => world.members.find(({ host }) => host.directory === 'bootstrap');
      once(
        world,
        () => maker() !== undefined,
        () => {
          const first = maker();
          const process = first?.process ?? null;
          if (first === undefined || process === null) return;
          process.freeze();
          once(
            world,
            () => othersThan(world, first).some(({ host }) => host.isWritable),
            () => {
              world.thaw(first.name, process);
            },
          );
        },
      );
    },
  },
} as const satisfies Record<string, LeadScene>;
