import { expect, test } from 'vitest';
import { memberKey, placeOf, scopeKeys } from '../../../src/consul/keys.ts';

const keys = scopeKeys('service', 'main');

test.each([
  ['service', 'main', 'service/main/'],
  ['/service/', 'main', 'service/main/'],
  ['/a//b/', 'main', 'a/b/main/'],
  ['', 'main', 'main/'],
  ['/', 'main', 'main/'],
])('namespace %j and scope %j have the prefix %j', (namespace, scope, prefix) => {
  expect(scopeKeys(namespace, scope).prefix).toBe(prefix);
});

test("the names are Patroni's, and ours beside them", () => {
  expect(keys).toEqual({
    prefix: 'service/main/',
    initialize: 'service/main/initialize',
    config: 'service/main/config',
    leader: 'service/main/leader',
    status: 'service/main/status',
    optimeLeader: 'service/main/optime/leader',
    history: 'service/main/history',
    slotHistory: 'service/main/slot_history',
    restartTurn: 'service/main/slotkeeper/restart_turn',
    failover: 'service/main/failover',
    sync: 'service/main/sync',
    failsafe: 'service/main/failsafe',
    terms: 'service/main/slotkeeper/terms',
    membersPrefix: 'service/main/members/',
  });
});

test('every name is found again under its place', () => {
  const { prefix, membersPrefix, ...names } = keys;
  expect(membersPrefix.startsWith(prefix)).toBe(true);
  for (const [kind, path] of Object.entries(names)) expect(placeOf(keys, path)).toEqual({ kind });
});

test.each(['node1', 'node.1-a', '__proto__', 'leader'])('the member %j is found again', (name) => {
  expect(placeOf(keys, memberKey(keys, name))).toEqual({ kind: 'member', name });
});

test.each([
  'service/main/',
  'service/main/members/',
  'service/main/members/a/b',
  'service/main/sync/standby',
  'service/main/leader/',
  'service/main2/leader',
  'leader',
  '',
])('%j is none of our keys', (path) => {
  expect(placeOf(keys, path)).toBeNull();
});
