import { describe, expect, test } from 'vitest';
import type { ClusterKeys } from '../../../../src/domain/cluster.ts';
import type { ClusterPostgresConfig, StandbyClusterConfig } from '../../../../src/domain/config.ts';
import type { DiskState } from '../../../../src/domain/disk.ts';
import { defaultConfig } from '../../../../src/domain/default-config.ts';
import type { RemoteLine } from '../../../../src/domain/lead.ts';
import type { TimelineSwitch } from '../../../../src/domain/local.ts';
import { problemsOf } from '../../../../src/plan/problems.ts';
import type { View } from '../../../../src/view/view.ts';
import {
  aDisk,
  aTerm,
  down,
  leadConfig,
  managed,
  managedKeys,
  memberKeyOf,
  membersKey,
  term,
} from '../../../support/lead.ts';
import { actionsOf, after, done, holdOf, kindsOf } from '../../../support/situations.ts';
import { aKey, nowMs, sessionOf, systemIdentifier } from '../../../support/turns.ts';

/** A cluster that `alpha` was the primary of was made a standby cluster of another one, which left it at 0/4000. */
const remote: StandbyClusterConfig = {
  host: 'far.test',
  port: 5433,
  primarySlotName: null,
  recovery: {},
  createReplicaMethods: ['restore'],
};
const configWith = (postgresql: Partial<ClusterPostgresConfig> = {}) =>
  leadConfig({
    standbyCluster: remote,
    postgresql: { ...defaultConfig.lead.postgresql, usePgRewind: true, ...postgresql },
  });
const demoted = configWith();
const far = { member: 'standby_cluster', host: 'far.test', port: 5433, slot: null };
const ended = (timeline: number, lsn: bigint): TimelineSwitch => ({ timeline, lsn, reason: '' });
const left = { timeline: 2, switches: [ended(1, 0x4000n)], isPrimary: true, beganHere: null };
const readAgo = (agoMs: number, line: RemoteLine = left) => ({ remoteLine: { line, atMs: nowMs - agoMs } });
const failed = (action: string): Partial<View> => ({
  failures: new Map([[action, { count: 1, sinceMs: nowMs, lastAtMs: nowMs, message: 'no route', sqlstate: null }]]),
});
const wrote = { member: 'alpha', systemIdentifier, term };

type Pieces = NonNullable<Parameters<typeof managed>[1]>;

function stopped(disk: DiskState, over: Pieces = {}, keys: Partial<ClusterKeys> = {}): View {
  const all = managedKeys({ members: membersKey('alpha'), ...keys });
  const { lead, ...pieces } = over;
  const unwritable = { mayWriteSinceMs: null, guard: null, ...lead };
  return managed('alpha', {
    config: demoted,
    keys: all,
    local: { ...down(disk), look: null },
    lead: unwritable,
    ...pieces,
  });
}
/** Its last checkpoint is behind the place where the remote primary left it. */
const ahead = (over = {}) => aDisk({ checkpointLsn: 0x4800n }, { term: wrote, ...over });

describe('the former primary of a cluster that was made a standby cluster', () => {
  test('asks the remote primary first where it left that line', () => {
    expect(actionsOf(stopped(ahead()), 'read_line')).toEqual([{ kind: 'read_line', source: far, systemIdentifier }]);
    expect(kindsOf(stopped(ahead()))).not.toContain('start_server');
    expect(holdOf(stopped(ahead()), 'server')).toBe(
      'it is not known yet whether the remote primary has all that was written here',
    );
  });

  test('is rewound to it where it has WAL of its own, and only then started', () => {
    const view = stopped(ahead(), { lead: readAgo(100) });
    expect(actionsOf(view, 'rewind')).toEqual([
      { kind: 'rewind', source: far, url: 'postgres://far.test:5433/postgres' },
    ]);
    expect(kindsOf(view)).not.toContain('start_server');
    const within = aDisk({ checkpointLsn: 0x3fffn }, { term: wrote });
    expect(kindsOf(stopped(within, { lead: readAgo(100) }))).toContain('start_server');
  });

  test('so is a standby whose last checkpoint is behind that place, whatever it noted beside it', () => {
    const control = { state: 'shut down in recovery', checkpointLsn: 0x4168n } as const;
    const view = stopped(aDisk(control, { isStandby: true }), { lead: readAgo(100) });
    expect(kindsOf(view)).toContain('rewind');
  });

  test('is not judged by an old answer', () => {
    const view = stopped(ahead(), { lead: readAgo(10_000) });
    expect(kindsOf(view)).not.toContain('rewind');
    expect(kindsOf(view)).toContain('read_line');
    expect(kindsOf(stopped(ahead(), { lead: readAgo(9_999) }))).not.toContain('read_line');
  });

  test('is started, to be read from, while the remote primary can not be asked', () => {
    const view = stopped(ahead(), { view: failed('read_line') });
    expect(actionsOf(view, 'start_server')).toMatchObject([{ term: null, plan: { upstream: far } }]);
  });

  test('and where nothing may be done about it', () => {
    const config = configWith({ usePgRewind: false });
    expect(kindsOf(stopped(ahead(), { config, lead: readAgo(100) }))).toContain('start_server');
    const plain = aDisk({ checkpointLsn: 0x4800n, isRewindable: false }, { term: wrote });
    const view = stopped(plain, { lead: readAgo(100) });
    expect(holdOf(view, 'server')).toContain('pg_rewind needs data checksums or wal_log_hints');
    expect(problemsOf(view)).toContainEqual(expect.objectContaining({ code: 'diverged' }));
  });

  test('an answer counts from when it was asked for, until there is a stream or other data', () => {
    const asked = after(stopped(ahead()), [
      done({ kind: 'read_line', source: far, systemIdentifier }, left, 300, nowMs),
    ]);
    expect(asked.memory.lead.remoteLine).toEqual({ line: left, atMs: nowMs - 300 });
    const rewound = after(asked, [done({ kind: 'rewind', source: far, url: '' }, null)]);
    expect(rewound.memory.lead.remoteLine).toBeNull();
  });
});

describe('data that is of no use', () => {
  // The cluster took the number 2 for another timeline than the remote primary did.
  const other = ahead({ control: { ...aDisk({ timeline: 2 }).control }, switches: [ended(1, 0x3000n)] });

  test('is copied from the remote primary anew by a leader that nobody can stand in for', () => {
    expect(actionsOf(stopped(other, { lead: readAgo(100) }), 'remove_data')).toHaveLength(1);
    expect(actionsOf(stopped({ kind: 'empty' }), 'clone')).toEqual([
      { kind: 'clone', source: far, url: 'postgres://far.test:5433/postgres', methods: ['restore'] },
    ]);
    expect(kindsOf(stopped({ kind: 'empty' }))).not.toContain('release_leader');
  });

  test('is what was written under the number of the remote primary, at whatever place', () => {
    const own = ahead({ control: { ...aDisk({ timeline: 2 }).control }, switches: [ended(1, 0x4000n)] });
    const terms = (timeline: number) => aKey([aTerm({ timeline, from: 0x4000n })]);
    const reading = (timeline: number, isPrimary: boolean): readonly string[] =>
      kindsOf(stopped(own, { lead: readAgo(100, { ...left, isPrimary }) }, { terms: terms(timeline) }));
    expect(reading(2, true)).toContain('remove_data');
    // The other one is a standby of what was written here.
    expect(reading(2, false)).toContain('start_server');
    // It was a leader once, and has followed the remote primary since.
    expect(reading(1, true)).toContain('start_server');
  });

  test('costs the leader the key where somebody can', () => {
    const members = new Map([['alpha', memberKeyOf('alpha')], ['beta', memberKeyOf('beta', { state: 'running' })]]); // prettier-ignore
    const view = stopped({ kind: 'empty' }, {}, { members });
    expect(kindsOf(view)).toContain('release_leader');
    expect(kindsOf(view)).not.toContain('clone');
  });
});

describe('a member of such a cluster that runs and gets no stream', () => {
  const streamless = (name: string, agoMs: number, over: Pieces = {}): View => {
    const { lead, ...pieces } = over;
    const leader = aKey('alpha', { createIndex: 20, modifyIndex: term, session: sessionOf('alpha') });
    const keys = managedKeys({ leader, members: membersKey('alpha', 'beta') });
    const since = { streamlessSinceMs: nowMs - agoMs, mayWriteSinceMs: null, ...lead };
    const look = { receiver: null, role: 'standby' as const, replayedLsn: 0x5000n };
    return managed(name, { config: demoted, keys, look, lead: since, ...pieces });
  };

  test('asks the remote primary, whether or not it leads', () => {
    expect(kindsOf(streamless('beta', 4_999))).not.toContain('read_line');
    expect(kindsOf(streamless('beta', 5_000))).toContain('read_line');
    const usual = managed('beta');
    const receiver = usual.local.look!.receiver;
    expect(kindsOf(streamless('beta', 5_000, { look: { receiver } }))).toContain('read_line');
  });

  test('is stopped when it has WAL that the remote primary has not', () => {
    expect(actionsOf(streamless('beta', 9_000, { lead: readAgo(100) }), 'stop_server')).toMatchObject([
      { why: expect.stringContaining('after 0/4000, where standby_cluster left it') as string },
    ]);
    expect(kindsOf(streamless('beta', 9_000))).not.toContain('stop_server');
    const same = readAgo(100, { timeline: 1, switches: [], isPrimary: true, beganHere: null });
    expect(kindsOf(streamless('beta', 9_000, { lead: same }))).not.toContain('stop_server');
    const config = configWith({ usePgRewind: false });
    const kept = streamless('beta', 9_000, { config, lead: readAgo(100) });
    expect(kindsOf(kept)).not.toContain('stop_server');
    expect(problemsOf(kept)).toContainEqual(expect.objectContaining({ code: 'diverged' }));
  });

  test('is told to stream from elsewhere only once it is known whether it can', () => {
    const settings = { ...managed('beta').local.look!.settings, upstreamHost: 'elsewhere.test' };
    const told = (lead: Pieces['lead'] = {}, view: Partial<View> = {}): View =>
      streamless('beta', 0, { look: { role: 'standby', settings, replayedLsn: 0x5000n }, lead, view });
    expect(kindsOf(told())).toContain('read_line');
    expect(holdOf(told(), 'follow')).toBe('it is not known yet where the remote primary left its line');
    expect(kindsOf(told(readAgo(100, { timeline: 1, switches: [], isPrimary: true, beganHere: null })))).toContain(
      'follow',
    );
    expect(kindsOf(told({}, failed('read_line')))).toContain('follow');
    expect(kindsOf(told(readAgo(100)))).toContain('stop_server');
  });

  test('and not where it has the number of the timeline from another one', () => {
    const settings = { ...managed('beta').local.look!.settings, upstreamHost: 'elsewhere.test' };
    const told = (beganHere: bigint): readonly string[] => {
      const look = { role: 'standby' as const, settings, timeline: 2, replayedLsn: 0x5000n };
      return kindsOf(streamless('beta', 0, { look, lead: readAgo(100, { ...left, beganHere }) }));
    };
    expect(told(0x4000n)).toContain('follow');
    expect(told(0x4001n)).toContain('stop_server');
  });

  test('says so when the remote primary can not be asked', () => {
    const view = streamless('beta', 9_000, { view: failed('read_line') });
    expect(problemsOf(view)).toContainEqual(
      expect.objectContaining({ code: 'remote_primary', what: expect.stringContaining('no route') as string }),
    );
  });
});
