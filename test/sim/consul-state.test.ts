import { expect, test } from 'vitest';
import type { SessionSpec } from '../../src/consul/port.ts';
import { ConsulState } from './consul-state.ts';

/** The simulated Consul behaves as FACTS section 5 says that the real one does. */

const spec: SessionSpec = {
  name: 'test',
  ttlSeconds: 10,
  lockDelaySeconds: 0,
  behavior: 'delete',
  nodeChecks: [],
  serviceChecks: [],
};

function stateAt(clock: { nowMs: number }): ConsulState {
  return new ConsulState(
    () => clock.nowMs,
    () => 0.5,
    () => undefined,
  );
}

test('a session ends between once and twice its TTL, and takes its keys along', () => {
  const clock = { nowMs: 0 };
  const state = stateAt(clock);
  const session = state.createSession('a', spec);
  state.transact('a', [{ verb: 'lock', key: 's/leader', value: 'a', session }]);
  const before = state.list('s/').index;
  clock.nowMs = 14_900;
  expect(state.expireDue()).toEqual([]);
  clock.nowMs = 15_100;
  expect(state.expireDue()).toEqual([session]);
  expect(state.list('s/').entries).toEqual([]);
  expect(state.list('s/').index, 'a deletion wakes a recursed read').toBeGreaterThan(before);
});

test('a transaction is done as a whole or refused as a whole', () => {
  const state = stateAt({ nowMs: 0 });
  const session = state.createSession('a', spec);
  const refused = state.transact('a', [
    { verb: 'set', key: 's/status', value: '1' },
    { verb: 'check-session', key: 's/leader', session },
  ]);
  expect(refused).toMatchObject({ kind: 'refused', dead: false });
  expect(state.keys.size).toBe(0);
  state.endSession(session);
  expect(state.transact('a', [{ verb: 'lock', key: 's/leader', value: 'a', session }])).toMatchObject({ dead: true });
});

test('a lock delay holds after a session has ended, not after the key was deleted', () => {
  const clock = { nowMs: 0 };
  const state = stateAt(clock);
  const lock = (session: string) => state.transact('a', [{ verb: 'lock', key: 's/leader', value: 'a', session }]).kind;
  const first = state.createSession('a', { ...spec, lockDelaySeconds: 15 });
  expect(lock(first)).toBe('done');
  state.transact('a', [{ verb: 'delete', key: 's/leader' }]);
  expect(lock(first)).toBe('done');
  state.endSession(first);
  const second = state.createSession('b', spec);
  expect(lock(second)).toBe('refused');
  clock.nowMs = 15_001;
  expect(lock(second)).toBe('done');
});

test('an equal value does not move an index, and another prefix does not either', () => {
  const state = stateAt({ nowMs: 0 });
  state.transact(null, [{ verb: 'set', key: 's/config', value: '{}' }]);
  const { index } = state.list('s/');
  state.transact(null, [{ verb: 'set', key: 's/config', value: '{}' }]);
  state.transact(null, [{ verb: 'set', key: 't/config', value: '{}' }]);
  expect(state.list('s/').index).toBe(index);
});
