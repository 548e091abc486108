import { describe, expect, test } from 'vitest';
import type { Action } from '../../../src/domain/action.ts';
import type { PhysicalSlotReport } from '../../../src/domain/cluster.ts';
import { noTags } from '../../../src/domain/config.ts';
import type { WalReceiver } from '../../../src/domain/server.ts';
import { plan } from '../../../src/plan/plan.ts';
import type { View } from '../../../src/view/view.ts';
import { aSyncedSlot, nativeLook, onStandby, type NativeSituation } from '../../support/native.ts';
import { actionsOf, after, done, failed, holdOf, kindsOf, later } from '../../support/situations.ts';
import { aLedger, aLogicalSlot, aSelf, someKeys } from '../../support/turns.ts';

const settingsLane = (view: View): readonly Action[] =>
  plan(view).actions.filter((action) =>
    ['set_feedback', 'alter_settings', 'set_upstream_database'].includes(action.kind),
  );
const changesOf = (view: View) => actionsOf(view, 'alter_settings').flatMap((action) => action.changes);
const problemsOf = (view: View): readonly string[] => plan(view).problems.map((problem) => problem.code);
const withLook = (view: View, situation: NativeSituation): View =>
  after(view, [{ kind: 'look', startedAtMs: view.nowMs, look: nativeLook(situation) }]);
const withoutLeader = { consul: { contact: { kind: 'good', atMs: 0 }, keys: someKeys({ leader: null }) } } as const;
const nothingSet: NonNullable<NativeSituation['settings']> = {
  hotStandbyFeedback: false,
  primarySlotName: '',
  upstreamDatabase: null,
  syncReplicationSlots: false,
};
const aLink = (over: Partial<PhysicalSlotReport> = {}): PhysicalSlotReport => ({
  restartLsn: 0x4000n,
  xmin: null,
  catalogXmin: null,
  active: false,
  ...over,
});
/** The View of `beta` when the primary says this of the physical slot `beta`. */
const linked = (situation: NativeSituation, link: PhysicalSlotReport | null): View => {
  const view = onStandby(situation);
  const status = view.consul.keys!.status!;
  const physical = new Map(link === null ? [] : [['beta', link]]);
  const value = { ...status.value!, extras: { ...status.value!.extras!, physical } };
  return after(view, [{ kind: 'keys', keys: { ...view.consul.keys!, status: { ...status, value } } }]);
};
const receiving = (senderHost: string): WalReceiver => ({
  status: 'streaming',
  senderHost,
  senderPort: 5432,
  slotName: 'beta',
  receivedTimeline: 1,
});
/** `beta` streams from another standby. */
const fromGamma: NativeSituation = { members: [['gamma', {}]], look: { receiver: receiving('gamma.test') } };
const syncedSet = { ledger: aLedger('beta', { settingsSet: ['primary_slot_name', 'sync_replication_slots'] }) };

describe('what PostgreSQL needs to synchronise slots', () => {
  test('is set where it is missing, one after the other, synchronisation itself last', () => {
    let settings: NonNullable<NativeSituation['settings']> = nothingSet;
    const next = (now: NonNullable<NativeSituation['settings']>): View => {
      settings = { ...settings, ...now };
      return linked({ settings, slots: [] }, aLink());
    };
    expect(settingsLane(next({}))).toMatchObject([{ kind: 'set_feedback', mode: 'on' }]);
    expect(settingsLane(next({ hotStandbyFeedback: true }))).toMatchObject([
      { kind: 'alter_settings', changes: [{ name: 'primary_slot_name', value: 'beta' }] },
    ]);
    expect(settingsLane(next({ primarySlotName: 'beta' }))).toMatchObject([
      { kind: 'set_upstream_database', database: 'postgres' },
    ]);
    expect(settingsLane(next({ upstreamDatabase: 'shop' }))).toMatchObject([
      { kind: 'alter_settings', changes: [{ name: 'sync_replication_slots', value: 'on' }] },
    ]);
    expect(settingsLane(next({ syncReplicationSlots: true }))).toEqual([]);
  });

  test('names a database that is there', () => {
    const view = onStandby({ settings: { upstreamDatabase: null }, look: { databases: ['crm', 'shop'] } });
    expect(settingsLane(view)).toMatchObject([{ kind: 'set_upstream_database', database: 'crm' }]);
  });

  const notSet = { settings: { syncReplicationSlots: false }, slots: [] };
  const nobody: readonly (readonly [string, NativeSituation])[] = [
    ['on PostgreSQL 16', { ...notSet, look: { versionNum: 160_010 } }],
    ['where no followed slot is marked', { ...notSet, report: { failover: false } }],
    ['where templates are asked for', { ...notSet, failoverSlots: { method: 'template' } }],
    ['on another timeline than the primary', { ...notSet, timeline: 2 }],
    ['before a configuration was read', { ...notSet, view: { config: null } }],
    ['before the ledger was read', { ...notSet, view: { ledger: null } }],
    ["while the primary's slots are not known", { ...notSet, view: withoutLeader }],
    [
      'on a member that is to have no slots',
      { ...notSet, view: { self: aSelf('beta', { tags: { ...noTags, nofailover: true } }) } },
    ],
  ];
  test.each(nobody)('is not set %s', (_name, situation) => {
    expect(changesOf(onStandby(situation))).toEqual([]);
  });

  test('is set in pause too: a reload interrupts nothing', () => {
    expect(changesOf(onStandby({ ...notSet, config: { pause: true } }))).toHaveLength(1);
  });

  test('is prepared under method native before there is a slot, but for synchronisation without feedback', () => {
    const nothingFollowed = (settings: NativeSituation['settings'] = {}): View => {
      const situation: NativeSituation = {
        slots: [],
        settings: { syncReplicationSlots: false, hotStandbyFeedback: false, ...settings },
        config: { slots: new Map() },
        failoverSlots: { method: 'native' },
        view: { ledger: aLedger('beta', { feedbackSet: false }) },
      };
      const keys = onStandby(situation).consul.keys!;
      const status = { ...keys.status!.value!, extras: { ...keys.status!.value!.extras!, logical: new Map() } };
      return after(onStandby(situation), [
        { kind: 'keys', keys: { ...keys, status: { ...keys.status!, value: status } } },
      ]);
    };
    expect(settingsLane(nothingFollowed({ upstreamDatabase: null }))).toMatchObject([
      { kind: 'set_upstream_database' },
    ]);
    expect(settingsLane(nothingFollowed())).toEqual([]);
    expect(changesOf(nothingFollowed({ hotStandbyFeedback: true }))).toEqual([
      { name: 'sync_replication_slots', value: 'on' },
    ]);
  });

  const slotName = { settings: { primarySlotName: '' } };
  test.each([
    ['the primary has no such slot', null, 'has no physical slot beta'],
    ['it reserves nothing', aLink({ restartLsn: null }), 'reserves no WAL yet'],
    ['somebody else uses it', aLink({ active: true }), 'somebody else streams through the physical slot beta'],
  ])('primary_slot_name is not set while %s', (_name, link, why) => {
    const view = linked(slotName, link);
    expect(settingsLane(view)).toEqual([]);
    expect(holdOf(view, 'primary_slot_name')).toContain(why);
  });

  test('is not set in a loop where something else overrules it, and that is a problem', () => {
    const view = onStandby(notSet);
    const [action] = actionsOf(view, 'alter_settings');
    const tried = withLook(after(view, [done(action!, null)]), notSet);
    expect(changesOf(tried)).toEqual([]);
    expect(holdOf(tried, 'sync_replication_slots')).toContain('the server still says that it is not');
    expect(problemsOf(tried)).not.toContain('native_setting');
    expect(problemsOf(later(tried, 2_000))).toContain('native_setting');
    expect(changesOf(later(tried, 60_000))).toHaveLength(1);
  });

  test('is set again at once where it had an effect and went away', () => {
    const view = onStandby(notSet);
    const set = withLook(after(view, [done(actionsOf(view, 'alter_settings')[0]!, null)]), { slots: [] });
    expect(changesOf(withLook(set, notSet))).toHaveLength(1);
  });

  test('is a problem where the server refuses it', () => {
    const view = onStandby({ ...notSet, settings: { upstreamDatabase: null } });
    const refused = after(view, [failed(actionsOf(view, 'set_upstream_database')[0]!, { message: 'no privilege' })]);
    const problem = plan(refused).problems.find(({ code }) => code === 'native_setting');
    expect(problem?.what).toContain('dbname in primary_conninfo, which could not be set: no privilege');
  });
});

describe('what slotkeeper set', () => {
  const unneeded = { report: { failover: false }, slots: [aLogicalSlot()] };
  const reset = { name: 'sync_replication_slots', value: null };

  test('is taken back when no slot is left to PostgreSQL; the physical slot stays while others need it', () => {
    expect(changesOf(onStandby({ ...unneeded, view: syncedSet }))).toEqual([reset]);
    expect(changesOf(onStandby({ ...unneeded }))).toEqual([]);
  });

  test('is taken back on a cascade, which PostgreSQL refuses', () => {
    expect(changesOf(onStandby({ ...fromGamma, slots: [aLogicalSlot()], view: syncedSet }))).toEqual([reset]);
  });

  test('stays while it is not known where this standby streams from', () => {
    const look = { receiver: receiving('10.9.9.9') };
    expect(changesOf(onStandby({ ...unneeded, look, view: syncedSet }))).toEqual([]);
  });

  test('stays while PostgreSQL has slots here, which nobody else can drop', () => {
    expect(changesOf(onStandby({ ...unneeded, slots: [aSyncedSlot()], view: syncedSet }))).toEqual([]);
    const forTemplates = { failoverSlots: { method: 'template' } } as const;
    expect(changesOf(onStandby({ ...forTemplates, view: syncedSet }))).toEqual([]);
  });

  test("stays while the primary's slots are not known", () => {
    expect(changesOf(onStandby({ ...unneeded, view: { ...syncedSet, ...withoutLeader } }))).toEqual([]);
    expect(changesOf(onStandby({ ...unneeded, timeline: 2, view: syncedSet }))).toEqual([]);
  });
});

describe('PostgreSQL is asked to synchronise at once', () => {
  const isAsked = (view: View): boolean => kindsOf(view).includes('sync_slots');
  const asked = (view: View, situation: NativeSituation): View =>
    withLook(after(view, [done({ kind: 'sync_slots' }, null)], 10), situation);
  const missing = { slots: [] };

  test('while a slot is missing or temporary, less and less often', () => {
    expect(isAsked(onStandby())).toBe(false);
    const view = onStandby(missing);
    expect(isAsked(view)).toBe(false);
    expect(holdOf(view, 'slot orders')).toBe('PostgreSQL has not synchronised it to this standby yet');
    expect(isAsked(later(view, 500))).toBe(true);
    expect(isAsked(later(onStandby({ slots: [aSyncedSlot({ temporary: true })] }), 500))).toBe(true);

    const once = asked(later(view, 500), missing);
    expect(isAsked(later(once, 800))).toBe(false);
    expect(isAsked(later(once, 1_000))).toBe(true);
    const minuteOld = asked(later(view, 60_000), missing);
    expect(isAsked(later(minuteOld, 14_000))).toBe(false);
    expect(isAsked(later(minuteOld, 15_500))).toBe(true);
    const hourOld = asked(later(view, 3_600_000), missing);
    expect(isAsked(later(hourOld, 59_000))).toBe(false);
    expect(isAsked(later(hourOld, 60_000))).toBe(true);
  });

  test('again soon when the slot on the primary begins elsewhere', () => {
    const tired = asked(later(onStandby(missing), 3_600_000), missing);
    const keys = onStandby({ ...missing, report: { restartLsn: 0x2800n } }).consul.keys!;
    const moved = after(tired, [{ kind: 'keys', keys }]);
    expect(isAsked(later(moved, 4_000))).toBe(false);
    expect(isAsked(later(moved, 5_000))).toBe(true);
    expect(isAsked(later(asked(later(moved, 5_000), missing), 5_000))).toBe(false);
    expect(isAsked(later(moved, 60_000))).toBe(true);
  });

  test('when a slot stays behind although the WAL is here, but not all the time', () => {
    const behind = { slots: [aSyncedSlot({ confirmedFlushLsn: 0x2800n })] };
    const view = onStandby(behind);
    expect(isAsked(later(view, 1_900))).toBe(false);
    expect(isAsked(later(view, 2_000))).toBe(true);
    expect(isAsked(later(asked(later(view, 2_000), behind), 4_000))).toBe(false);
    expect(isAsked(later(asked(later(view, 2_000), behind), 5_000))).toBe(true);
    expect(isAsked(later(onStandby({ ...behind, look: { receivedLsn: 0x2fffn } }), 10_000))).toBe(false);
    expect(isAsked(withLook(later(view, 2_000), {}))).toBe(false);
  });

  test('but not while a setting is missing or a slot stops it', () => {
    expect(isAsked(later(onStandby({ ...missing, settings: { upstreamDatabase: null } }), 5_000))).toBe(false);
    expect(isAsked(later(onStandby({ slots: [aLogicalSlot({ active: true })] }), 5_000))).toBe(false);
  });
});

describe('a slot that PostgreSQL made and does not keep any more', () => {
  test('is left to it when the mark was taken away', () => {
    const view = onStandby({ report: { failover: false } });
    expect(holdOf(view, 'slot orders')).toContain('not marked for synchronisation on the primary any more');
    const touching = plan(view).actions.filter((action) => 'slot' in action && action.slot === 'orders');
    expect(touching).toEqual([]);
  });

  test('is left to it when somebody switched synchronisation off', () => {
    const view = onStandby({ failoverSlots: { method: 'template' }, settings: { syncReplicationSlots: false } });
    expect(holdOf(view, 'slot orders')).toContain('sync_replication_slots is off');
    expect(changesOf(view)).toEqual([]);
  });

  test('is a problem on a cascade, where nobody can move or drop it', () => {
    const view = onStandby(fromGamma);
    expect(problemsOf(view)).toContain('native_stuck');
    expect(holdOf(view, 'slot orders')).toContain('cascade');
    expect(kindsOf(view)).not.toContain('drop_slot');
    expect(problemsOf(onStandby())).not.toContain('native_stuck');
  });
});
