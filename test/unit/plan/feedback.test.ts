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
      unfollowing({ ledger: aLedger('beta', { feedbackSet: false, settingsSet: [] }) }),
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
    const codes = (view: View): readonly string[] => problemsOf(view).map((problem) => problem.code);
    expect(codes(tried)).not.toContain('hot_standby_feedback');
    const overruled = later(tried, 1_000);
    expect(kindsOf(overruled)).not.toContain('set_feedback');
    expect(holdOf(overruled, 'hot_standby_feedback')).toContain('still says off');
    expect(codes(overruled)).toContain('hot_standby_feedback');
    expect(kindsOf(later(tried, 60_000))).toContain('set_feedback');

    // rebuilt from another server, say: the setting went with the files
    const restarted = after(tried, [
      { kind: 'look', startedAtMs: nowMs + 400, look: { ...look, startedAtWallMs: look.startedAtWallMs + 1_000 } },
    ]);
    expect(kindsOf(restarted)).toContain('set_feedback');
  });
});

describe('feedback that the server above has not got yet', () => {
  const link = (catalogXmin: number | null) =>
    statusKey({ physical: new Map([['beta', { restartLsn: 0x4000n, xmin: 700, catalogXmin, active: true }]]) });
  const view = (catalogXmin: number | null, slots = aStandbyLook().slots): View => {
    const usual = aView('beta');
    return aView('beta', {
      consul: { contact: { kind: 'good', atMs: nowMs }, keys: someKeys({ status: link(catalogXmin) }) },
      local: { ...usual.local, look: aStandbyLook({ slots }) },
    });
  };
  const hurry = { kind: 'hurry_feedback' } as const;

  test('is sent at once, and not again while it is on its way', () => {
    expect(actionsOf(view(null), hurry.kind)).toEqual([hurry]);
    const sent = after(view(null), [
      done(hurry, null),
      { kind: 'look', startedAtMs: nowMs + 200, look: aStandbyLook() },
    ]);
    expect(actionsOf(sent, hurry.kind)).toEqual([]);
    expect(actionsOf(later(sent, 2_000), hurry.kind)).toEqual([hurry]);
  });

  test.each([
    ['that the server above has', view(700)],
    ['of slots that hold nothing', view(null, [])],
    [
      'of a standby that does not stream',
      { ...view(null), local: { ...view(null).local, look: aStandbyLook({ receiver: null }) } },
    ],
  ])('is not hurried %s', (_name, calm) => {
    expect(actionsOf(calm, hurry.kind)).toEqual([]);
  });
});
