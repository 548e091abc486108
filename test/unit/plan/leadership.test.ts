import { describe, expect, test } from 'vitest';
import type { ServerTrouble } from '../../../src/domain/server.ts';
import type { View } from '../../../src/view/view.ts';
import { problemsOf } from '../../../src/plan/problems.ts';
import { actionsOf, holdOf, inTrouble, kindsOf, withKeys, withLook } from '../../support/situations.ts';
import { aKey, aMember, aPrimaryLook, aView, sessionOf, someKeys } from '../../support/turns.ts';

const noSession = { kind: 'none', why: 'not created yet' } as const;
const members = someKeys().members;

describe('who takes the leader key', () => {
  const cases: readonly (readonly [string, View, readonly string[]])[] = [
    ['the leader at rest keeps it', aView('alpha'), []],
    ['a primary takes a free key', withKeys('alpha', { leader: null }), ['acquire_leader']],
    [
      'a primary takes a key that nobody holds the lock of',
      withKeys('alpha', { leader: aKey('gamma', { session: null }) }),
      ['acquire_leader'],
    ],
    ['a primary waits for whoever holds it', withKeys('alpha', { leader: aKey('gamma', { session: 'other' }) }), []],
    [
      'a key that cannot be read but is locked is not ours',
      withKeys('alpha', { leader: aKey<string>(null, { session: 'other' }) }),
      [],
    ],
    [
      'a key that was overwritten by hand under our lock is put right',
      withKeys('alpha', { leader: aKey('junk', { session: sessionOf('alpha') }) }),
      ['acquire_leader'],
    ],
    ['a standby does not take it', withKeys('beta', { leader: null }), []],
    [
      'a standby that holds it gives it back',
      withKeys('beta', { leader: aKey('beta', { session: sessionOf('beta') }) }),
      ['release_leader'],
    ],
    ['nobody takes it without a session', withKeys('alpha', { leader: null }, { session: noSession }), []],
    [
      'nobody takes it before Consul has answered',
      aView('alpha', { consul: { contact: { kind: 'never' }, keys: null } }),
      [],
    ],
    [
      'nobody takes it while another one says to be the primary',
      withKeys('alpha', {
        leader: null,
        members: new Map([...members, ['beta', aKey(aMember('beta', { role: 'primary' }), { session: 's' })]]),
      }),
      [],
    ],
    [
      'a member key that outlived its session is no rival',
      withKeys('alpha', {
        leader: null,
        members: new Map([...members, ['beta', aKey(aMember('beta', { role: 'primary' }), { session: null })]]),
      }),
      ['acquire_leader'],
    ],
  ];
  test.each(cases)('%s', (_name, view, expected) => {
    const kinds = kindsOf(view).filter((kind) => kind.endsWith('_leader'));
    expect(kinds).toEqual(expected);
  });
});

describe('what a leader does whose server is in trouble', () => {
  const cases: readonly (readonly [ServerTrouble, readonly string[]])[] = [
    ['not_running', ['release_leader']],
    ['starting', ['release_leader']],
    ['stopping', ['release_leader']],
    ['refused', []],
    ['timeout', []],
    ['other', []],
  ];
  test.each(cases)('%s', (trouble, expected) => {
    const view = inTrouble('alpha', { trouble });
    expect(kindsOf(view).filter((kind) => kind.endsWith('_leader'))).toEqual(expected);
  });

  test('a leader that cannot see its server yields to a member that says to be the primary', () => {
    const keys = someKeys({
      members: new Map([...members, ['beta', aKey(aMember('beta', { role: 'primary' }), { session: 's' })]]),
    });
    const view = inTrouble('alpha', { trouble: 'timeout' }, { consul: { contact: { kind: 'good', atMs: 0 }, keys } });
    expect(kindsOf(view)).toContain('release_leader');
  });
});

describe('an earlier run under the same name', () => {
  const ownKey = (over: Parameters<typeof aMember>[1], session = 'former') =>
    withKeys('alpha', {
      leader: aKey('alpha', { session: 'former' }),
      members: new Map([...members, ['alpha', aKey(aMember('alpha', over), { session })]]),
    });

  test('its session is ended', () => {
    expect(actionsOf(ownKey({}), 'end_former_session')).toEqual([{ kind: 'end_former_session', session: 'former' }]);
    expect(actionsOf(ownKey({}), 'publish_member')).toEqual([]);
  });

  test('it is not ended while it keeps the turn for a server that is down from an interrupted copy', () => {
    const { keys } = ownKey({}).consul;
    const withTurn = {
      contact: { kind: 'good' as const, atMs: 0 },
      keys: { ...someKeys(), ...keys, restartTurn: aKey('alpha', { session: 'former' }) },
    };
    const down = inTrouble('alpha', { trouble: 'not_running', copyInterrupted: true }, { consul: withTurn });
    expect(kindsOf(down)).not.toContain('end_former_session');
    expect(kindsOf(down)).toContain('start_after_copy');
    expect(holdOf(down, 'former session')).toContain('it has the turn to restart');
    expect(actionsOf(aView('alpha', { consul: withTurn }), 'end_former_session')).toHaveLength(1);
  });

  test('an agent for another server under our name is left alone', () => {
    const view = ownKey({ connUrl: 'postgres://elsewhere:5432/postgres' });
    expect(actionsOf(view, 'end_former_session')).toEqual([]);
    expect(holdOf(view, 'member key')).toBe('another agent runs under the name alpha');
    expect(problemsOf(view).map((problem) => problem.code)).toContain('member_name_taken');
  });

  test('the session of a Patroni under our name is not destroyed', () => {
    const view = ownKey({ extras: null });
    expect(kindsOf(view)).not.toContain('end_former_session');
    expect(kindsOf(view)).not.toContain('publish_member');
    expect(holdOf(view, 'member key')).toBe('another agent runs under the name alpha');
  });

  test('the session of a leader of our name is ended only when the name is ours', () => {
    const taken = withKeys('alpha', {
      leader: aKey('alpha', { session: 'former' }),
      members: new Map([['beta', aKey(aMember('beta'))]]),
    });
    expect(kindsOf(taken)).not.toContain('end_former_session');
    expect(actionsOf(ownKey({}, sessionOf('alpha')), 'end_former_session')).toHaveLength(1);
  });
});

test('two primaries: nobody publishes, nobody changes a slot, everyone says so', () => {
  const keys = {
    members: new Map([
      ...members,
      ['beta', aKey(aMember('beta', { role: 'primary' }), { session: 's', modifyIndex: 41 })],
    ]),
  };
  const leader = withKeys('alpha', keys, { config: null });
  const rival = withKeys('beta', keys, { local: { ...aView('beta').local, look: aPrimaryLook() } });
  const third = withKeys('gamma', keys);
  for (const view of [leader, rival, third]) {
    expect(kindsOf(view).filter((kind) => /status|history|slot|leader/.test(kind))).toEqual([]);
    expect(problemsOf(view).map((problem) => problem.code)).toContain('two_primaries');
  }
  expect(holdOf(leader, 'status')).toContain('alpha, beta');
});

test('a server of another cluster does not take the leader key', () => {
  const view = withLook(
    'alpha',
    { systemIdentifier: '99' },
    { consul: { contact: { kind: 'good', atMs: 0 }, keys: someKeys({ leader: null }) } },
  );
  expect(kindsOf(view)).not.toContain('acquire_leader');
  expect(holdOf(view, 'leader key')).toContain('another cluster');
});
