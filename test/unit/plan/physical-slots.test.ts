import { describe, expect, test } from 'vitest';
import type { View } from '../../../src/view/view.ts';
import { aConfig, actionsOf, after, done, kindsOf, later, withLook } from '../../support/situations.ts';
import { aKey, aMember, aPhysicalSlot, aStandbyLook, nowMs, someKeys } from '../../support/turns.ts';

const physical = { type: 'physical' } as const;
const config = aConfig({
  slots: new Map([
    ['gamma', physical],
    ['archive', physical],
  ]),
});
const gamma = aMember('gamma', { replayLsn: 0x4800n });
const keys = someKeys({ members: new Map([...someKeys().members, ['gamma', aKey(gamma)]]) });
const status = { ...keys.status!.value!, slots: new Map([['archive', 0x4500n]]) };
const consul = { contact: { kind: 'good', atMs: 0 } as const, keys: { ...keys, status: aKey(status) } };
const here = (name: string, slot: Parameters<typeof aPhysicalSlot>[0], over: Partial<View> = {}) =>
  withLook(name, { slots: [aPhysicalSlot({ active: false, ...slot })] }, { config, consul, ...over });
const targets = (view: View) => actionsOf(view, 'advance_physical_slot').map(({ slot, target }) => [slot, target]);

describe('idle declared physical slots', () => {
  const cases: readonly (readonly [string, View, unknown])[] = [
    ["a member's moves with the member", here('alpha', { name: 'gamma' }), [['gamma', 0x4800n]]],
    [
      'but never beyond what is here',
      withLook(
        'beta',
        { slots: [aPhysicalSlot({ name: 'gamma', active: false })], replayedLsn: 0x4600n },
        { config, consul },
      ),
      [['gamma', 0x4600n]],
    ],
    ["another one moves with the primary's", here('beta', { name: 'archive' }), [['archive', 0x4500n]]],
    ['another one on the primary is moved by its user', here('alpha', { name: 'archive' }), []],
    ['one in use is moved by its user', here('alpha', { name: 'gamma', active: true }), []],
    ['one that reserves nothing cannot be moved', here('alpha', { name: 'gamma', restartLsn: null }), []],
    ['one that is there already', here('alpha', { name: 'gamma', restartLsn: 0x4800n }), []],
    ['one that is not declared', here('alpha', { name: 'gamma' }, { config: aConfig() }), []],
  ];
  test.each(cases)('%s', (_name, view, expected) => {
    expect(targets(view)).toEqual(expected);
  });

  test('are moved now and then', () => {
    const action = { kind: 'advance_physical_slot', slot: 'archive', target: 0x4400n } as const;
    const look = aStandbyLook({ slots: [aPhysicalSlot({ name: 'archive', active: false, restartLsn: 0x4400n })] });
    const moved = after(here('beta', { name: 'archive' }), [
      done(action, 0x4400n, 1, nowMs + 100),
      { kind: 'look', startedAtMs: nowMs + 200, look },
    ]);
    expect(kindsOf(moved)).not.toContain('advance_physical_slot');
    expect(kindsOf(later(moved, 5_000))).toContain('advance_physical_slot');
  });
});
