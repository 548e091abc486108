import { describe, expect, it } from 'vitest';
import { summarize } from '../../../src/cli/cluster-summary.ts';
import { UsageError } from '../../../src/cli/failure.ts';
import { listLines } from '../../../src/cli/list.ts';
import { chooseMembers, roleWords } from '../../../src/cli/members.ts';
import { scheduledTime } from '../../../src/cli/scheduled-time.ts';
import { asTree } from '../../../src/cli/topology.ts';
import { decodeDynamicConfig } from '../../../src/config/dynamic.ts';
import type { ClusterKeys } from '../../../src/domain/cluster.ts';
import { tagsFrom } from '../../../src/domain/tags.ts';
import { key, keys as some, member, plain } from './some-cluster.ts';

/** `a` leads, `b` and `c` stream from it, `d` from `c`. */
const keys: ClusterKeys = {
  ...some,
  leader: key('a', { session: 's' }),
  members: new Map([
    ['d', key(member({ tags: tagsFrom({ replicatefrom: 'c' }) }))],
    ['a', key(member({ role: 'primary' }))],
    ['b', key(member({ role: 'replica' }))],
    ['c', key(member({ role: 'replica' }))],
  ]),
};

describe('the members that are meant', () => {
  const names = (wanted: readonly string[], role: (typeof roleWords)[number]) =>
    chooseMembers(keys, wanted, role).map(({ name }) => name);

  it.each([
    ['any', ['a', 'b', 'c', 'd']],
    ['leader', ['a']],
    ['primary', ['a']],
    ['replica', ['b', 'c', 'd']],
    ['standby', ['b', 'c', 'd']],
  ] as const)('%s', (role, expected) => {
    expect(names([], role)).toEqual(expected);
  });

  it('are those that are named, once each', () => {
    expect(names(['c', 'b', 'c'], 'any')).toEqual(['c', 'b']);
    expect(names(['a', 'b'], 'replica')).toEqual(['b']);
  });

  it('nobody is a mistake', () => {
    expect(() => names(['b', 'x', 'y'], 'any')).toThrow(new UsageError('no such member in the cluster: x, y'));
    expect(() => names(['a'], 'replica')).toThrow(UsageError);
    expect(() => names([], 'standby-leader')).toThrow(UsageError);
  });
});

describe('topology', () => {
  const labels = (of: ClusterKeys) => asTree(summarize('main', of, []).members, of).map(({ label }) => label);

  it('has each member below the one that it streams from', () => {
    expect(labels(keys)).toEqual(['a', '+ b', '+ c', '  + d']);
  });

  it('loses nobody: without a leader, and where members say to stream from each other', () => {
    expect(labels({ ...keys, leader: null })).toEqual(['a', 'b', 'c', '+ d']);
    const ring = new Map([
      ...keys.members,
      ['b', key(member({ tags: tagsFrom({ replicatefrom: 'c' }) }))] as const,
      ['c', key(member({ tags: tagsFrom({ replicatefrom: 'b' }) }))] as const,
    ]);
    expect([...labels({ ...keys, members: ring })].map((label) => label?.replace(/^ *\+ /, '')).sort()).toEqual([
      'a',
      'b',
      'c',
      'd',
    ]);
  });
});

describe('list', () => {
  const shown = (of: ClusterKeys) => listLines(summarize('main', of, []), plain);

  it('shows who is synchronous', () => {
    const config = key(decodeDynamicConfig('{"synchronous_mode": true}').config);
    const lines = shown({ ...keys, config, sync: key({ leader: 'a', standbys: ['B'] }) });
    expect(lines.find((line) => line.startsWith('| b '))).toContain('| Sync Standby |');
    expect(lines.find((line) => line.startsWith('| c '))).toContain('| Replica ');
  });

  it('shows what is to happen later, and what waits', () => {
    const restart = { scheduledAt: '2027-01-01T00:00:00+00:00', role: 'any', postgresVersion: null } as const;
    const waiting = member({
      pendingRestart: true,
      pendingRestartReason: new Map([['max_connections', { from: '100', to: '200' }]]),
      scheduledRestart: { ...restart, onlyIfPending: false, timeoutSeconds: null },
    });
    const failover = { leader: 'a', candidate: 'b', scheduledAt: '2027-01-02T00:00:00+00:00', force: false };
    const lines = shown({ ...keys, failover: key(failover), members: new Map([['b', key(waiting)]]) });
    expect(lines).toContain(' Switchover scheduled at: 2027-01-02T00:00:00+00:00 from a to b');
    expect(lines).toContain(' Restart of b scheduled at: 2027-01-01T00:00:00+00:00');
    expect(lines).toContain(' Restart pending on: b (max_connections: 100->200)');
  });
});

describe('--scheduled', () => {
  it('is now, or a time', () => {
    expect(scheduledTime(null)).toBeNull();
    expect(scheduledTime('now')).toBeNull();
    expect(scheduledTime('2027-01-01T02:00+02')).toBe('2027-01-01T00:00:00+00:00');
  });

  it("without a zone is this machine's time", () => {
    const expected = new Date('2027-07-01T02:00:00').getTime();
    expect(Date.parse(scheduledTime('2027-07-01 02:00') ?? '')).toBe(expected);
  });

  it('anything else is a mistake', () => {
    expect(() => scheduledTime('tomorrow')).toThrow(/--scheduled takes a time .* not "tomorrow"/);
  });
});
