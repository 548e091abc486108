import { describe, expect, test } from 'vitest';
import type { ClusterKeys } from '../../../src/domain/cluster.ts';
import { noTags } from '../../../src/domain/config.ts';
import type { View } from '../../../src/view/view.ts';
import { managed, managedKeys, vacantKeys } from '../../support/lead.ts';
import { aConfig, actionsOf, after, done, kindsOf, later, withLook } from '../../support/situations.ts';
import { aKey, aLedger, aMember, aPhysicalSlot, aStandbyLook, aStatus, nowMs, someKeys } from '../../support/turns.ts';

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

describe('an idle slot that still has the xmin of its member', () => {
  const tags = { ...noTags, replicatefrom: 'beta' };
  const cascade = aMember('gamma', { tags, extras: { ...aMember('gamma').extras!, upstream: 'beta' } });
  const members = (member: typeof cascade) =>
    new Map([...someKeys().members, ['gamma', aKey(member, { session: 's' })]]);
  const view = (name: string, slot: Parameters<typeof aPhysicalSlot>[0] = {}, member = cascade, made = true) => {
    const look = { slots: [aPhysicalSlot({ name: 'gamma', active: false, xmin: 700, ...slot })] };
    const known = { made, decodable: false, firstRestartLsn: null, incarnation: null, identity: null };
    const ledger = aLedger(name, { slots: new Map([['gamma', known]]) });
    return managed(name, { keys: managedKeys({ members: members(member) }), look, view: { ledger } });
  };
  const dropped = (it: View) => actionsOf(it, 'drop_slot').map(({ slot }) => slot);
  const cases: readonly (readonly [string, View, readonly string[]])[] = [
    ['is made anew on the primary, whose member streams from another', view('alpha'), ['gamma']],
    ['stays where its member is to stream from', view('beta'), []],
    ['stays while it is in use', view('alpha', { active: true }), []],
    ['stays without one', view('alpha', { xmin: null, catalogXmin: null }), []],
    ['stays on a primary where slotkeeper did not make it', view('alpha', {}, cascade, false), []],
    [
      'stays while its member has no source',
      view('alpha', {}, { ...cascade, extras: { ...cascade.extras!, upstream: null } }),
      [],
    ],
    [
      'is made anew on a standby, too',
      managed('beta', { look: { slots: [aPhysicalSlot({ name: 'alpha', active: false })] } }),
      ['alpha'],
    ],
    [
      'stays while nobody leads',
      managed('beta', { keys: vacantKeys(), look: { slots: [aPhysicalSlot({ name: 'alpha', active: false })] } }),
      [],
    ],
  ];
  test.each(cases)('%s', (_name, it, expected) => {
    expect(dropped(it)).toEqual(expected);
  });
});

describe('idle slots of members', () => {
  const slots = [aPhysicalSlot({ name: 'gamma', active: false, xmin: null, catalogXmin: null })];
  const keysWith = (replayLsn: bigint, published: bigint) =>
    managedKeys({
      members: new Map([...managedKeys().members, ['gamma', aKey(aMember('gamma', { replayLsn }), { session: 's' })]]),
      status: aKey(aStatus({ slots: new Map([['gamma', published]]) })),
    });
  const moved = (keys: ClusterKeys, replayedLsn = 0x4f00n) =>
    actionsOf(managed('beta', { keys, look: { slots, replayedLsn } }), 'advance_physical_slot').map((it) => it.target);

  test('move with the newer of what the member and the primary say', () => {
    expect(moved(keysWith(0x4500n, 0x4600n))).toEqual([0x4600n]);
    expect(moved(keysWith(0x4700n, 0x4600n))).toEqual([0x4700n]);
    expect(moved(keysWith(0x4700n, 0x4600n), 0x4400n)).toEqual([0x4400n]);
  });

  test('that two members share move with the one that is behind', () => {
    const keys = keysWith(0x4700n, 0x4600n);
    const other = aKey(aMember('Gamma', { replayLsn: 0x4300n }), { session: 's' });
    expect(moved({ ...keys, members: new Map(keys.members).set('Gamma', other) })).toEqual([0x4300n]);
  });
});

test('members of a cluster that was taken over have their slots before its wal_level has changed', () => {
  const settings = { ...managed('alpha').local.look!.settings, walLevel: 'replica' };
  const view = managed('alpha', { look: { slots: [], settings } });
  expect(actionsOf(later(view, 100), 'create_physical_slot').map(({ slot }) => slot)).toEqual(['beta']);
  expect(actionsOf(later(withLook('alpha', { slots: [], settings }, { config }), 100), 'create_physical_slot')).toEqual(
    [],
  );
});
