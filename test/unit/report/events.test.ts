import { describe, expect, test } from 'vitest';
import type { Problem } from '../../../src/domain/problem.ts';
import type { Plan, Turn } from '../../../src/plan/plan.ts';
import type { AgentEvent } from '../../../src/report/event.ts';
import { eventsBetween } from '../../../src/report/events.ts';
import { defaultConfig } from '../../../src/domain/default-config.ts';
import type { Contact, SessionState, View } from '../../../src/view/view.ts';
import { aKey, aMember, aPrimaryLook, aTurn, aView, nowMs, sessionOf, someKeys } from '../../support/turns.ts';

const quiet: Partial<Plan> = { problems: [], holds: [] };

/** A turn of `beta` with nothing to complain about but what the test is about. */
function turn(view: Partial<View> = {}, plan: Partial<Plan> = {}): Turn {
  return aTurn('beta', { view, plan: { ...quiet, ...plan } });
}

function keysTurn(over: Parameters<typeof someKeys>[0]): Turn {
  return turn({ consul: { contact: { kind: 'good', atMs: nowMs }, keys: someKeys(over) } });
}

const kindsOf = (events: readonly AgentEvent[]): readonly string[] => events.map(({ kind }) => kind);

test('nothing new, nothing said', () => {
  expect(eventsBetween(turn(), turn())).toEqual([]);
});

test('the first turn of a healthy agent tells who it is', () => {
  expect(kindsOf(eventsBetween(null, turn()))).toEqual([
    'consul_reachable',
    'session_acquired',
    'config_accepted',
    'leader_changed',
    'server_reachable',
    'role_changed',
    'slot_verdict_changed',
  ]);
});

describe('Consul', () => {
  const consul = (contact: Contact, atMs: number): Turn => turn({ nowMs: atMs, consul: { contact, keys: someKeys() } });
  const good: Contact = { kind: 'good', atMs: nowMs };
  const broken: Contact = { kind: 'broken', sinceMs: nowMs, why: 'connect ECONNREFUSED' };

  test('is said to be away once, then as it grows older, and to be back with the length of the outage', () => {
    const ages = [0, 500, 9_000, 11_000, 40_000, 61_000, 100_000, 121_000];
    const turns = [
      consul(good, nowMs - 1),
      ...ages.map((age) => consul(broken, nowMs + age)),
      consul(good, nowMs + 130_000),
    ];
    const said = turns.slice(1).map((next, i) => eventsBetween(turns[i]!, next));
    expect(said.map(kindsOf)).toEqual([
      ['consul_unreachable'],
      [],
      [],
      ['consul_unreachable'],
      [],
      ['consul_unreachable'],
      [],
      ['consul_unreachable'],
      ['consul_reachable'],
    ]);
    expect(said[3]![0]).toEqual({ kind: 'consul_unreachable', why: 'connect ECONNREFUSED', ageMs: 11_000 });
    expect(said.at(-1)![0]).toEqual({ kind: 'consul_reachable', outageMs: 130_000 });
  });

  test('absent at the start is said', () => {
    expect(kindsOf(eventsBetween(null, consul(broken, nowMs)))).toContain('consul_unreachable');
  });
});

describe('session', () => {
  const held = (id: string, over: Partial<Extract<SessionState, { kind: 'held' }>> = {}): Turn =>
    turn({ session: { kind: 'held', id, ttlSeconds: 15, clampedFrom: null, renewedAtMs: nowMs, ...over } });
  const none = turn({ session: { kind: 'none', why: 'it was destroyed' } });

  test.each<[string, Turn, Turn, readonly Partial<AgentEvent>[]]>([
    ['lost', held('s1'), none, [{ kind: 'session_lost', session: 's1', why: 'it was destroyed' }]],
    ['acquired', none, held('s2'), [{ kind: 'session_acquired', session: 's2', ttlSeconds: 15 }]],
    ['renewed', held('s1'), held('s1', { renewedAtMs: nowMs + 5_000 }), []],
    [
      'replaced',
      held('s1'),
      held('s2'),
      [{ kind: 'session_lost', why: 'another one was created' }, { kind: 'session_acquired' }],
    ],
    [
      'clamped',
      none,
      held('s2', { ttlSeconds: 10, clampedFrom: 3 }),
      [{ kind: 'session_acquired' }, { kind: 'session_clamped', wantedSeconds: 3, ttlSeconds: 10 }],
    ],
    [
      'clamped as before',
      held('s1', { clampedFrom: 3 }),
      held('s2', { clampedFrom: 3 }),
      [{ kind: 'session_lost' }, { kind: 'session_acquired' }],
    ],
  ])('%s', (_what, before, after, expected) => {
    expect(eventsBetween(before, after)).toMatchObject(expected);
  });
});

describe('cluster', () => {
  test('a new leader', () => {
    const leader = aKey('beta', { session: sessionOf('beta'), modifyIndex: 31 });
    expect(eventsBetween(turn(), keysTurn({ leader }))).toContainEqual({
      kind: 'leader_changed',
      from: 'alpha',
      to: 'beta',
    });
  });

  test('a leader key without a session is nobody’s', () => {
    const events = eventsBetween(turn(), keysTurn({ leader: aKey('alpha', { modifyIndex: 30 }) }));
    expect(events).toContainEqual({ kind: 'leader_changed', from: 'alpha', to: null });
  });

  test('members that come and go', () => {
    const more = keysTurn({ members: new Map([...someKeys().members, ['gamma', aKey(aMember('gamma'))]]) });
    expect(eventsBetween(turn(), more)).toEqual([{ kind: 'member_joined', member: 'gamma' }]);
    expect(eventsBetween(more, turn())).toEqual([{ kind: 'member_left', member: 'gamma' }]);
  });
});

describe('configuration', () => {
  const config = (over: Parameters<typeof aKey>[1], value: typeof defaultConfig | null = defaultConfig): Turn =>
    keysTurn({ config: aKey(value, over) });

  test.each<[string, Turn, Turn, readonly AgentEvent[]]>([
    ['accepted', turn(), config({ modifyIndex: 22 }), [{ kind: 'config_accepted', index: 22, adjusted: null }]],
    [
      'put right',
      turn(),
      config({ modifyIndex: 22, problem: 'ttl is 1; used instead: 20' }),
      [{ kind: 'config_accepted', index: 22, adjusted: 'ttl is 1; used instead: 20' }],
    ],
    [
      'refused',
      turn(),
      config({ modifyIndex: 22, problem: 'it is not JSON' }, null),
      [{ kind: 'config_refused', index: 22, why: 'it is not JSON' }],
    ],
    ['removed', turn(), keysTurn({ config: null }), [{ kind: 'config_removed' }]],
    ['as before', config({ modifyIndex: 22 }), config({ modifyIndex: 22 }), []],
  ])('%s', (_what, before, after, expected) => {
    expect(eventsBetween(before, after)).toEqual(expected);
  });
});

describe('server', () => {
  const local = aView('beta').local;
  const away = (over: Partial<View['local']>, atMs: number): Turn =>
    turn({
      nowMs: atMs,
      local: { ...local, contact: { kind: 'broken', sinceMs: nowMs, why: 'no' }, trouble: 'not_running', ...over },
    });

  test('goes away, starts, comes back', () => {
    const [running, stopped, starting, back] = [
      turn(),
      away({}, nowMs),
      away({ trouble: 'starting' }, nowMs + 200),
      turn({ nowMs: nowMs + 900 }),
    ];
    expect(eventsBetween(running, stopped)).toContainEqual({
      kind: 'server_unreachable',
      trouble: 'not_running',
      why: 'no',
      ageMs: 0,
    });
    expect(eventsBetween(stopped, starting)).toContainEqual({
      kind: 'server_unreachable',
      trouble: 'starting',
      why: 'no',
      ageMs: 200,
    });
    expect(eventsBetween(starting, back)).toContainEqual({ kind: 'server_reachable', outageMs: 900, version: '15.18' });
    expect(kindsOf(eventsBetween(starting, back))).not.toContain('role_changed');
  });

  test('is promoted', () => {
    const promoted = turn({ local: { ...local, look: aPrimaryLook({ timeline: 2 }) } });
    expect(eventsBetween(turn(), promoted)).toContainEqual({
      kind: 'role_changed',
      from: 'standby',
      to: 'primary',
      timeline: 2,
    });
  });

  test('is promoted while it was away', () => {
    const promoted = turn({ local: { ...local, look: aPrimaryLook({ timeline: 2 }) } });
    expect(eventsBetween(away({}, nowMs), promoted)).toContainEqual({
      kind: 'role_changed',
      from: 'standby',
      to: 'primary',
      timeline: 2,
    });
  });
});

describe('problems and holds', () => {
  const problem = (what: string): Problem => ({ code: 'wal_level', severity: 'error', what, fix: null });

  test('appear and clear once; a number that moves in the words is no news', () => {
    const [one, two] = [
      turn({}, { problems: [problem('12 slots lack room')] }),
      turn({}, { problems: [problem('13 slots lack room')] }),
    ];
    expect(eventsBetween(turn(), one)).toEqual([{ kind: 'problem_appeared', problem: problem('12 slots lack room') }]);
    expect(eventsBetween(one, two)).toEqual([]);
    expect(eventsBetween(two, turn())).toEqual([{ kind: 'problem_cleared', problem: problem('13 slots lack room') }]);
  });

  test('two of one code are two', () => {
    const both = turn(
      {},
      { problems: [problem('slot a_1 has another plugin'), problem('slot a_2 has another plugin')] },
    );
    expect(kindsOf(eventsBetween(turn(), both))).toEqual(['problem_appeared', 'problem_appeared']);
  });

  test('what is held back is said on change', () => {
    const held = (why: string): Turn => turn({}, { holds: [{ subject: 'slot orders', why }] });
    expect(eventsBetween(turn(), held('waits 5 s'))).toEqual([
      { kind: 'held', subject: 'slot orders', why: 'waits 5 s' },
    ]);
    expect(eventsBetween(held('waits 5 s'), held('waits 4 s'))).toEqual([]);
    expect(eventsBetween(held('waits 4 s'), held('paused'))).toEqual([
      { kind: 'held', subject: 'slot orders', why: 'paused' },
    ]);
    expect(eventsBetween(held('paused'), turn())).toEqual([{ kind: 'released', subject: 'slot orders' }]);
  });
});
