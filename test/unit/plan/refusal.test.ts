import { describe, expect, test } from 'vitest';
import { problemsOf } from '../../../src/plan/problems.ts';
import { aConfig, holdOf, kindsOf, withKeys, withLook, withSettings } from '../../support/situations.ts';
import { aKey, aMember, aView, someKeys } from '../../support/turns.ts';

/** What says something of the member and changes nothing else. */
const harmless = ['publish_member', 'register_service'];
const changes = (view: Parameters<typeof kindsOf>[0]) => kindsOf(view).filter((kind) => !harmless.includes(kind));
const free = {
  consul: { contact: { kind: 'good', atMs: 0 } as const, keys: someKeys({ leader: null, status: null }) },
};

describe('PostgreSQL 10 is refused: nothing is done, and it is said why (S7)', () => {
  test.each(['alpha', 'beta'])('on %s', (name) => {
    for (const over of [{}, free]) {
      const view = withLook(name, { versionNum: 100_023, slots: [] }, { config: aConfig(), ...over });
      expect(changes(view)).toEqual([]);
      expect(holdOf(view, 'server')).toContain('this server is PostgreSQL 10.23');
      expect(problemsOf(view).map((problem) => problem.code)).toContain('server_too_old');
    }
  });
});

describe('a server without wal_level = logical is not changed (S7)', () => {
  test.each(['alpha', 'beta'])('%s', (name) => {
    const view = withSettings(name, { walLevel: 'replica', hotStandbyFeedback: false }, { config: aConfig() });
    expect(changes(view).filter((kind) => !kind.startsWith('publish_'))).toEqual([]);
    expect(holdOf(view, 'server')).toBe('wal_level is replica, logical slots need logical');
    expect(problemsOf(view).map((problem) => problem.code)).toContain('wal_level');
  });
});

describe('a server of another cluster is left alone', () => {
  test('by the key initialize', () => {
    expect(changes(withKeys('alpha', { initialize: aKey('99') }, { config: aConfig() }))).toEqual([]);
    expect(changes(withKeys('beta', { initialize: aKey('99') }, { config: aConfig() }))).toEqual([]);
  });

  test('by what the leader says of itself', () => {
    const alpha = aMember('alpha', { extras: { ...aMember('alpha').extras!, systemIdentifier: '99' } });
    const members = new Map([...someKeys().members, ['alpha', aKey(alpha, { session: 's' })]]);
    const view = withKeys('beta', { initialize: null, members });
    expect(changes(view)).toEqual([]);
    expect(holdOf(view, 'server')).toContain('the leader, is 99');
  });

  test('a key initialize that says nothing, or cannot be read, refuses nobody', () => {
    for (const initialize of [null, aKey(''), aKey<string>(null, { problem: 'not digits' })]) {
      expect(holdOf(withKeys('beta', { initialize }), 'server')).toBeUndefined();
    }
    expect(holdOf(aView('beta'), 'server')).toBeUndefined();
  });
});
