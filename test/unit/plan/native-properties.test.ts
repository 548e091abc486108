import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isTemplateName } from '../../../src/domain/template.ts';
import { plan } from '../../../src/plan/plan.ts';
import { isNativePossible, methodOf } from '../../../src/view/method.ts';
import { nativeOrphans } from '../../../src/view/native.ts';
import { followedSlots } from '../../../src/view/select.ts';
import type { View } from '../../../src/view/view.ts';
import { anyView } from '../../support/arbitrary-view.ts';

/** Rules that must hold whatever the View is. */
function holds(rule: (view: View) => void): void {
  fc.assert(
    fc.property(anyView, (view) => {
      rule(view);
    }),
    { numRuns: 1_000 },
  );
}

const lookOf = (view: View) => view.local.look!;

test('a slot that PostgreSQL made on a standby is touched by nobody else', () => {
  holds((view) => {
    for (const action of plan(view).actions) {
      if (!('slot' in action) || isTemplateName(action.slot) || lookOf(view).role === 'primary') continue;
      const slot = lookOf(view).slots.find((one) => one.name === action.slot);
      expect(slot?.type === 'logical' && slot.synced).toBe(false);
    }
  });
});

test('a slot that is left to PostgreSQL gets here by no other means', () => {
  holds((view) => {
    const look = view.local.look;
    if (look?.role !== 'standby') return;
    const native = new Set(
      (followedSlots(view) ?? []).filter((slot) => methodOf(view, look, slot) === 'native').map(({ name }) => name),
    );
    for (const action of plan(view).actions) {
      if (action.kind === 'copy_from_template' || action.kind === 'advance_logical_slot')
        expect(native.has(action.slot)).toBe(false);
      if (action.kind === 'copy_slots') expect(action.request.slots.some(({ name }) => native.has(name))).toBe(false);
    }
  });
});

test('PostgreSQL is asked to synchronise only where it can, and nothing stops it', () => {
  holds((view) => {
    if (!plan(view).actions.some(({ kind }) => kind === 'sync_slots')) return;
    const look = lookOf(view);
    expect(isNativePossible(view, look)).toBe(true);
    expect(nativeOrphans(view, look)).toEqual([]);
    expect(look.settings).toMatchObject({ syncReplicationSlots: true, hotStandbyFeedback: true });
  });
});

test('slots are marked and moved on primaries only', () => {
  holds((view) => {
    for (const { kind } of plan(view).actions)
      if (kind === 'set_failover' || kind === 'move_idle_slot') expect(lookOf(view).role).toBe('primary');
  });
});
