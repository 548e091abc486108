import type { LeadSceneName } from './lead-scenes.ts';
import type { LeadRule } from './lead-violation.ts';

/** One text in one file that says something else. */
export interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** A rule that is broken on purpose: `finds` = what the checks then may find, in histories of the scene. */
export interface LeadMutant {
  readonly name: string;
  readonly scene: LeadSceneName;
  readonly finds: readonly LeadRule[];
  readonly changes: readonly Change[];
}

/** Where one layer of protection is to be seen by itself, the one beneath it is taken away. */
const withoutLifeline: Change = {
  file: 'test/sim/lead/sim-lifeline.ts',
  from: `if (all.mode !== 'off') this.#watch();`,
  to: '',
};

const withoutLockDelay: Change = {
  file: 'src/watch/session-spec.ts',
  from: 'lockDelaySeconds: ttlSeconds',
  to: 'lockDelaySeconds: 0',
};

export const leadMutants: readonly LeadMutant[] = [
  {
    name: 'L1: the lease’s deadline is ignored',
    scene: 'sessionDestroyedUnheard',
    finds: ['two primaries', 'lost write'],
    changes: [
      withoutLifeline,
      { file: 'src/view/lease.ts', from: '|| view.nowMs >= deadlineMs) return null', to: ') return null' },
      {
        file: 'src/view/lead-memory.ts',
        from: `if (deadlineMs === null || view.nowMs >= deadlineMs) return { term, why: 'lease' };`,
        to: '',
      },
      {
        file: 'src/watch/session.ts',
        from: 'held !== null && this.#shownHeld ?',
        to: 'held !== null && held.ttlSeconds < 0 ?',
      },
    ],
  },
  {
    name: 'L1: nothing stops the server of an agent that is frozen',
    scene: 'leaderFrozen',
    finds: ['two primaries', 'lost write'],
    changes: [withoutLifeline],
  },
  {
    name: 'L1: no lock delay outlasts the lease',
    scene: 'sessionDestroyedUnheard',
    finds: ['two primaries', 'lost write'],
    changes: [withoutLockDelay],
  },
  {
    name: 'L1: a lease counts from the answer',
    scene: 'renewalAnsweredLate',
    finds: ['two primaries', 'lost write'],
    changes: [
      withoutLifeline,
      withoutLockDelay,
      {
        file: 'src/watch/session.ts',
        from: 'this.#renewed({ ...held, renewedAtMs: sentAtMs });',
        to: 'this.#renewed({ ...held, renewedAtMs: this.#nowMs() });',
      },
    ],
  },
  {
    name: 'L2: in synchronous mode the lock alone decides',
    scene: 'synchronousOnesGone',
    finds: ['lost write'],
    changes: [
      {
        file: 'src/plan/lead/fitness.ts',
        from: `return sync.leader === name || sync.standbys.includes(name) ? null : 'it is not synchronous';`,
        to: 'return null;',
      },
    ],
  },
  {
    name: 'L9: a standby is called synchronous before PostgreSQL waits for it',
    scene: 'leaderFrozenOnceListed',
    finds: ['lost write'],
    changes: [
      {
        file: 'src/plan/lead/sync-mode.ts',
        from: 'wanted.filter((name) => isSynchronous(view, look, name))',
        to: 'wanted',
      },
    ],
  },
  {
    name: 'L9: PostgreSQL stops to wait for a standby that is still called synchronous',
    scene: 'synchronousOneReplaced',
    finds: ['lost write'],
    changes: [
      { file: 'src/plan/lead/sync-mode.ts', from: 'new Set([...listed, ...wanted])', to: 'new Set([...wanted])' },
    ],
  },
  {
    name: 'L9.2: a write of the key whose answer is lost is taken for none',
    scene: 'listedWithoutAnAnswer',
    finds: ['lost write'],
    changes: [
      { file: 'src/plan/lead/sync-mode.ts', from: ', ...(view.memory.lead.syncAttempted?.standbys ?? [])', to: '' },
    ],
  },
  {
    name: 'L2.1: what a standby lacks is not asked again with the key in hand',
    scene: 'keyComesAfterATerm',
    finds: ['lost write'],
    changes: [{ file: 'src/plan/lead/release.ts', from: '?? lacking(view, look)', to: '' }],
  },
  {
    name: 'L1: a promotion does not ask Consul again',
    scene: 'keyDeletedBeforePromotion',
    finds: ['outcome', 'two primaries'],
    changes: [
      {
        file: 'src/act/executors.ts',
        from: `{ verb: 'check-session', key: keys.leader, session },
          { verb: 'check-index', key: keys.leader, index: term },`,
        to: '',
      },
    ],
  },
  {
    name: 'L5: a switchover stops the server at once',
    scene: 'switchoverAskedFor',
    finds: ['outcome'],
    changes: [
      {
        file: 'src/plan/lead/switchover.ts',
        from: `mode: 'fast', why: 'switchover'`,
        to: `mode: 'immediate', why: 'switchover'`,
      },
      {
        file: 'src/view/lead-memory.ts',
        from: `action.kind === 'stop_server' && action.mode === 'fast' &&`,
        to: `action.kind === 'stop_server' &&`,
      },
    ],
  },
  {
    name: 'L6: what was made while another member made the cluster goes on',
    scene: 'bootstrapOvertaken',
    finds: ['two primaries', 'term'],
    changes: [
      {
        file: 'src/plan/lead/fence.ts',
        from: 'if (isForeign && !hasOnlyBootstrapped(view))',
        to: 'if (isForeign)',
      },
      {
        file: 'src/plan/lead/fence.ts',
        from: 'if (isMadeElsewhere(view) && hasOnlyBootstrapped(view))',
        to: 'if (isMadeElsewhere(view) && leader !== null)',
      },
      {
        file: 'src/plan/lead/fence.ts',
        from: 'if (isMaking(view) && !isInitializing(view))',
        to: 'if (isMaking(view) && leader !== null)',
      },
      {
        file: 'src/view/lead-memory.ts',
        from: 'return isMaking && deadlineMs !== null ?',
        to: 'return isMaking && deadlineMs === null ?',
      },
      {
        file: 'src/act/executors.ts',
        from: "transact([{ verb: 'check-session', key: keys.initialize, session }], keys.initialize, signal);",
        to: 'Promise.resolve();',
      },
    ],
  },
  {
    name: 'L11: a member that agreed may lead at once',
    scene: 'leaderWithoutConsul',
    finds: ['two primaries', 'lost write'],
    changes: [
      {
        file: 'src/view/failsafe.ts',
        from: 'return { ...failsafe, acceptance: { call: request.call, untilMs } };',
        to: 'return { ...failsafe, acceptance: { call: request.call, untilMs: Math.min(0, untilMs) } };',
      },
    ],
  },
  {
    name: 'L11: the agreement of a majority is enough',
    scene: 'leaderWithoutConsul',
    finds: ['two primaries', 'lost write'],
    changes: [
      {
        file: 'src/view/failsafe.ts',
        from: 'if (objections.size > 0 ||',
        to: 'if (objections.size > 1 ||',
      },
    ],
  },
  {
    name: 'L7: two leaders take one timeline’s number',
    scene: 'leadersThatNeverMet',
    finds: ['divergence'],
    changes: [{ file: 'src/plan/lead/promote.ts', from: 'newestTimeline: newestTaken(view)', to: 'newestTimeline: 1' }],
  },
  {
    name: 'L7: a term is not listed before its server may write',
    scene: 'heirsFarFromConsul',
    finds: ['term', 'divergence'],
    changes: [
      { file: 'src/plan/lead/promote.ts', from: 'if (!isListed(view, term)) return', to: 'if (term < 0) return' },
    ],
  },
  {
    name: 'L3: who is furthest is not asked',
    scene: 'leaderGoneOneBehind',
    finds: ['outcome'],
    changes: [
      {
        file: 'src/plan/lead/race.ts',
        from: 'if (a.bid.position !== b.bid.position) return a.bid.position > b.bid.position;',
        to: '',
      },
    ],
  },
  {
    name: 'L4: promotion_guard does not keep anybody out',
    scene: 'leaderGoneBeforeSlotsAreReady',
    finds: ['outcome'],
    changes: [
      { file: 'src/plan/lead/fitness.ts', from: `promotionGuard === 'require' && unready > 0`, to: 'unready < 0' },
    ],
  },
  {
    name: 'L8: nobody waits for the former leader’s word',
    scene: 'keyDeletedFarAway',
    finds: ['two primaries', 'lost write'],
    changes: [
      {
        file: 'src/view/former-leader.ts',
        from: 'if (former === null || former === view.self.name) return null;',
        to: "if (former !== '') return null;",
      },
    ],
  },
  {
    name: 'L10: somebody is elected in pause',
    scene: 'leaderGoneInPause',
    finds: ['outcome'],
    changes: [
      {
        file: 'src/plan/lead/fitness.ts',
        from: `return configOf(view).pause && !isNamed ? 'the cluster is paused' : null;`,
        to: 'return null;',
      },
      {
        file: 'src/view/former-leader.ts',
        from: 'if (isPaused) return',
        to: 'if (isPaused && former === null) return',
      },
      {
        file: 'src/view/lead-memory.ts',
        from: 'if (configOf(view).pause) return Infinity;',
        to: '',
      },
    ],
  },
  {
    name: 'S1: a slot on a standby is moved past its consumer',
    scene: 'leadersGoWithSlots',
    finds: ['S1'],
    changes: [
      {
        file: 'src/act/executors.ts',
        from: 'server.advanceLogicalSlot({ name: slot, database, target }, signal)',
        to: 'server.advanceLogicalSlot({ name: slot, database, target: target + 1_000_000n }, signal)',
      },
    ],
  },
  {
    name: 'S2: every slot on a standby is called ready',
    scene: 'leadersGoWithSlots',
    finds: ['S2'],
    changes: [
      {
        file: 'src/view/verdict.ts',
        from: '  return [...verdicts].sort((a, b) => (a.slot < b.slot ? -1 : 1));',
        to: `  return [...verdicts].map((each) => ({ ...each, verdict: { kind: 'ready' as const } }));`,
      },
    ],
  },
  {
    name: 'S3: the loss of a slot is not put on record',
    scene: 'slotGoesWithItsLeader',
    finds: ['S3'],
    changes: [
      {
        file: 'src/plan/slot-history.ts',
        from: 'return recorded.some((entry) => entry.gaps.some((known) => isSameGap(known, gap)));',
        to: 'return recorded.some((entry) => entry.gaps.some((known) => isSameGap(known, gap))) || gap.slot !== "";',
      },
    ],
  },
  {
    name: 'S6: what only the leader writes is written without the lock',
    scene: 'statusComesLate',
    finds: ['S6'],
    changes: [
      {
        file: 'src/act/executors.ts',
        from: `{ verb: 'check-session', key: keys.leader, session },
        ...writes.map`,
        to: '...writes.map',
      },
    ],
  },
];
