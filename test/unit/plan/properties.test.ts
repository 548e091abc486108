import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { equal } from '../../../src/base/equal.ts';
import { keyOf, laneOf, type Action, type ActionKind } from '../../../src/domain/action.ts';
import { invalidationOf, type LogicalSlot, tableSyncSlotPattern } from '../../../src/domain/slot.ts';
import { anchorName, isTemplateName } from '../../../src/domain/template.ts';
import { plan } from '../../../src/plan/plan.ts';
import { methodOf } from '../../../src/view/method.ts';
import { currentStatus, followedSlots, holdsLeader, isIgnored, sessionId } from '../../../src/view/select.ts';
import { templateFor } from '../../../src/view/templates.ts';
import { damageOf } from '../../../src/view/verdict.ts';
import { fold } from '../../../src/view/fold.ts';
import type { Observation } from '../../../src/view/observation.ts';
import type { View } from '../../../src/view/view.ts';
import { anyView } from '../../support/arbitrary-view.ts';

/** Rules of DESIGN section 4 that must hold whatever the View is. */
function holds(rule: (view: View) => void): void {
  const property = fc.property(anyView, (view) => {
    rule(view);
  });
  fc.assert(property, { numRuns: 1_000 });
}

/** Slots that are dropped because a successor takes their place, in this plan's next turns. */
function isReplaced(view: View, slot: LogicalSlot): boolean {
  const look = lookOf(view);
  if (look.role === 'primary') return view.config?.failoverSlots.recreateLost === true && invalidationOf(slot) !== null;
  const followed = followedSlots(view)?.find((one) => one.name === slot.name);
  if (followed === undefined) return false;
  if (methodOf(view, look, followed) === 'native') return !slot.synced;
  const aheadSinceMs = view.memory.slots.get(slot.name)?.aheadSinceMs ?? null;
  const isUseless = damageOf(followed, slot) !== null || aheadSinceMs !== null;
  return isUseless && templateFor(look, followed).kind === 'usable';
}

const lookOf = (view: View) => view.local.look!;
const ofKind = (view: View, kinds: readonly ActionKind[]): readonly Action[] =>
  plan(view).actions.filter((action) => kinds.includes(action.kind));
const statusOf = (view: View) => currentStatus(view.consul.keys);

test('the same View gives the same plan, and none makes it throw', () => {
  holds((view) => expect(equal(plan(view), plan(view))).toBe(true));
});

test('no two actions of a plan are for the same lane, but for what the leader writes one after the other', () => {
  holds((view) => {
    const { actions } = plan(view);
    expect(new Set(actions.map(keyOf)).size).toBe(actions.length);
    // The first that asks for a lane gets it; the next turn asks again for the others. So the order is the priority.
    const lanes = actions.map(laneOf).filter((lane) => lane !== 'consul:leader');
    expect(new Set(lanes).size).toBe(lanes.length);
    const leading = actions.filter((action) => laneOf(action) === 'consul:leader').map((action) => action.kind);
    expect(leading.toSorted(byPriority)).toEqual(leading);
  });
});

const priorities: readonly ActionKind[] = [
  'release_leader',
  'acquire_leader',
  'publish_slot_history',
  'publish_initialize',
  'publish_history',
  'publish_status',
];
const byPriority = (a: ActionKind, b: ActionKind): number => priorities.indexOf(a) - priorities.indexOf(b);

test('nothing is planned for a lane that is in use', () => {
  holds((view) => {
    for (const action of plan(view).actions) expect(view.running.has(laneOf(action))).toBe(false);
  });
});

test('S1: a slot on a standby is never moved past the published position, nor backward', () => {
  holds((view) => {
    for (const action of plan(view).actions) {
      if (action.kind !== 'advance_logical_slot') continue;
      const slot = lookOf(view).slots.find((one) => one.name === action.slot);
      if (isTemplateName(action.slot)) expect(action.target <= statusOf(view)!.extras!.templateLsn!).toBe(true);
      else expect(action.target).toBe(statusOf(view)?.slots.get(action.slot));
      expect(slot?.type === 'logical' && slot.confirmedFlushLsn! < action.target).toBe(true);
    }
  });
});

test('S1: a template is never moved past a slot that is still to be made from it', () => {
  holds((view) => {
    const moved = plan(view).actions.filter((action) => action.kind === 'advance_logical_slot');
    for (const copy of plan(view).actions) {
      if (copy.kind !== 'copy_from_template') continue;
      const template = lookOf(view).slots.find((one) => one.name === copy.template);
      expect(template?.type === 'logical' && template.confirmedFlushLsn! <= copy.target).toBe(true);
      for (const action of moved) if (action.slot === copy.template) expect(action.target <= copy.target).toBe(true);
    }
  });
});

test('templates are made and copied only where the server can do it, and never followed', () => {
  holds((view) => {
    for (const action of ofKind(view, ['create_template', 'copy_from_template'])) {
      expect(lookOf(view).role).toBe('standby');
      expect(lookOf(view).versionNum).toBeGreaterThanOrEqual(160_000);
      // The anchor is a copy that is kept for PostgreSQL's own synchronisation, not one for a consumer.
      if (!('slot' in action) || action.slot === anchorName) continue;
      expect(isTemplateName(action.slot)).toBe(action.kind === 'create_template');
    }
    for (const action of plan(view).actions) {
      if (action.kind !== 'publish_status') continue;
      expect([...action.status.extras!.logical.keys()].filter(isTemplateName)).toEqual([]);
    }
  });
});

describe('S4', () => {
  test('no slot is dropped that is declared, followed, ignored, in use, temporary or of a first copy', () => {
    holds((view) => {
      for (const action of plan(view).actions) {
        if (action.kind !== 'drop_slot') continue;
        const slot = lookOf(view).slots.find((one) => one.name === action.slot)!;
        const config = view.config!;
        expect(config).not.toBeNull();
        expect([slot.active, slot.temporary, config.pause, tableSyncSlotPattern.test(slot.name)]).not.toContain(true);
        expect(isIgnored(config.ignoreSlots, slot) && !isTemplateName(slot.name)).toBe(false);
        if (isTemplateName(slot.name) && lookOf(view).role === 'standby') continue;
        if (slot.type === 'logical' && isReplaced(view, slot)) continue;
        // Nobody is to find a slot on a standby that never leads.
        const isOfNoUse = slot.type === 'physical' && lookOf(view).role === 'standby' && view.self.tags.nofailover;
        if (lookOf(view).role === 'primary' || slot.type === 'physical') {
          expect(config.slots.has(slot.name) && !isOfNoUse).toBe(false);
          expect(view.ledger?.slots.get(slot.name)?.made).toBe(true);
        } else {
          expect(statusOf(view)).not.toBeNull();
          expect(statusOf(view)?.extras?.lost.has(slot.name)).toBe(false);
          const isFollowed =
            statusOf(view)?.extras?.logical.has(slot.name) === true && statusOf(view)?.slots.has(slot.name);
          if (!view.self.tags.nofailover) expect(isFollowed).toBe(false);
        }
      }
    });
  });

  test('what a copy replaces is damaged, another slot, or ahead, and nobody uses it', () => {
    holds((view) => {
      for (const action of plan(view).actions) {
        if (action.kind !== 'copy_slots') continue;
        for (const name of action.request.replace) {
          const slot = lookOf(view).slots.find((one) => one.name === name)!;
          expect([slot.active, slot.temporary]).toEqual([false, false]);
        }
      }
    });
  });
});

test('S3: a lost slot is made anew only when asked to, and only when its loss is on record', () => {
  holds((view) => {
    for (const action of ofKind(view, ['create_logical_slot'])) {
      const lost = 'slot' in action ? view.memory.lastStatus?.extras?.lost.get(action.slot) : undefined;
      if (lost === undefined) continue;
      expect(view.config?.failoverSlots.recreateLost).toBe(true);
      expect(view.consul.keys?.slotHistory).not.toBeNull();
    }
  });
});

test('S6: only the holder of the leader key publishes', () => {
  holds((view) => {
    const published = ofKind(view, ['publish_status', 'publish_history', 'publish_slot_history']);
    if (published.length === 0) return;
    expect(holdsLeader(view)).toBe(true);
    for (const action of published) expect('session' in action && action.session).toBe(sessionId(view));
  });
});

test('S7: a server that is too old is only described', () => {
  holds((view) => {
    if (view.local.contact.kind !== 'good' || view.local.look?.versionNum !== 100_023) return;
    const kinds = plan(view).actions.map((action) => action.kind);
    const allowed = [
      'publish_member',
      'register_service',
      'report_check',
      'release_leader',
      'end_former_session',
      'give_turn',
    ];
    expect(kinds.filter((kind) => !allowed.includes(kind))).toEqual([]);
  });
});

test('a standby restarts only in its turn, and only with a leader that it knows', () => {
  holds((view) => {
    if (ofKind(view, ['copy_slots']).length === 0) return;
    expect(view.consul.keys?.restartTurn?.session).toBe(sessionId(view));
    expect(view.consul.contact.kind).toBe('good');
    expect(statusOf(view)).not.toBeNull();
    expect(ofKind(view, ['give_turn'])).toEqual([]);
  });
});

test('the same observation twice changes nothing but time', () => {
  holds((view) => {
    const times = { atMs: view.nowMs + 10, wallMs: view.nowWallMs + 10 };
    const { look } = view.local;
    const { keys } = view.consul;
    const observations: readonly Observation[] = [
      { ...times, kind: 'tick' },
      { ...times, kind: 'consul_trouble', why: 'no answer' },
      { ...times, kind: 'server_trouble', trouble: 'timeout', why: 'no answer', copyInterrupted: false },
      ...(keys === null ? [] : [{ ...times, kind: 'keys' as const, keys }]),
      ...(look === null ? [] : [{ ...times, kind: 'look' as const, startedAtMs: view.nowMs, look }]),
    ];
    for (const observation of observations) {
      const once = fold(view, observation);
      expect(equal(fold(once, observation), once)).toBe(true);
    }
  });
});
