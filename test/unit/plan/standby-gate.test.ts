import { describe, expect, test } from 'vitest';
import type { FailoverSlotsConfig } from '../../../src/domain/config.ts';
import { noTags } from '../../../src/domain/config.ts';
import type { View } from '../../../src/view/view.ts';
import {
  aGateLook,
  aGateView,
  aRun,
  aStandbySlot,
  boundBytes,
  dead,
  gateCodesOf,
  gateConfig,
  gateKeys,
  gateProblemsOf,
  gateRun,
  graceSeconds,
  leftOut,
  listed,
  rekeyed,
  step,
  steps,
  withGamma,
  written,
  type Run,
} from '../../support/gate.ts';
import { aKey, aLogicalSlot, aMember, aStandbyLook, nowMs, sessionOf } from '../../support/turns.ts';

describe('which slots are asked for', () => {
  const gammaKey = (over: Parameters<typeof aMember>[1], session: string | null = sessionOf('gamma')) => {
    const members = new Map(gateKeys().members);
    members.set('gamma', aKey(aMember('gamma', over), { modifyIndex: 43, session }));
    return { contact: { kind: 'good', atMs: nowMs } as const, keys: gateKeys({ members }) };
  };
  const extras = aMember('gamma').extras!;
  const cases: readonly (readonly [string, Partial<FailoverSlotsConfig>, Partial<View>, readonly string[]])[] = [
    ['all: every member but the primary itself', {}, {}, ['beta', 'gamma']],
    [
      'all: not one that is tagged nofailover',
      {},
      { consul: gammaKey({ tags: { ...noTags, nofailover: true } }) },
      ['beta'],
    ],
    [
      'all: not one that is tagged nostream',
      {},
      { consul: gammaKey({ tags: { ...noTags, nostream: true } }) },
      ['beta'],
    ],
    [
      'all: a slot with another name than its member',
      {},
      { consul: gammaKey({ extras: { ...extras, primarySlotName: 'east' } }) },
      ['beta', 'east'],
    ],
    ['names: members, without the primary', { standbySlotNames: ['alpha', 'beta'] }, {}, ['beta']],
    ['names: a physical slot that is nobody’s', { standbySlotNames: ['east'] }, {}, ['east']],
    [
      'names: one that is tagged nofailover, since it was named',
      { standbySlotNames: ['gamma'] },
      { consul: gammaKey({ tags: { ...noTags, nofailover: true } }) },
      ['gamma'],
    ],
    ['names: the same one twice', { standbySlotNames: ['gamma', 'gamma'] }, {}, ['gamma']],
    ['names: a member whose name is no slot name', { standbySlotNames: ['Gam-ma'] }, {}, []],
    ['names: none', { standbySlotNames: [] }, {}, []],
  ];
  test.each(cases)('%s', (_name, failoverSlots, over, names) => {
    const slots = ['alpha', 'beta', 'gamma', 'east'].map((name) => aStandbySlot(name));
    const now = aRun(aGateView({ config: gateConfig(failoverSlots), ...over }), aGateLook({ slots }));
    expect(listed(now)).toEqual(names);
  });
});

describe('which of them are never listed', () => {
  const cases: readonly (readonly [string, Run, RegExp])[] = [
    ['one that is not there', gateRun({}, [aStandbySlot('beta')]), /no physical slot/],
    [
      'one that keeps no WAL yet',
      gateRun({}, [aStandbySlot('beta'), aStandbySlot('gamma', { restartLsn: null })]),
      /reserves no WAL/,
    ],
    [
      'one whose WAL was removed',
      gateRun({}, [aStandbySlot('beta'), aStandbySlot('gamma', { walStatus: 'lost' })]),
      /WAL was removed/,
    ],
  ];
  test.each(cases)('%s', (_name, now, why) => {
    expect(listed(now)).toEqual(['beta']);
    expect(leftOut(now)['gamma']).toMatch(why);
    // whatever the grace says, and however many are asked for
    for (const failoverSlots of [{ standbySlotsGraceSeconds: -1 }, { standbySlotsMinConfirmed: 2 }]) {
      const strict = aRun(aGateView({ config: gateConfig(failoverSlots) }), { ...now.look });
      expect(listed(strict)).toEqual(['beta']);
    }
  });

  test('a logical slot of that name', () => {
    expect(
      listed(aRun(aGateView(), aGateLook({ slots: [aStandbySlot('beta'), aLogicalSlot({ name: 'gamma' })] }))),
    ).toEqual(['beta']);
  });

  test('a cascade: its slot here is idle for good reason', () => {
    const members = new Map(gateKeys().members);
    const extras = { ...aMember('gamma').extras!, upstream: 'beta' };
    members.set('gamma', aKey(aMember('gamma', { extras }), { modifyIndex: 43, session: sessionOf('gamma') }));
    const now = step(rekeyed(gateRun(), { members }), 1_000, withGamma(dead));
    expect(listed(now)).toEqual(['beta']);
    expect(leftOut(now)).toEqual({ gamma: 'it streams from beta' });
  });
});

describe('a standby that goes out of service', () => {
  test('is waited for as long as the grace, then not, and again when it is back', () => {
    const almost = steps(gateRun(), graceSeconds, withGamma(dead));
    expect(listed(almost)).toEqual(['beta', 'gamma']);
    const gone = step(almost, 1_000);
    expect(listed(gone)).toEqual(['beta']);
    expect(leftOut(gone)).toEqual({ gamma: 'nobody streams through it' });
    expect(gateCodesOf(gone)).toEqual([]);
    expect(listed(step(gone, 1_000, withGamma({})))).toEqual(['beta', 'gamma']);
  });

  test('for less than the grace, again and again, stays listed', () => {
    let now = gateRun();
    for (let time = 0; time < 5; time += 1)
      now = step(steps(now, graceSeconds - 1, withGamma(dead)), 1_000, withGamma({}));
    expect(listed(now)).toEqual(['beta', 'gamma']);
  });

  test('with its agent, whose key goes: the same grace, whatever its slot does', () => {
    const members = new Map([...gateKeys().members].filter(([name]) => name !== 'gamma'));
    const now = rekeyed(gateRun(), { members });
    expect(listed(steps(now, graceSeconds - 1))).toEqual(['beta', 'gamma']);
    const gone = steps(now, graceSeconds + 1);
    expect(listed(gone)).toEqual(['beta']);
    expect(leftOut(gone)).toEqual({ gamma: 'the key of its member gamma is gone' });
    expect(listed(step(rekeyed(gone, {}), 1_000))).toEqual(['beta', 'gamma']);
    // and when its slot is dropped, nobody asks for it any more
    expect(leftOut(step(gone, 1_000, { slots: [aStandbySlot('beta')] }))).toEqual({});
  });

  test('and whose tag says nofailover from now on, is not asked for any more', () => {
    const members = new Map(gateKeys().members);
    const tags = { ...noTags, nofailover: true };
    members.set('gamma', aKey(aMember('gamma', { tags }), { modifyIndex: 43, session: sessionOf('gamma') }));
    expect(listed(step(rekeyed(gateRun(), { members }), 100))).toEqual(['beta']);
  });

  test('a grace of 0 waits for nobody, a grace of -1 for ever', () => {
    expect(listed(step(gateRun({ standbySlotsGraceSeconds: 0 }), 100, withGamma(dead)))).toEqual(['beta']);
    const patient = steps(gateRun({ standbySlotsGraceSeconds: -1 }), 60, withGamma(dead));
    expect(listed(patient)).toEqual(['beta', 'gamma']);
    expect(gateProblemsOf(patient)).toMatchObject([
      {
        code: 'gate_waits',
        severity: 'error',
        what: expect.stringContaining('gamma (nobody streams through it)') as unknown,
      },
    ]);
  });

  test('for ever means over a restart of the agent and the end of its key, too', () => {
    const patient = steps(gateRun({ standbySlotsGraceSeconds: -1 }), 20, withGamma(dead));
    const members = new Map([...gateKeys().members].filter(([name]) => name !== 'gamma'));
    const contact = { kind: 'good', atMs: nowMs } as const;
    const { config, ledger } = patient.view;
    const restarted = aGateView({ config, ledger, consul: { contact, keys: gateKeys({ members }) } });
    expect(listed(steps(aRun(restarted, patient.look), 20))).toEqual(['beta', 'gamma']);
  });
});

describe('a standby that is behind', () => {
  const behind = (bytes: bigint) => ({ ...withGamma({ restartLsn: written - bytes }) });
  /** The primary goes on writing, and gamma stays this far behind the end. */
  const lagging = (now: Run, bytes: bigint, forSeconds: number): Run => {
    let then = now;
    for (let second = 0; second < forSeconds; second += 1) {
      const currentLsn = (then.look.currentLsn ?? 0n) + 0x10_0000n;
      const slots = [
        aStandbySlot('beta', { restartLsn: currentLsn }),
        aStandbySlot('gamma', { restartLsn: currentLsn - bytes }),
      ];
      then = step(then, 1_000, { currentLsn, slots });
    }
    return then;
  };

  test('within the bound, is in service', () => {
    expect(listed(lagging(gateRun(), boundBytes, 30))).toEqual(['beta', 'gamma']);
  });

  test('by more than the bound for longer than the grace, is left out until it is within half of it', () => {
    expect(listed(lagging(gateRun(), boundBytes + 1n, graceSeconds))).toEqual(['beta', 'gamma']);
    const out = lagging(gateRun(), boundBytes + 1n, graceSeconds + 1);
    expect(listed(out)).toEqual(['beta']);
    expect(leftOut(out)['gamma']).toContain('standby_slots_max_lag');
    expect(listed(lagging(out, boundBytes / 2n + 1n, 30))).toEqual(['beta']);
    expect(listed(lagging(out, boundBytes / 2n, 1))).toEqual(['beta', 'gamma']);
  });

  test('that is connected and confirms nothing (a machine that hangs) blocks nobody longer than the grace either', () => {
    const hanging = behind(1n);
    expect(listed(steps(gateRun(), graceSeconds, hanging))).toEqual(['beta', 'gamma']);
    const out = steps(gateRun(), graceSeconds + 1, hanging);
    expect(listed(out)).toEqual(['beta']);
    expect(leftOut(out)).toEqual({ gamma: 'it does not confirm what is written' });
    expect(listed(step(out, 1_000, withGamma({})))).toEqual(['beta', 'gamma']);
  });

  test('and comes as a new one, is listed when it has caught up', () => {
    const one = aRun(aGateView(), aGateLook({ slots: [aStandbySlot('beta')] }));
    const joining = steps(one, 30, behind(0x8_0000n));
    expect(listed(joining)).toEqual(['beta']);
    expect(listed(step(joining, 1_000, withGamma({})))).toEqual(['beta', 'gamma']);
  });
});

describe('when the gate is first kept', () => {
  test('a standby that is dead then is waited for as long as the grace', () => {
    const slots = [aStandbySlot('beta'), aStandbySlot('gamma', dead)];
    expect(listed(gateRun({}, slots))).toEqual(['beta', 'gamma']);
    expect(listed(steps(gateRun({}, slots), graceSeconds + 1))).toEqual(['beta']);
  });

  test('by a restarted agent, what was left out stays out until it is in service', () => {
    const gone = steps(gateRun(), graceSeconds + 1, withGamma(dead));
    const restarted = aRun(aGateView({ ledger: gone.view.ledger }), gone.look);
    expect(listed(restarted)).toEqual(['beta']);
    expect(listed(step(restarted, 1_000, withGamma({})))).toEqual(['beta', 'gamma']);
  });

  test('on a promoted server, it begins with the standbys that are there', () => {
    const standby = aRun(aGateView(), {
      ...aStandbyLook({ versionNum: 170_010, slots: [aStandbySlot('beta', dead), aStandbySlot('gamma', dead)] }),
      settings: { ...aStandbyLook().settings, synchronizedStandbySlots: ['beta', 'gamma'] },
    });
    expect(listed(standby)).toEqual([]);
    const promoted = step(standby, 1_000, { ...aGateLook(), timeline: 2, settings: standby.look.settings });
    expect(listed(promoted)).toEqual(['beta', 'gamma']);
  });
});

describe('N of M', () => {
  const one = { standbySlotsMinConfirmed: 1 };
  const slots = (beta: Parameters<typeof aStandbySlot>[1], gamma: Parameters<typeof aStandbySlot>[1]) => ({
    slots: [aStandbySlot('beta', beta), aStandbySlot('gamma', gamma)],
  });

  test('the furthest is listed, and not changed for one that is a little ahead', () => {
    const now = aRun(
      aGateView({ config: gateConfig(one) }),
      aGateLook(slots({ restartLsn: written - 2n }, { restartLsn: written - 1n })),
    );
    expect(listed(now)).toEqual(['gamma']);
    expect(leftOut(now)).toEqual({ beta: 'enough others are waited for' });
    expect(listed(step(now, 100, slots({}, { restartLsn: written - 1n })))).toEqual(['gamma']);
  });

  test('another one takes its place at once when it goes out of service', () => {
    const now = gateRun(one);
    expect(listed(now)).toEqual(['beta']);
    expect(listed(step(now, 100, slots(dead, {})))).toEqual(['gamma']);
    expect(listed(steps(now, 2, slots({ restartLsn: written - 1n }, {})))).toEqual(['gamma']);
  });

  test('where fewer are in service consumers wait, and it says for whom', () => {
    const two = gateRun({ standbySlotsMinConfirmed: 2 });
    const now = steps(two, 60, slots({}, dead));
    expect(listed(now)).toEqual(['beta', 'gamma']);
    const [problem] = gateProblemsOf(now);
    expect(problem).toMatchObject({ code: 'gate_waits', severity: 'error' });
    expect(problem?.what).toContain('gamma (nobody streams through it)');
    expect(problem?.fix).toContain('failover_slots.standby_slots_min_confirmed=1');
    expect(gateCodesOf(steps(two, graceSeconds, slots({}, dead)))).toEqual([]);
    expect(gateCodesOf(step(now, 1_000, slots({}, {})))).toEqual([]);
  });

  test('where there are fewer slots than that, the gate is incomplete', () => {
    const now = gateRun({ standbySlotsMinConfirmed: 3 });
    expect(listed(now)).toEqual(['beta', 'gamma']);
    expect(gateProblemsOf(now)).toMatchObject([{ code: 'gate_incomplete', severity: 'warning' }]);
  });

  test('0 waits for nobody, and nothing is wrong with that', () => {
    const now = gateRun({ standbySlotsMinConfirmed: 0 });
    expect([listed(now), gateCodesOf(now)]).toEqual([[], []]);
  });
});

test('with nobody in service nobody is waited for, and that is said', () => {
  const now = steps(gateRun(), graceSeconds + 1, { slots: [aStandbySlot('beta', dead), aStandbySlot('gamma', dead)] });
  expect(listed(now)).toEqual([]);
  expect(gateProblemsOf(now)).toMatchObject([{ code: 'gate_incomplete', severity: 'warning' }]);
});

test('a name that nobody has is said', () => {
  const now = gateRun({ standbySlotNames: ['beta', 'gama'] });
  expect(listed(now)).toEqual(['beta']);
  expect(gateProblemsOf(now)).toMatchObject([
    { code: 'gate_name_unknown', what: expect.stringContaining('gama') as unknown },
  ]);
});
