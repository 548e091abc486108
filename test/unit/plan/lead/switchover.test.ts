import { describe, expect, test } from 'vitest';
import type { ClusterKeys } from '../../../../src/domain/cluster.ts';
import type { View } from '../../../../src/view/view.ts';
import {
  aDisk,
  aRequest,
  aTerm,
  down,
  leadConfig,
  managed,
  managedKeys,
  memberKeyOf,
  term,
} from '../../../support/lead.ts';
import { actionsOf, after, done, failed, holdOf, kindsOf, later } from '../../../support/situations.ts';
import { aKey, aStandbyLook, aStatus, nowMs, nowWallMs, sessionOf } from '../../../support/turns.ts';

type Pieces = NonNullable<Parameters<typeof managed>[1]>;

const asked = (
  request: Parameters<typeof aRequest>[0] = {},
  keys: Partial<ClusterKeys> = {},
  over: Pieces = {},
): View =>
  managed('alpha', {
    keys: managedKeys({ failover: aRequest(request), ...keys }),
    ...over,
    lead: { checkpointedAtMs: nowMs - 100, ...over.lead },
  });
const waits = (view: View): string | undefined => {
  expect(kindsOf(view)).not.toContain('stop_server');
  return holdOf(view, 'switchover');
};
const betaWith = (over: Parameters<typeof memberKeyOf>[1]): Partial<ClusterKeys> => ({
  members: new Map([
    ['alpha', memberKeyOf('alpha')],
    ['beta', memberKeyOf('beta', over)],
  ]),
});
const unready = betaWith({
  slots: new Map([
    ['orders', { slot: 'orders', type: 'logical', verdict: { kind: 'not_ready', reason: 'x' }, position: null }],
  ]),
});

const stopping = (agoMs: number, config: Parameters<typeof leadConfig>[0], over: Pieces = {}): View => {
  const action = { kind: 'stop_server', mode: 'fast', why: 'switchover' } as const;
  const running = new Map([['server', { action, sinceMs: nowMs - agoMs }]]);
  const lead = { handover: { term } };
  return asked({}, {}, { config: leadConfig(config), lead, local: down(null), view: { running }, ...over });
};

describe('a switchover', () => {
  test('begins with a checkpoint, whose end is not long ago when the server is stopped', () => {
    const fresh = asked({}, {}, { lead: { checkpointedAtMs: null } });
    expect(kindsOf(fresh)).toContain('checkpoint');
    expect(kindsOf(fresh)).not.toContain('stop_server');
    const written = after(fresh, [done({ kind: 'checkpoint' }, null)]);
    expect(kindsOf(written)).not.toContain('checkpoint');
    expect(kindsOf(written)).toContain('stop_server');
    const tried = after(fresh, [failed({ kind: 'checkpoint' })]);
    expect(kindsOf(tried)).toContain('stop_server');
    expect(kindsOf(asked({}, {}, { lead: { checkpointedAtMs: nowMs - 10_000 } }))).toContain('checkpoint');
  });

  test('in synchronous mode, a stop that takes longer than primary_stop_timeout goes on at once', () => {
    const limited = { primaryStopTimeout: 5, synchronousMode: true };
    const immediately = [{ mode: 'immediate', why: 'it takes longer to stop than primary_stop_timeout allows' }];
    expect(actionsOf(stopping(5_000, limited), 'stop_server')).toMatchObject(immediately);
    expect(actionsOf(stopping(4_999, limited), 'stop_server')).toEqual([]);
    expect(actionsOf(stopping(5_000, { ...limited, primaryStopTimeout: 0 }), 'stop_server')).toEqual([]);
    expect(actionsOf(stopping(5_000, { ...limited, synchronousMode: false }), 'stop_server')).toEqual([]);
  });

  test('stops the server in order, to any standby that is fit where none is named', () => {
    expect(actionsOf(asked(), 'stop_server')).toMatchObject([{ mode: 'fast' }]);
    expect(actionsOf(asked({ candidate: null }), 'stop_server')).toMatchObject([{ mode: 'fast' }]);
  });

  test('empties the gate first, which a primary that stops would wait for', () => {
    const look = managed('alpha').local.look!;
    const settings = { ...look.settings, synchronizedStandbySlots: ['beta'] };
    const config = leadConfig({});
    const gated = { ...config, failoverSlots: { ...config.failoverSlots, standbySlotNames: 'all' as const } };
    const view = asked({}, {}, { look: { versionNum: 170_010, settings }, config: gated });
    expect(kindsOf(view)).not.toContain('stop_server');
    const changes = [{ name: 'synchronized_standby_slots', value: '' }];
    expect(actionsOf(view, 'alter_settings')).toMatchObject([{ changes, why: 'switchover' }]);
  });

  test('publishes the last position and releases the key once the server is down', () => {
    const begun = after(asked(), [{ kind: 'started', action: actionsOf(asked(), 'stop_server')[0]! }]);
    const lead = { handover: begun.memory.lead.handover, mayWriteSinceMs: null };
    const stopped = asked({}, {}, { local: down(aDisk({ checkpointLsn: 0x5100n })), lead });
    expect(lead.handover).toEqual({ term });
    expect(actionsOf(stopped, 'publish_status')).toMatchObject([{ status: { optime: 0x5100n } }]);
    expect(kindsOf(stopped)).not.toContain('start_server');
    const status = aKey(aStatus({ optime: 0x5100n }), { modifyIndex: 160 });
    const told = asked({}, { status }, { local: down(aDisk({ checkpointLsn: 0x5100n })), lead });
    expect(kindsOf(told)).toContain('release_leader');
  });

  test('in pause the former leader is started as a standby, once', () => {
    const keys = managedKeys({ leader: aKey('beta', { modifyIndex: 40, session: sessionOf('beta') }) });
    const terms = aKey([aTerm(), aTerm({ term: 40, leader: 'beta', timeline: 2, from: 0x6000n })]);
    const history = aKey([{ timeline: 1, lsn: 0x6000n, reason: 'x', timestamp: null, newLeader: 'beta' }]);
    const config = leadConfig({}, { pause: true });
    const lead = { handover: { term }, mayWriteSinceMs: null, guard: null };
    const stopped = managed('alpha', { keys: { ...keys, terms, history }, config, lead, local: down(aDisk()) });
    expect(actionsOf(stopped, 'start_server')).toMatchObject([{ term: null }]);
    const running = after(stopped, [{ kind: 'look', startedAtMs: nowMs, look: aStandbyLook() }]);
    expect(running.memory.lead.handover).toBeNull();
    const crashed = { ...stopped, memory: running.memory };
    expect(kindsOf(crashed)).not.toContain('start_server');
    expect(holdOf(crashed, 'server')).toContain('paused');
  });

  test.each<[string, Partial<ClusterKeys>, Pieces]>([
    ['gamma is not there', { failover: aRequest({ candidate: 'gamma' }) }, {}],
    ['the server of beta is starting', betaWith({ state: 'starting' }), {}],
    ['beta does not stream from this server', {}, { look: { replication: [] } }],
    ['beta is 33554432 bytes behind', {}, { look: { currentLsn: 0x4f00n + 0x2000000n } }],
    ['beta is not synchronous', {}, { config: leadConfig({ synchronousMode: true }) }],
    ['slots on beta are not ready: orders', unready, {}],
  ])('waits: %s', (why, keys, over) => expect(waits(asked({}, keys, over))).toBe(why));

  test('does not wait for slots where it is forced', () => {
    expect(kindsOf(asked({ force: true }, unready))).toContain('stop_server');
  });

  test('waits a minute at most', () => {
    const view = asked({}, unready, { lead: { request: { index: 150, sinceMs: nowMs - 60_000 } } });
    expect(actionsOf(view, 'clear_failover')).toEqual([{ kind: 'clear_failover', index: 150 }]);
    expect(kindsOf(later(asked({}, unready), 100))).not.toContain('clear_failover');
  });

  test('is done at its time, and not long after it', () => {
    const at = (offsetMs: number): View => asked({ scheduledAt: new Date(nowWallMs + offsetMs).toISOString() });
    expect(kindsOf(at(1_000))).not.toContain('stop_server');
    expect(kindsOf(at(-1_000))).toContain('stop_server');
  });

  test.each([
    ['done', { candidate: 'alpha', leader: 'beta' }],
    ['to nobody', { candidate: null, leader: null }],
    ['of another leader', { leader: 'beta' }],
    ['at a time that is none', { scheduledAt: 'soon' }],
  ])('that is %s is cleared', (_title, request) => {
    expect(kindsOf(asked(request))).toContain('clear_failover');
    expect(kindsOf(asked(request))).not.toContain('stop_server');
  });

  test('is nothing that a standby does anything about', () => {
    const view = managed('beta', { keys: managedKeys({ failover: aRequest() }) });
    expect(kindsOf(view)).not.toContain('stop_server');
    expect(kindsOf(view)).not.toContain('clear_failover');
    expect(sessionOf('beta')).toBe(view.session.kind === 'held' ? view.session.id : '');
  });
});
