import { expect, test } from 'vitest';
import { plan } from '../../../src/plan/plan.ts';
import type { ServerLook } from '../../../src/domain/server.ts';
import { defaultConfig } from '../../../src/domain/default-config.ts';
import { aKey, aLogicalSlot, aPhysicalSlot, aPrimaryLook, aStandbyLook, aView, someKeys } from '../../support/turns.ts';

const codesOf = (name: string, look: ServerLook): readonly string[] => {
  const view = aView(name);
  const { problems } = plan({ ...view, local: { ...view.local, look } });
  return problems.map(({ code }) => code);
};

const standby = aStandbyLook();
const primary = aPrimaryLook();

test('a cluster at rest has no problems', () => {
  expect(codesOf('alpha', primary)).toEqual([]);
  expect(codesOf('beta', standby)).toEqual([]);
});

const { settings, privileges } = standby;
const gamma = aPhysicalSlot({ name: 'gamma', active: false });
const cases: readonly (readonly [code: string, Partial<ServerLook>])[] = [
  ['primary_slot_name', { settings: { ...settings, primarySlotName: '' } }],
  ['wal_level', { settings: { ...settings, walLevel: 'replica' } }],
  ['server_too_old', { versionNum: 100_023 }],
  ['privilege_replication', { privileges: { ...privileges, superuser: false, replication: false } }],
  ['privilege_read_file', { privileges: { ...privileges, readBinaryFile: false } }],
  ['privilege_monitor', { privileges: { ...privileges, monitor: false } }],
  ['max_replication_slots', { slots: [], settings: { ...settings, maxReplicationSlots: 0 } }],
  ['idle_slot_xmin', { slots: [aLogicalSlot(), gamma] }],
];

test.each(cases)('%s is told, with what mends it', (code, over) => {
  const view = aView('beta');
  const { problems } = plan({ ...view, local: { ...view.local, look: { ...standby, ...over } } });
  const problem = problems.find((one) => one.code === code);
  expect(problem?.what).toMatch(/\w/);
  expect(problem?.fix).toMatch(/\w/);
});

test('a physical slot that is in use, or that holds nothing, is no problem', () => {
  const others = [
    aPhysicalSlot({ name: 'gamma' }),
    aPhysicalSlot({ name: 'delta', active: false, xmin: null, catalogXmin: null }),
  ];
  expect(codesOf('beta', { ...standby, slots: [aLogicalSlot(), ...others] })).toEqual([]);
});

test('a configuration that is used but for some values is told apart from one that is not used', () => {
  const told = (value: typeof defaultConfig | null) => {
    const config = { ...aKey(defaultConfig), value, problem: 'ttl is 1' };
    const view = aView('beta', { consul: { contact: { kind: 'good', atMs: 0 }, keys: someKeys({ config }) } });
    return plan(view).problems.find(({ code }) => code === 'config_invalid');
  };
  expect(told(defaultConfig)).toMatchObject({
    severity: 'warning',
    what: expect.stringContaining('in force, but') as string,
  });
  expect(told(null)).toMatchObject({ severity: 'error', what: expect.stringContaining('is wrong') as string });
});
