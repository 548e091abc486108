import { describe, expect, test } from 'vitest';
import type { Member } from '../../../src/domain/cluster.ts';
import { plan } from '../../../src/plan/plan.ts';
import type { View } from '../../../src/view/view.ts';
import { actionsOf, after, done, inTrouble, kindsOf, later, withKeys, withLook } from '../../support/situations.ts';
import { aKey, aLogicalSlot, aView, nowMs, sessionOf, someKeys } from '../../support/turns.ts';

/** `beta` after its key says what it should. */
function published(over: Partial<Member> = {}, memory: Partial<View['memory']> = {}): View {
  const member = { ...plan(aView('beta')).member, ...over };
  const members = new Map([...someKeys().members, ['beta', aKey(member, { session: sessionOf('beta') })]]);
  return withKeys(
    'beta',
    { members },
    { memory: { ...aView('beta').memory, memberWrittenAtMs: nowMs - 1_000, ...memory } },
  );
}

describe('the member key', () => {
  test('is written when it is not there, or not under our session', () => {
    const without = new Map([['alpha', someKeys().members.get('alpha')!]]);
    expect(actionsOf(withKeys('beta', { members: without }), 'publish_member')).toHaveLength(1);
    const unlocked = new Map([...without, ['beta', aKey(plan(aView('beta')).member)]]);
    expect(actionsOf(withKeys('beta', { members: unlocked }), 'publish_member')).toHaveLength(1);
  });

  test('is left alone while it is right', () => {
    expect(kindsOf(published())).not.toContain('publish_member');
  });

  test.each([
    ['the role', { role: 'primary' }],
    ['the state', { state: 'stopped' }],
    ['a verdict', { slots: new Map() }],
    ['the timeline', { timeline: 7 }],
    ['the tags', { tags: { nofailover: true, nostream: false, replicatefrom: null, raw: { nofailover: true } } }],
  ] as const)('tells a change of %s at once', (_name, over) => {
    expect(kindsOf(published(over as Partial<Member>))).toContain('publish_member');
  });

  test.each<Partial<Member>>([{ xlogLocation: 1n }, { receiveLsn: 1n }, { replayLsn: 1n }, { replicationState: null }])(
    'tells what moves by itself as often as loop_wait says: %o',
    (moved) => {
      expect(kindsOf(published(moved))).not.toContain('publish_member');
      expect(kindsOf(published(moved, { memberWrittenAtMs: nowMs - 10_000 }))).toContain('publish_member');
    },
  );

  test('tells where slots came to rest', () => {
    const old = {
      slots: new Map([
        ['orders', { slot: 'orders', type: 'logical', verdict: { kind: 'ready' }, position: 1n } as const],
      ]),
    };
    expect(kindsOf(published(old, { movedAtMs: nowMs - 2_999 }))).not.toContain('publish_member');
    expect(kindsOf(published(old, { movedAtMs: nowMs - 3_000 }))).toContain('publish_member');
  });

  test('has what patronictl shows of a standby, and nothing of it for a primary', () => {
    const said = ({ receiveLsn, replayLsn, replicationState }: Member) => [receiveLsn, replayLsn, replicationState];
    expect(said(plan(aView('beta')).member)).toEqual([0x5000n, 0x4f00n, 'streaming']);
    expect(said(plan(withLook('beta', { receiver: null })).member)).toEqual([0x5000n, 0x4f00n, null]);
    // What was seen last stays, as xlog_location does, but nobody knows whether it still streams.
    expect(said(plan(inTrouble('beta', { trouble: 'timeout' })).member)).toEqual([0x5000n, 0x4f00n, null]);
    expect(said(plan(aView('alpha')).member)).toEqual([null, null, null]);
  });

  test("uses Patroni's words", () => {
    const said = (view: View) => [plan(view).member.role, plan(view).member.state];
    expect(said(aView('alpha'))).toEqual(['primary', 'running']);
    expect(said(aView('beta'))).toEqual(['replica', 'running']);
    expect(said(inTrouble('alpha', { trouble: 'not_running' }))).toEqual(['replica', 'stopped']);
    expect(said(inTrouble('beta', { trouble: 'starting' }))).toEqual(['replica', 'starting']);
    expect(said(inTrouble('beta', { trouble: 'timeout' }))).toEqual(['replica', 'unknown']);
    expect(said(inTrouble('beta', { look: null, contact: { kind: 'never' } }))).toEqual(['uninitialized', 'starting']);
  });
});

describe('the service', () => {
  const registered = (view: View): View => {
    const action = actionsOf(view, 'register_service')[0]!;
    return after(view, [
      { kind: 'started', action },
      done(action, null),
      { kind: 'look', startedAtMs: view.nowMs + 200, look: view.local.look! },
    ]);
  };

  test('says who is the primary', () => {
    const stateOf = (view: View) => actionsOf(view, 'register_service')[0]?.service;
    expect(stateOf(aView('alpha'))).toMatchObject({ tags: ['primary'], checkPath: '/primary' });
    expect(stateOf(aView('beta'))).toMatchObject({ tags: ['replica'], checkPath: '/replica' });
    expect(stateOf(withKeys('alpha', { leader: null }))).toMatchObject({ tags: ['replica'] });
  });

  test('is registered once, and again when its role changes', () => {
    const view = registered(aView('beta'));
    expect(kindsOf(view)).not.toContain('register_service');
    const leader = aKey('beta', { session: sessionOf('beta'), modifyIndex: 31 });
    const promoted = after(view, [
      { kind: 'look', startedAtMs: view.nowMs + 1, look: aView('alpha').local.look! },
      { kind: 'keys', keys: someKeys({ leader }) },
    ]);
    expect(actionsOf(promoted, 'register_service')[0]?.service.tags).toEqual(['primary']);
  });

  test('is reported now and then, and at once when a slot gets better or worse', () => {
    const view = registered(aView('beta'));
    expect(kindsOf(view)).not.toContain('report_check');
    expect(kindsOf(later(view, 20_000))).toContain('report_check');
    const worse = withLook('beta', { slots: [aLogicalSlot({ walOnDisk: false })] }).local.look!;
    const seen = after(view, [{ kind: 'look', startedAtMs: view.nowMs + 1, look: worse }]);
    expect(actionsOf(seen, 'report_check')[0]?.check.status).toBe('critical');
  });

  test('is registered again when Consul has forgotten it', () => {
    const view = registered(aView('beta'));
    const check = { status: 'passing', output: '' } as const;
    const forgotten = after(view, [
      done({ kind: 'report_check', check }, 'unknown'),
      { kind: 'look', startedAtMs: view.nowMs + 200, look: view.local.look! },
    ]);
    expect(kindsOf(forgotten)).toContain('register_service');
  });
});
