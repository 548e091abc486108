import fc from 'fast-check';
import { expect, test } from 'vitest';
import { equal } from '../../../../src/base/equal.ts';
import { laneOf, type ActionKind } from '../../../../src/domain/action.ts';
import { leaderName } from '../../../../src/domain/cluster.ts';
import { conflictOfStandby } from '../../../../src/plan/lead/line.ts';
import { remoteLine } from '../../../../src/plan/lead/remote-line.ts';
import { vain } from '../../../../src/plan/lead/stopped.ts';
import { isListed } from '../../../../src/plan/lead/terms.ts';
import { plan } from '../../../../src/plan/plan.ts';
import { fold } from '../../../../src/view/fold.ts';
import { heldTerm, leadingTerm, leaseDeadlineMs, letsWrite, mayWrite } from '../../../../src/view/lease.ts';
import type { View } from '../../../../src/view/view.ts';
import { anyKeys, anyManagedView } from '../../../support/arbitrary-lead.ts';
import { nowMs, nowWallMs, sessionOf } from '../../../support/turns.ts';

/** Rules of DESIGN section 5 that must hold whatever the View is. `rule` says whether the View was about it: some must be. */
function holds(rule: (view: View) => boolean): void {
  let met = 0;
  const property = fc.property(anyManagedView, (view) => {
    if (rule(view)) met += 1;
  });
  fc.assert(property, { numRuns: 1_500 });
  // the rarest is met about ten times
  expect(met).toBeGreaterThan(0);
}

/** What only a leader writes. */
const ofLeaders: readonly ActionKind[] = [
  ...(['publish_status', 'publish_history', 'publish_slot_history', 'publish_initialize'] as const),
  ...([
    'publish_terms',
    'publish_sync',
    'publish_config',
    'finish_initialize',
    'clear_failover',
    'record_term',
  ] as const),
];

test('the same View gives the same plan, and none makes it throw', () => {
  holds((view) => {
    expect(equal(plan(view), plan(view))).toBe(true);
    return true;
  });
});

test('L1, L7: a server is let write only in a term that is led, is listed, and has some of its lease left', () => {
  holds((view) => {
    const letting = plan(view).actions.filter((action) => letsWrite(action) && action.kind !== 'bootstrap');
    for (const action of letting) {
      const term = leadingTerm(view)!;
      expect(action).toMatchObject({ term });
      expect(isListed(view, term)).toBe(true);
      expect(leaseDeadlineMs(view)! - view.nowMs).toBeGreaterThanOrEqual(4_000);
    }
    return letting.length > 0;
  });
});

test('in a standby cluster nothing lets a server write, and only its own WAL is a reason to take data away', () => {
  holds((view) => {
    if (view.config?.lead.standbyCluster == null) return false;
    const { actions } = plan(view);
    expect(actions.filter(letsWrite)).toEqual([]);
    const remedies = actions.filter(
      (action) => action.kind === 'rewind' || (action.kind === 'remove_data' && action.why !== vain),
    );
    if (view.local.disk?.kind === 'cluster' && remedies.length > 0) expect(remoteLine(view)).not.toBeNull();
    return remedies.length > 0;
  });
});

test('L1: in a term that is over nothing is published, and no other one begun', () => {
  holds((view) => {
    const isOver = heldTerm(view) !== null && leadingTerm(view) === null;
    if (!isOver) return false;
    const kinds = plan(view).actions.map(({ kind }) => kind);
    for (const kind of ofLeaders) expect(kinds).not.toContain(kind);
    expect(kinds).not.toContain('acquire_leader');
    return true;
  });
});

test('the key is never given back while the server may write, but in pause', () => {
  holds((view) => {
    const isGiven = plan(view).actions.some(({ kind }) => kind === 'release_leader');
    if (isGiven && view.config?.pause !== true) expect(mayWrite(view)).toBe(false);
    return isGiven;
  });
});

test('L8: a bid is made only of a server that does not write, and the key is taken only where nobody has it', () => {
  holds((view) => {
    const { actions, member } = plan(view);
    if (member.extras?.bid != null) expect(mayWrite(view)).toBe(false);
    const isTaken = actions.some(({ kind }) => kind === 'acquire_leader');
    if (isTaken) expect(leaderName(view.consul.keys!)).toBeNull();
    return isTaken;
  });
});

test('L7: a standby whose data a later leader has superseded neither bids to lead nor follows', () => {
  holds((view) => {
    const conflict = conflictOfStandby(view);
    if (conflict === null) return false;
    const { actions, member } = plan(view);
    const bid = member.extras?.bid ?? null;
    if (bid !== null) expect(bid.unfit).not.toBeNull();
    expect(actions.map(({ kind }) => kind)).not.toContain('follow');
    return true;
  });
});

test('one step at a time: no two actions for the server', () => {
  holds((view) => {
    const lanes = plan(view)
      .actions.map(laneOf)
      .filter((lane) => lane === 'server' || lane === 'fence');
    expect(lanes.length).toBeLessThanOrEqual(1);
    return lanes.length === 1;
  });
});

test('in pause the server is left alone, but for what an operator asked, and for two primaries', () => {
  holds((view) => {
    if (view.config?.pause !== true) return false;
    const leader = leaderName(view.consul.keys!);
    const isAnothers = leader !== null && leader !== view.self.name;
    const isAsked = view.consul.keys?.failover !== null || view.memory.lead.handover !== null;
    const lanes = plan(view).actions.map(laneOf);
    if (!isAnothers && !isAsked && leadingTerm(view) === null) expect(lanes).not.toContain('server');
    return true;
  });
});

test('L1: whoever has not led in a term for a moment never leads in it again', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('keys' as const), keys: anyKeys }),
    fc.record({ kind: fc.constant('renewal' as const), ago: fc.constantFrom(0, 3_000, 9_000) }),
    fc.record({ kind: fc.constant('tick' as const) }),
  );
  const steps = fc.array(fc.record({ step, afterMs: fc.constantFrom(0, 500, 5_000, 9_000) }), { maxLength: 8 });
  let met = 0;
  fc.assert(
    fc.property(anyManagedView, steps, (first, learnt) => {
      let view = first;
      let atMs = nowMs;
      const over = new Set<number>();
      for (const { step: one, afterMs } of learnt) {
        atMs += afterMs;
        const before = heldTerm(view);
        const session = { kind: 'held', id: sessionOf(view.self.name), ttlSeconds: 10, clampedFrom: null } as const;
        const moment = { atMs, wallMs: nowWallMs };
        if (one.kind === 'keys') view = fold(view, { ...moment, kind: 'keys', keys: one.keys });
        else if (one.kind === 'tick') view = fold(view, { ...moment, kind: 'tick' });
        else view = fold(view, { ...moment, kind: 'session', session: { ...session, renewedAtMs: atMs - one.ago } });
        const now = heldTerm(view);
        // The same number may come back only in keys that no Consul would tell; a term that goes on is what is looked at.
        if (now !== before) over.clear();
        const leading = leadingTerm(view);
        if (leading !== null) expect(over.has(leading)).toBe(false);
        if (now !== null && leading === null) {
          over.add(now);
          met += 1;
        }
      }
    }),
    { numRuns: 1_000 },
  );
  expect(met).toBeGreaterThan(10);
});
