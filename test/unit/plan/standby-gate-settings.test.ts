import { describe, expect, test } from 'vitest';
import { keyOf, laneOf } from '../../../src/domain/action.ts';
import type { ServerSettings } from '../../../src/domain/server.ts';
import { plan } from '../../../src/plan/plan.ts';
import { gateReport, gateToEmpty } from '../../../src/plan/standby-gate.ts';
import type { View } from '../../../src/view/view.ts';
import {
  aGateLook,
  aGateView,
  aRun,
  aStandbySlot,
  changesOf,
  dead,
  gateCodesOf,
  gateConfig,
  gateKeys,
  gateProblemsOf,
  gateRun,
  graceSeconds,
  listed,
  looked,
  rekeyed,
  steps,
  withGamma,
} from '../../support/gate.ts';
import { aConfig, actionsOf, after, done, failed, holdOf, later } from '../../support/situations.ts';
import { aKey, aLedger, aLogicalSlot, aStandbyLook, aView, nowMs } from '../../support/turns.ts';

describe('where pg_failover_slots is loaded', () => {
  const extension = { standbySlotNames: [], standbySlotsMinConfirmed: -1 };
  const looks = (settings: Partial<ServerSettings> = {}) =>
    aGateLook({}, { failoverSlotsExtension: extension, ...settings });
  const names = 'pg_failover_slots.standby_slot_names';
  const count = 'pg_failover_slots.standby_slots_min_confirmed';

  test('its list is kept', () => {
    expect(changesOf(looked(aGateView(), looks({ synchronizedStandbySlots: null })))).toEqual([`${names}=beta,gamma`]);
    const now = aRun(aGateView(), looks());
    expect(gateReport(now.view)).toMatchObject({ enforcedBy: 'pg_failover_slots', slots: ['beta', 'gamma'] });
    expect(listed(steps(now, graceSeconds + 1, withGamma(dead)))).toEqual(['beta']);
  });

  test('it counts for itself: with N it gets all that can be waited for', () => {
    const view = aGateView({ config: gateConfig({ standbySlotsMinConfirmed: 1 }) });
    expect(changesOf(looked(view, looks()))).toEqual([`${names}=beta,gamma`, `${count}=1`]);
    expect(listed(steps(aRun(view, looks()), graceSeconds + 1, withGamma(dead)))).toEqual(['beta', 'gamma']);
  });

  test('PostgreSQL’s own list, if it is ours, is taken back', () => {
    const ledger = aLedger('alpha', { settingsSet: ['synchronized_standby_slots'] });
    const view = looked(aGateView({ ledger }), looks({ synchronizedStandbySlots: ['beta'] }));
    expect(changesOf(view)).toEqual(['synchronized_standby_slots reset', `${names}=beta,gamma`]);
    expect(changesOf(looked(aGateView(), looks({ synchronizedStandbySlots: ['theirs'] })))).toEqual([
      `${names}=beta,gamma`,
    ]);
  });
});

describe('what is not enforced is said', () => {
  test('below 17 without the extension: nothing is set', () => {
    const now = aRun(aGateView(), aGateLook({ versionNum: 160_010 }, { synchronizedStandbySlots: null }));
    expect(changesOf(now.view)).toEqual([]);
    expect(gateReport(now.view)).toEqual({ enforcedBy: null, slots: [], leftOut: new Map() });
    expect(gateProblemsOf(now)).toMatchObject([{ code: 'gate_not_enforced', severity: 'warning' }]);
  });

  test('followed slots without failover, for which PostgreSQL does not wait', () => {
    const slots = [aStandbySlot('beta'), aStandbySlot('gamma')];
    const followed = (failover: boolean) =>
      aRun(aGateView(), aGateLook({ slots: [...slots, aLogicalSlot({ failover })] }));
    expect(gateProblemsOf(followed(false))).toMatchObject([
      { code: 'gate_not_enforced', what: expect.stringContaining('consumers of orders') as unknown },
    ]);
    expect(gateProblemsOf(followed(true))).toEqual([]);
  });
});

describe('whose settings are touched', () => {
  const ours = aLedger('alpha', {
    settingsSet: ['pg_failover_slots.standby_slot_names', 'sync_replication_slots', 'synchronized_standby_slots'],
  });
  const set = { synchronizedStandbySlots: ['beta', 'old'] };

  test('where no gate is asked for, only what slotkeeper itself has set', () => {
    const config = aConfig();
    expect(changesOf(looked(aGateView({ config }), aGateLook({}, set)))).toEqual([]);
    const taken = ['synchronized_standby_slots reset', 'pg_failover_slots.standby_slot_names reset'];
    expect(changesOf(looked(aGateView({ config, ledger: ours }), aGateLook({}, set)))).toEqual(taken);
    expect(gateReport(looked(aGateView({ config }), aGateLook({}, set)))).toBeNull();
  });

  test('on a standby the list is emptied, whoever left it there, and then left alone', () => {
    const look = { ...aStandbyLook(), settings: { ...aStandbyLook().settings, ...set } };
    const standby = aRun(aView('beta', { config: gateConfig() }), look);
    expect(listed(standby)).toEqual([]);
    expect(changesOf(standby.view)).toEqual([]);
    expect(changesOf(aView('beta', { config: aConfig(), local: { ...aView('beta').local, look } }))).toEqual([]);
  });

  test('before a configuration or the ledger was read, none', () => {
    expect(changesOf(looked(aGateView({ config: null, ledger: ours }), aGateLook({}, set)))).toEqual([]);
    expect(changesOf(looked(aGateView({ ledger: null }), aGateLook({}, set)))).toEqual([]);
  });

  test('without the leader key, none on a primary', () => {
    const contact = { kind: 'good', atMs: nowMs } as const;
    const view = looked(aGateView({ consul: { contact, keys: gateKeys({ leader: null }) } }), aGateLook());
    expect(changesOf(view)).toEqual([]);
    expect(holdOf(view, 'gate')).toContain('not known to be the primary');
  });

  test('in pause as at any time', () => {
    const config = { ...gateConfig(), pause: true };
    expect(listed(aRun(aGateView({ config })))).toEqual(['beta', 'gamma']);
  });

  test('one change of settings at a time', () => {
    const look = { ...aStandbyLook(), settings: { ...aStandbyLook().settings, ...set, hotStandbyFeedback: false } };
    const usual = aView('beta', { config: gateConfig() });
    const { actions } = plan({ ...usual, local: { ...usual.local, look } });
    expect(actions.filter((action) => laneOf(action) === 'settings').map((action) => action.kind)).toEqual([
      'alter_settings',
    ]);
  });

  test('a demotion empties the gate, and leaves alone what is somebody else’s', () => {
    expect(gateToEmpty(gateRun().view)).toEqual([{ name: 'synchronized_standby_slots', value: '' }]);
    const foreign = looked(aGateView({ config: aConfig() }), aGateLook({}, set));
    expect(gateToEmpty(foreign)).toEqual([]);
    expect(gateToEmpty({ ...foreign, ledger: ours })).toEqual([{ name: 'synchronized_standby_slots', value: '' }]);
  });
});

describe('a change that does not work', () => {
  const [action] = actionsOf(looked(aGateView(), aGateLook()), 'alter_settings');

  test('without effect is not repeated in a loop, and is a problem', () => {
    const tried = looked(after(looked(aGateView(), aGateLook()), [done(action!, null)]), aGateLook());
    expect(changesOf(tried)).toEqual([]);
    expect(holdOf(tried, 'gate')).toContain('still says otherwise');
    // a reload may take a moment
    expect(gateCodesOf({ view: tried })).toEqual([]);
    const overruled = looked(tried, aGateLook(), 2_000);
    expect(gateCodesOf({ view: overruled })).toEqual(['gate_setting']);
    expect(changesOf(looked(overruled, aGateLook(), 60_000))).toEqual(['synchronized_standby_slots=beta,gamma']);
    // something else is wanted, or the server was started without that option
    const other = aGateLook({ slots: [aStandbySlot('beta')] });
    expect(changesOf(looked(overruled, other))).toEqual(['synchronized_standby_slots=beta']);
    const restarted = aGateLook({ startedAtWallMs: aGateLook().startedAtWallMs + 1_000 });
    expect(changesOf(looked(overruled, restarted))).toEqual(['synchronized_standby_slots=beta,gamma']);
  });

  test('is a problem that names the reason, and keeps no other setting from being changed', () => {
    const refused = after(looked(aGateView(), aGateLook()), [failed(action!, { message: 'permission denied' })]);
    expect(gateProblemsOf({ view: refused })).toMatchObject([
      { code: 'gate_setting', severity: 'error', what: expect.stringContaining('permission denied') as unknown },
    ]);
    expect(keyOf({ ...action!, changes: [{ name: 'sync_replication_slots', value: 'on' }] })).not.toBe(keyOf(action!));
  });

  test('while the leader key is gone: who is waited for, and how to go on by hand', () => {
    const now = rekeyed(gateRun(), { leader: null });
    const waiting = steps(now, graceSeconds + 3, withGamma(dead));
    expect(listed(waiting)).toEqual(['beta', 'gamma']);
    expect(gateProblemsOf(waiting)).toMatchObject([
      {
        code: 'gate_waits',
        fix: expect.stringContaining("ALTER SYSTEM SET synchronized_standby_slots = ''") as unknown,
      },
    ]);
  });
});

test('the status tells what the gate is, at once when it changes', () => {
  const now = gateRun();
  const published = (view: View) => actionsOf(view, 'publish_status')[0]?.status.extras?.gate;
  expect(published(now.view)).toEqual({
    enforcedBy: 'synchronized_standby_slots',
    slots: ['beta', 'gamma'],
    leftOut: new Map(),
  });
  const [action] = actionsOf(now.view, 'publish_status');
  const known = rekeyed(now, { status: aKey(action!.status, { modifyIndex: 61 }) });
  expect(actionsOf(later(known.view, 100), 'publish_status')).toEqual([]);
  const gone = steps(known, graceSeconds + 1, withGamma(dead));
  expect(published(gone.view)?.leftOut).toEqual(new Map([['gamma', 'nobody streams through it']]));
});
