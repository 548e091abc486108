import { describe, expect, test } from 'vitest';
import { noTags } from '../../../src/domain/config.ts';
import { problemsOf } from '../../../src/plan/problems.ts';
import type { View } from '../../../src/view/view.ts';
import {
  aConfig,
  actionsOf,
  after,
  done,
  holdOf,
  kindsOf,
  later,
  statusKey,
  withSettings,
} from '../../support/situations.ts';
import { aKey, aLedger, aMember, aSelf, aStandbyLook, aView, nowMs, someKeys } from '../../support/turns.ts';

const off = { hotStandbyFeedback: false };
const nothingFollowed = {
  consul: {
    contact: { kind: 'good', atMs: 0 } as const,
    keys: someKeys({ status: statusKey({ logical: new Map() }) }),
  },
};
const noSlots = (view: View): View => ({ ...view, local: { ...view.local, look: { ...view.local.look!, slots: [] } } });
const nofailover = { self: aSelf('beta', { tags: { ...noTags, nofailover: true } }) };
const unfollowing = (over: Partial<View> = {}) => noSlots(aView('beta', { ...nothingFollowed, ...over }));

describe('hot_standby_feedback', () => {
  const gamma = aMember('gamma', { extras: { ...aMember('gamma').extras!, upstream: 'beta', needsFeedback: true } });
  const cases: readonly (readonly [string, View, readonly string[]])[] = [
    ['is on and needed', aView('beta'), []],
    ['is off and needed', withSettings('beta', off), ['on']],
    ['is off, and the slots are only about to come', noSlots(withSettings('beta', off)), ['on']],
    ['is off and not needed', noSlots(withSettings('beta', off, nothingFollowed)), []],
    ['is not needed any more', unfollowing(), ['reset']],
    [
      'is not needed, but was not switched on by slotkeeper',
      unfollowing({ ledger: aLedger('beta', { feedbackSet: false }) }),
      [],
    ],
    [
      'is not needed as far as a member without a leader can tell',
      unfollowing({ consul: { contact: { kind: 'good', atMs: 0 }, keys: someKeys({ leader: null }) } }),
      [],
    ],
    [
      'is needed further down',
      unfollowing({
        ...nofailover,
        consul: {
          ...nothingFollowed.consul,
          keys: { ...nothingFollowed.consul.keys, members: new Map([...someKeys().members, ['gamma', aKey(gamma)]]) },
        },
      }),
      [],
    ],
    ['is not needed on a member without slots', noSlots(withSettings('beta', off, nofailover)), []],
    ['does not matter on a primary', withSettings('alpha', off), []],
  ];
  test.each(cases)('%s', (_name, view, modes) => {
    expect(actionsOf(view, 'set_feedback').map((action) => action.mode)).toEqual(modes);
  });

  test('is not switched on in a loop where something else overrules it', () => {
    const look = aStandbyLook({ settings: { ...aStandbyLook().settings, ...off } });
    const tried = after(withSettings('beta', off, { config: aConfig() }), [
      done({ kind: 'set_feedback', mode: 'on' }, null),
      { kind: 'look', startedAtMs: nowMs + 200, look },
    ]);
    expect(kindsOf(tried)).not.toContain('set_feedback');
    expect(holdOf(tried, 'hot_standby_feedback')).toContain('still says off');
    expect(problemsOf(tried).map((problem) => problem.code)).toContain('hot_standby_feedback');
    expect(kindsOf(later(tried, 60_000))).toContain('set_feedback');

    // rebuilt from another server, say: the setting went with the files
    const restarted = after(tried, [
      { kind: 'look', startedAtMs: nowMs + 400, look: { ...look, startedAtWallMs: look.startedAtWallMs + 1_000 } },
    ]);
    expect(kindsOf(restarted)).toContain('set_feedback');
  });
});
