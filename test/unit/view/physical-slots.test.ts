import { describe, expect, test } from 'vitest';
import type { Member } from '../../../src/domain/cluster.ts';
import { noTags, type Tags } from '../../../src/domain/config.ts';
import { retainedSlots } from '../../../src/view/member-slots.ts';
import { wantedPhysicalSlots } from '../../../src/view/physical-slots.ts';
import type { View } from '../../../src/view/view.ts';
import { aManagedSelf, leadConfig, managed, managedKeys, memberKeyOf } from '../../support/lead.ts';
import { later } from '../../support/situations.ts';
import { aKey, aSelf, aStatus } from '../../support/turns.ts';

const physical = { type: 'physical' } as const;
const tagged = (tags: Partial<Tags>): Partial<Member> => ({ tags: { ...noTags, ...tags } });
/** `alpha` leads, `beta` and `gamma` follow; the tags are those of the members. */
const keysWith = (tags: Readonly<Record<string, Partial<Tags>>> = {}, retainSlots: readonly string[] = []) => {
  const names = ['alpha', 'beta', 'gamma'];
  const members = new Map(names.map((name) => [name, memberKeyOf(name, tagged(tags[name] ?? {}))]));
  return managedKeys({ members, status: aKey(aStatus({ retainSlots }), { modifyIndex: 60 }) });
};
const seen = (
  name: string,
  tags: Readonly<Record<string, Partial<Tags>>> = {},
  over: Parameters<typeof managed>[1] = {},
) => later(managed(name, { keys: keysWith(tags), self: { tags: { ...noTags, ...tags[name] } }, ...over }), 100);
const slotsOf = (view: View) => Object.fromEntries(wantedPhysicalSlots(view));

describe('the physical slots that a server is to have', () => {
  const keptNone = leadConfig({ memberSlotsTtl: 0 });
  const declared = leadConfig(
    {},
    {
      slots: new Map([
        ['archive', physical],
        ['gamma', physical],
      ]),
    },
  );
  const cascade = { gamma: { replicatefrom: 'beta' } };
  const cases: readonly (readonly [string, View, unknown])[] = [
    ['the leader: everybody streams from here', seen('alpha'), { beta: 'here', gamma: 'here' }],
    ['a standby: kept for whoever streams from elsewhere', seen('beta'), { alpha: 'elsewhere', gamma: 'elsewhere' }],
    ['the source of a cascade', seen('beta', cascade), { alpha: 'elsewhere', gamma: 'here' }],
    ['the leader beside that', seen('alpha', cascade), { beta: 'here', gamma: 'elsewhere' }],
    [
      'a source that is no member',
      seen('alpha', { gamma: { replicatefrom: 'delta' } }),
      { beta: 'here', gamma: 'here' },
    ],
    ['one that does not stream', seen('alpha', { gamma: { nostream: true } }), { beta: 'here' }],
    ['one that never leads', seen('beta', { beta: { nofailover: true } }), {}],
    [
      'one that never leads but has a cascade',
      seen('beta', { ...cascade, beta: { nofailover: true } }),
      { gamma: 'here' },
    ],
    [
      'declared ones too',
      seen('alpha', cascade, { config: declared }),
      { archive: 'unknown', beta: 'here', gamma: 'elsewhere' },
    ],
    ['but not on one that never leads', seen('beta', { beta: { nofailover: true } }, { config: declared }), {}],
    ['without a time to keep them: on the leader', seen('alpha', cascade, { config: keptNone }), { beta: 'here' }],
    ['without a time to keep them: on a standby', seen('beta', {}, { config: keptNone }), {}],
    ['without slots', seen('alpha', {}, { self: { managed: aManagedSelf({ useSlots: false }) } }), {}],
  ];
  test.each(cases)('%s', (_name, view, expected) => {
    expect(slotsOf(view)).toEqual(expected);
  });

  test('a source that does not run: the leader has the slot that its cascade streams through meanwhile', () => {
    const keys = keysWith(cascade);
    const members = new Map(keys.members).set('beta', memberKeyOf('beta', { state: 'stopped' }));
    expect(slotsOf(seen('alpha', {}, { keys: { ...keys, members } }))).toEqual({ beta: 'here', gamma: 'here' });
  });

  test('on a standby: what the leader keeps for members that are gone, and no longer than it does', () => {
    const kept = seen('beta', {}, { keys: keysWith({}, ['beta', 'delta']) });
    expect(slotsOf(kept)).toEqual({ alpha: 'elsewhere', delta: 'unknown', gamma: 'elsewhere' });
    const dropped = { ...kept, consul: { ...kept.consul, keys: keysWith() } };
    expect(slotsOf(later(dropped, 100))).not.toHaveProperty('delta');
  });
});

describe('what is kept for members that are gone', () => {
  test('is published for all members, but for those that have a declared slot or do not stream', () => {
    expect(retainedSlots(seen('alpha'))).toEqual(['alpha', 'beta', 'gamma']);
    const config = leadConfig({}, { slots: new Map([['gamma', physical]]) });
    expect(retainedSlots(seen('alpha', { beta: { nostream: true } }, { config }))).toEqual(['alpha']);
    expect(retainedSlots(seen('alpha', {}, { config: leadConfig({ memberSlotsTtl: 0 }) }))).toEqual([]);
    expect(retainedSlots(managed('alpha', { self: aSelf('alpha', { ha: 'observe' }) }))).toEqual([]);
  });

  test('is kept by the leader for member_slots_ttl', () => {
    const config = leadConfig({ memberSlotsTtl: 60 });
    const there = seen('alpha', {}, { config });
    const gone = { ...there, consul: { ...there.consul, keys: managedKeys() } };
    expect(retainedSlots(later(gone, 59_000))).toContain('gamma');
    expect(retainedSlots(later(gone, 60_000))).not.toContain('gamma');
  });
});
