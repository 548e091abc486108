import type { LeadRule } from './lead-violation.ts';

/** One text in one file that says something else. */
export interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** A rule that is broken on purpose: `finds` = what the checks then may find. */
export interface LeadMutant {
  readonly name: string;
  readonly finds: readonly LeadRule[];
  readonly changes: readonly Change[];
}

/** Where one layer of protection is to be seen by itself, the one beneath it is taken away. */
const withoutLifeline: Change = {
  file: 'test/sim/lead/sim-lifeline.ts',
  from: `if (all.mode !== 'off') this.#watch();`,
  to: '',
};

/** What such a world does when nothing goes wrong any more is not what is looked for. */
const withoutRest: Change = {
  file: 'test/sim/lead/run-lead-seed.ts',
  from: '  await stayStill(world, checks, runUntil);',
  to: '',
};

const promotionAsksConsul = `      await transact(
        [
          { verb: 'check-session', key: keys.leader, session },
          { verb: 'check-index', key: keys.leader, index: term },
        ],
        keys.leader,
        signal,
      );
`;

export const leadMutants: readonly LeadMutant[] = [
  {
    name: 'L1: the lease’s deadline is ignored',
    finds: ['two primaries', 'lost write'],
    changes: [
      withoutLifeline,
      withoutRest,
      { file: 'src/view/lease.ts', from: '|| view.nowMs >= deadlineMs) return null', to: ') return null' },
      {
        file: 'src/view/lead-memory.ts',
        from: `if (deadlineMs === null || view.nowMs >= deadlineMs) return { term, why: 'lease' };`,
        to: '',
      },
    ],
  },
  {
    name: 'L1: the lease counts from the answer to a renewal',
    finds: ['two primaries', 'lost write'],
    changes: [{ file: 'src/watch/session.ts', from: 'renewedAtMs: sentAtMs', to: 'renewedAtMs: this.#nowMs()' }],
  },
  {
    name: 'L1: nothing stops the server of an agent that is frozen',
    finds: ['two primaries', 'lost write'],
    changes: [withoutLifeline, withoutRest],
  },
  {
    name: 'L1: no lock delay outlasts the lease',
    finds: ['two primaries', 'lost write'],
    changes: [{ file: 'src/watch/session-spec.ts', from: 'lockDelaySeconds: ttlSeconds', to: 'lockDelaySeconds: 0' }],
  },
  {
    name: 'L1: a promotion does not ask Consul, and the view does not count',
    finds: ['two primaries', 'lost write', 'term'],
    changes: [{ file: 'src/act/executors.ts', from: promotionAsksConsul, to: '' }],
  },
  {
    name: 'L2: in synchronous mode the lock alone decides',
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
    name: 'L2: a standby is called synchronous before PostgreSQL waits for it',
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
    name: 'L7: two leaders take one timeline’s number',
    finds: ['divergence'],
    changes: [{ file: 'src/plan/lead/promote.ts', from: 'newestTimeline: newestTaken(view)', to: 'newestTimeline: 1' }],
  },
  {
    name: 'L7: a term is not listed before its server may write',
    finds: ['term', 'divergence'],
    changes: [
      { file: 'src/plan/lead/promote.ts', from: 'if (!isListed(view, term)) return', to: 'if (term < 0) return' },
    ],
  },
];
