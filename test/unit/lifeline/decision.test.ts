import { describe, expect, test } from 'vitest';
import { nextStep, type Situation } from '../../../src/lifeline/decision.ts';

const nowMs = 1_000_000;
const calm: Situation = {
  nowMs,
  guard: { term: 7, deadlineMs: nowMs + 5_000 },
  isInherited: false,
  isFenced: false,
  agentGoneAtMs: null,
  fastFailover: false,
  server: 'primary',
  hasHeir: false,
  isDataRemoved: false,
  areKeysReturned: true,
};
const over: Partial<Situation> = { guard: { term: 7, deadlineMs: nowMs } };
const longOver: Partial<Situation> = { guard: { term: 7, deadlineMs: nowMs - 2_000 }, isFenced: true };
const gone: Partial<Situation> = { agentGoneAtMs: nowMs - 1_999 };
const absent: Partial<Situation> = { agentGoneAtMs: nowMs - 2_000 };

describe('what a lifeline does next', () => {
  const cases: readonly (readonly [string, Partial<Situation>, string])[] = [
    ['nothing while the lease lasts', {}, 'wait'],
    ['nothing while nothing is guarded', { guard: null }, 'wait'],
    ['the lease is over', over, 'fence'],
    ['the lease is over, and nothing runs: the key is to be given back', { ...over, server: 'none' }, 'fence'],
    ['a server that has crashed is its agent’s business', { server: 'none' }, 'wait'],
    ['without its agent it waits for the deadline', { ...absent }, 'wait'],
    ['without its agent, with fast failover, for two seconds', { ...gone, fastFailover: true }, 'wait'],
    ['and then for no longer', { ...absent, fastFailover: true }, 'fence'],
    ['agent and server gone', { ...gone, server: 'none' }, 'fence'],
    ['agent gone, and a server is being started', { ...gone, server: 'starting' }, 'wait'],
    ['without its agent and without a guard', { ...gone, guard: null }, 'end'],
    ['another has taken over', { ...gone, ...over, hasHeir: true }, 'end'],
    ['two at once, and this one has its agent', { ...over, hasHeir: true }, 'fence'],
    ['what it inherited is void without the server', { isInherited: true, server: 'none' }, 'drop'],
    ['what it inherited has its deadline', { ...over, isInherited: true }, 'fence'],
    ['fenced: no server', { ...over, isFenced: true, server: 'none' }, 'wait'],
    ['fenced: a standby may run', { ...over, isFenced: true, server: 'standby' }, 'wait'],
    ['fenced: a primary may not', { isFenced: true }, 'fence'],
    ['fenced, and nothing can come any more', { ...longOver, ...absent, server: 'none' }, 'end'],
    [
      'fenced, and the keys are not returned',
      { ...longOver, ...absent, server: 'none', areKeysReturned: false },
      'wait',
    ],
    [
      'fenced, and the data are gone',
      { ...over, ...absent, isFenced: true, server: 'none', isDataRemoved: true },
      'end',
    ],
    ['fenced, and the agent may thaw at any time', { ...longOver, server: 'none' }, 'wait'],
    [
      'fenced what it inherited: its own agent has begun nothing',
      { ...longOver, server: 'none', isInherited: true },
      'drop',
    ],
  ];
  test.each(cases)('%s', (_what, changed, kind) => {
    expect(nextStep({ ...calm, ...changed })).toMatchObject({ kind });
  });

  test('keys that cannot be returned are given up long after the session has ended by itself', () => {
    const guard = { term: 7, deadlineMs: nowMs - 30_000 };
    const stuck = { ...calm, ...absent, guard, isFenced: true, server: 'none', areKeysReturned: false } as const;
    expect(nextStep(stuck)).toEqual({ kind: 'end', why: null });
  });
});
