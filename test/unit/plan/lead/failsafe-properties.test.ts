import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { FailsafeAnswer } from '../../../../src/domain/failsafe.ts';
import { plan } from '../../../../src/plan/plan.ts';
import { fold } from '../../../../src/view/fold.ts';
import { fenceMarginMs, leadingTerm, letsWrite } from '../../../../src/view/lease.ts';
import type { View } from '../../../../src/view/view.ts';
import { leadConfig, managed, managedKeys, term, vacantKeys } from '../../../support/lead.ts';
import { aKey, nowMs, nowWallMs, sessionOf } from '../../../support/turns.ts';

const config = leadConfig({ failsafeMode: true });
const failsafe = aKey(new Map(['alpha', 'beta', 'gamma'].map((name) => [name, `http://${name}.test:8008/patroni`])));
const listed = { failsafe, config: aKey(config) };
const moment = (view: View, ms: number) => ({ atMs: view.nowMs + ms, wallMs: nowWallMs });

/** What can happen to a leader around an outage of Consul. */
const happening = fc.oneof(
  fc.record({ kind: fc.constant('tick' as const) }),
  fc.record({ kind: fc.constant('answers' as const), beta: fc.boolean(), gamma: fc.boolean(), tookMs: fc.nat(2_500) }),
  fc.record({
    kind: fc.constant('session' as const),
    is: fc.constantFrom('same', 'none', 'new'),
    agoMs: fc.nat(9_000),
  }),
  fc.record({ kind: fc.constant('keys' as const), holder: fc.constantFrom('alpha', 'beta', 'new', null) }),
);
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;
const happenings = fc.array(fc.record({ what: happening, afterMs: fc.constantFrom(0, 300, 1_000, 4_000) }), {
  maxLength: 14,
});

const accepted: FailsafeAnswer = { kind: 'accepted', position: null };
const refused: FailsafeAnswer = { kind: 'refused', why: 'x' };

/** Each happening as what the agent learns of it; the questions are those that its plan asks. */
function learn(view: View, what: Happening, ms: number): View {
  switch (what.kind) {
    case 'tick':
      return fold(view, { ...moment(view, ms), kind: 'tick' });
    case 'answers': {
      const now = fold(view, { ...moment(view, ms), kind: 'tick' });
      const action = plan(now).actions.find((one) => one.kind === 'ask_failsafe');
      if (action?.kind !== 'ask_failsafe') return now;
      const begun = fold(now, { ...moment(now, 0), kind: 'started', action });
      const result = new Map([
        ['beta', what.beta ? accepted : refused],
        ['gamma', what.gamma ? accepted : refused],
      ]);
      const times = { startedAtMs: now.nowMs, endedAtMs: now.nowMs + what.tookMs };
      const outcome = { kind: 'done', ...times, done: { action, result } } as const;
      return fold(begun, { ...moment(begun, what.tookMs), kind: 'outcome', outcome });
    }
    case 'session': {
      const id = what.is === 'new' ? 'session-new' : sessionOf('alpha');
      const atMs = view.nowMs + ms;
      const held = { kind: 'held', id, ttlSeconds: 10, clampedFrom: null, renewedAtMs: atMs - what.agoMs } as const;
      const session = what.is === 'none' ? ({ kind: 'none', why: 'x' } as const) : held;
      return fold(view, { ...moment(view, ms), kind: 'session', session });
    }
    case 'keys': {
      const index = (view.consul.keys?.index ?? 0) + 1;
      // No Consul tells of an earlier term once it has told of its end.
      const isPast = view.consul.keys?.leader?.modifyIndex !== term;
      const holder = what.holder === 'alpha' && isPast ? null : what.holder;
      const isSame = holder === 'alpha';
      const session = holder === 'new' ? 'session-new' : sessionOf(holder ?? '');
      const stamp = isSame ? { createIndex: 10, modifyIndex: term } : { createIndex: index, modifyIndex: index };
      const leader = aKey(holder === 'new' ? 'alpha' : holder, { ...stamp, session });
      const keys = holder === null ? vacantKeys({ ...listed, index }) : managedKeys({ ...listed, index, leader });
      return fold(view, { ...moment(view, ms), kind: 'keys', keys });
    }
  }
}

test('L11: beyond its lease a leader leads only by an agreement of all, and never again once it did not', () => {
  let met = 0;
  const property = fc.property(happenings, (steps) => {
    let view = managed('alpha', { config, keys: managedKeys(listed) });
    const over = new Set<number>();
    let agreedUntilMs = -Infinity;
    for (const { what, afterMs } of steps) {
      const before = view;
      view = learn(view, what, afterMs);
      const asked = view.memory.lead.failsafe;
      if (
        what.kind === 'answers' &&
        what.beta &&
        what.gamma &&
        asked.askedAtMs !== before.memory.lead.failsafe.askedAtMs
      )
        agreedUntilMs = Math.max(agreedUntilMs, (asked.askedAtMs ?? 0) + 10_000 - fenceMarginMs);
      const { session, nowMs: now } = view;
      const leased = session.kind === 'held' && now < session.renewedAtMs + 10_000 - fenceMarginMs;
      const leading = leadingTerm(view);
      if (leading !== null && over.has(leading)) throw new Error(`leads again in term ${leading}`);
      const isHeld = leased && view.consul.keys?.leader?.session === session.id;
      if (leading !== null && !isHeld) {
        met += 1;
        expect(now).toBeLessThan(agreedUntilMs);
      }
      if (leading !== term && view.consul.keys?.leader?.modifyIndex === term) over.add(term);
      const holder = view.consul.keys?.leader?.value ?? null;
      if (holder === 'beta') expect(leading).toBeNull();
    }
  });
  fc.assert(property, { numRuns: 1_000 });
  expect(met).toBeGreaterThan(10);
});

test('L11: as long as its word binds a member, nothing lets its server write, and it takes no key', () => {
  let met = 0;
  const property = fc.property(
    fc.array(fc.record({ holder: fc.constantFrom('alpha', 'beta', null), afterMs: fc.constantFrom(0, 900, 6_000) }), {
      maxLength: 8,
    }),
    fc.nat(40_000),
    (steps, bindsMs) => {
      const call = {
        ...{ leader: 'alpha', connUrl: null, apiUrl: null, slots: new Map(), incarnations: new Map() },
        bindsMs,
      };
      const lead = { vacant: { sinceMs: nowMs - 5_000, after: term } };
      let view = managed('beta', { config, keys: vacantKeys(listed), look: { receiver: null }, lead });
      view = fold(view, { ...moment(view, 0), kind: 'request', request: { kind: 'failsafe', id: 1, call } });
      const untilMs = view.nowMs + Math.max(30_000, bindsMs);
      for (const { holder, afterMs } of steps) {
        const index = (view.consul.keys?.index ?? 0) + 1;
        const leader = aKey(holder, { modifyIndex: index, createIndex: index, session: sessionOf(holder ?? '') });
        const terms = aKey([{ term: index, leader: holder ?? '', timeline: null, from: null }]);
        const keys =
          holder === null ? vacantKeys({ ...listed, index }) : managedKeys({ ...listed, index, leader, terms });
        view = fold(view, { ...moment(view, afterMs), kind: 'keys', keys });
        const session = { kind: 'held', id: sessionOf('beta'), ttlSeconds: 10, clampedFrom: null } as const;
        view = fold(view, { ...moment(view, 0), kind: 'session', session: { ...session, renewedAtMs: view.nowMs } });
        if (view.nowMs >= untilMs) break;
        const actions = plan(view).actions;
        expect(actions.filter(letsWrite)).toEqual([]);
        expect(actions.map(({ kind }) => kind)).not.toContain('acquire_leader');
        if (holder !== 'alpha') met += 1;
      }
    },
  );
  fc.assert(property, { numRuns: 200 });
  expect(met).toBeGreaterThan(10);
});
