import { describe, expect, test } from 'vitest';
import type { ClusterKeys, Member } from '../../../../src/domain/cluster.ts';
import type { ControlData, DiskState } from '../../../../src/domain/disk.ts';
import type { View } from '../../../../src/view/view.ts';
import {
  aDisk,
  aManagedSelf,
  aTerm,
  down,
  leadConfig,
  managed,
  managedKeys,
  memberKeyOf,
  term,
  vacantKeys,
} from '../../../support/lead.ts';
import { actionsOf, after as fromThen, done, holdOf, kindsOf, type Undated } from '../../../support/situations.ts';
import { aKey, nowMs, sessionOf, systemIdentifier } from '../../../support/turns.ts';

type Pieces = NonNullable<Parameters<typeof managed>[1]>;

const of = (n: number) => ({ member: 'alpha', systemIdentifier, term: n });
const serverKinds = [
  ...['bootstrap', 'clone', 'restore_data', 'remove_data', 'start_server', 'stop_server', 'promote', 'rewind'],
  ...['restart_server', 'claim_initialize', 'give_up_initialize'],
];
/** What is planned for the server; `start_server 40` = under that term. */
const serverOf = (view: View): readonly string[] => {
  const term = actionsOf(view, 'start_server')[0]?.term ?? null;
  return kindsOf(view)
    .filter((kind) => serverKinds.includes(kind))
    .map((kind) => (kind === 'start_server' && term !== null ? `${kind} ${term}` : kind));
};

function empty(keys: ClusterKeys, over: Pieces = {}): View {
  return managed('gamma', { keys, local: { ...down({ kind: 'empty' }), look: null }, ...over });
}

describe('where there is no data', () => {
  const none = managedKeys({ initialize: null, leader: null, members: new Map(), terms: null, config: null });

  test('the race for initialize comes first, then the bootstrap', () => {
    expect(serverOf(empty(none))).toEqual(['claim_initialize']);
    const ours = { ...none, initialize: aKey('', { session: sessionOf('gamma') }) };
    expect(serverOf(empty(ours))).toEqual(['bootstrap']);
    const theirs = { ...none, initialize: aKey('', { session: sessionOf('beta') }) };
    expect(serverOf(empty(theirs))).toEqual([]);
  });

  test('no cluster is made where there has been one, or where another member has data', () => {
    expect(serverOf(empty({ ...none, terms: aKey([aTerm()]) }))).toEqual([]);
    const members = new Map([['beta', memberKeyOf('beta')]]);
    expect(holdOf(empty({ ...none, members }), 'server')).toBe('beta has the data of a cluster');
  });

  test('a bootstrap that failed is left to others for a while', () => {
    const failures = new Map([
      ['bootstrap', { count: 1, sinceMs: 0, lastAtMs: nowMs - 100, message: 'x', sqlstate: null }],
    ]);
    const ours = { ...none, initialize: aKey('', { session: sessionOf('gamma') }) };
    expect(serverOf(empty(ours, { view: { failures } }))).toEqual(['give_up_initialize']);
    expect(serverOf(empty(none, { view: { failures } }))).toEqual([]);
  });

  test('an agent that may make no cluster makes none', () => {
    expect(serverOf(empty(none, { self: { managed: aManagedSelf({ canBootstrap: false }) } }))).toEqual([]);
  });

  test('a standby cluster begins as a copy of the remote primary', () => {
    const ours = { ...none, initialize: aKey('', { session: sessionOf('gamma') }) };
    const standbyCluster = {
      host: 'far.test',
      port: 5433,
      primarySlotName: null,
      recovery: {},
      createReplicaMethods: ['restore'],
    };
    const self = { managed: aManagedSelf({ bootstrapConfig: leadConfig({ standbyCluster }) }) };
    const view = empty(ours, { self, view: { config: null } });
    expect(actionsOf(view, 'clone')).toMatchObject([
      { url: 'postgres://far.test:5433/postgres', methods: ['restore'] },
    ]);
  });

  test('the leader is copied, or a running member that is tagged for it', () => {
    expect(actionsOf(empty(managedKeys()), 'clone')).toMatchObject([{ source: { member: 'alpha', slot: 'gamma' } }]);
    const beta = memberKeyOf('beta');
    const tagged = { ...beta, value: { ...beta.value!, tags: { ...beta.value!.tags, clonefrom: true } } };
    const members = new Map([
      ['alpha', memberKeyOf('alpha')],
      ['beta', tagged],
    ]);
    expect(actionsOf(empty(managedKeys({ members })), 'clone')).toMatchObject([{ source: { member: 'beta' } }]);
  });

  test('while nobody can be copied, it comes out of a backup where a method can do that', () => {
    const self = { managed: aManagedSelf({ canRestore: true }) };
    const vacant = managedKeys({ leader: null });
    expect(serverOf(empty(vacant, { self }))).toEqual(['restore_data']);
    expect(serverOf(empty(managedKeys(), { self }))).toEqual(['clone']);
    expect(serverOf(empty({ ...vacant, initialize: aKey('', { session: sessionOf('beta') }) }, { self }))).toEqual([]);
    expect(serverOf(empty(vacant, { self, config: leadConfig({}, { pause: true }) }))).toEqual([]);
  });

  test('L9: no backup takes the place of data that the key sync counts on', () => {
    const self = { managed: aManagedSelf({ canRestore: true }) };
    const listing = (...standbys: readonly string[]): View =>
      empty(managedKeys({ leader: null, sync: aKey({ leader: 'alpha', standbys }) }), { self });
    expect(serverOf(listing('beta', 'gamma'))).toEqual([]);
    expect(holdOf(listing('gamma'), 'server')).toContain('the key sync counts on the data');
    expect(serverOf(listing('beta'))).toEqual(['restore_data']);
    const led = managedKeys({ leader: null, sync: aKey({ leader: 'gamma', standbys: [] }) });
    expect(serverOf(empty(led, { self }))).toEqual([]);
  });

  test('without a leader, and in pause, nothing is done', () => {
    expect(serverOf(empty(managedKeys({ leader: null })))).toEqual([]);
    expect(serverOf(empty(managedKeys(), { config: leadConfig({}, { pause: true }) }))).toEqual([]);
  });
});

describe('data that is of no use', () => {
  test('of an unfinished work is removed; what is not ours is left alone', () => {
    const other = (disk: DiskState): View => managed('beta', { local: down(disk) });
    expect(serverOf(other({ kind: 'unfinished', what: 'clone' }))).toEqual(['remove_data']);
    expect(serverOf(other({ kind: 'foreign', what: 'photos' }))).toEqual([]);
    expect(serverOf(other(aDisk({ systemIdentifier: '99' })))).toEqual([]);
  });
});

describe('the leader itself is down', () => {
  const crashed = (over: Pieces = {}): View =>
    managed('alpha', { local: down(aDisk({ state: 'in production' }, { term: of(term) })), ...over });

  test('it comes back in its own term, on the same timeline', () => {
    expect(serverOf(crashed())).toEqual([`start_server ${term}`]);
    expect(serverOf(crashed({ keys: managedKeys({ terms: null }) }))).toEqual([]);
    expect(serverOf(crashed({ renewedAgoMs: 5_000 }))).toEqual([]);
  });

  test('it gives the key back when that takes too long, and starts as a standby', () => {
    const config = leadConfig({ primaryStartTimeout: 0 });
    expect(kindsOf(crashed({ config, lead: { mayWriteSinceMs: null } }))).toContain('release_leader');
    const vacant = crashed({ keys: vacantKeys(), lead: { mayWriteSinceMs: null } });
    expect(serverOf(vacant)).toEqual(['start_server']);
  });
});

/** `alpha` was the primary on timeline 1 in term 30; `beta` leads in term 40 on timeline 2, which began at 0/5000. */
describe('a former primary', () => {
  const led = aTerm({ term: 40, leader: 'beta', timeline: 2, from: 0x5000n });
  const leader = aKey('beta', { createIndex: 40, modifyIndex: 40, session: sessionOf('beta') });
  const history = aKey([{ timeline: 1, lsn: 0x5000n, reason: 'x', timestamp: null, newLeader: 'beta' }]);
  const members = new Map([['beta', memberKeyOf('beta', { role: 'primary' })]]);
  const after = (over: Partial<ClusterKeys> = {}): ClusterKeys =>
    managedKeys({ leader, history, members, terms: aKey([aTerm(), led]), ...over });
  const former = (control: Partial<ControlData>, keys = after(), over: Pieces = {}): View =>
    managed('alpha', {
      keys,
      local: down(aDisk(control, { term: of(term) })),
      lead: { mayWriteSinceMs: null },
      ...over,
    });

  test('that stopped in order before the branch just follows', () => {
    expect(serverOf(former({ checkpointLsn: 0x4fffn }))).toEqual(['start_server']);
  });

  test('whose last checkpoint nobody received, or that crashed, is rewound', () => {
    expect(serverOf(former({ checkpointLsn: 0x5000n }))).toEqual(['rewind']);
    expect(serverOf(former({ checkpointLsn: 0x4000n, state: 'in production' }))).toEqual(['rewind']);
  });

  test('that was rewound in vain is rewound again ever later, until it streams', () => {
    const view = former({ checkpointLsn: 0x5000n }, after(), { lead: { mayWriteSinceMs: null, rewound: null } });
    const [rewind] = actionsOf(view, 'rewind');
    const rewound = fromThen(view, [done(rewind!, null)]).memory.lead.rewound;
    expect(rewound?.count).toBe(1);
    const at = (agoMs: number, count: number): readonly string[] =>
      serverOf(
        former({ checkpointLsn: 0x5000n }, after(), {
          lead: { mayWriteSinceMs: null, rewound: { count, atMs: nowMs - agoMs } },
        }),
      );
    expect([at(1_000, 1), at(10_000, 1), at(10_000, 3), at(40_000, 3)]).toEqual([[], ['rewind'], [], ['rewind']]);
    const streaming = managed('beta', { lead: { rewound: { count: 3, atMs: nowMs } } });
    const seen: Undated = { kind: 'look', startedAtMs: nowMs + 1, look: streaming.local.look! };
    expect(fromThen(streaming, [seen]).memory.lead.rewound).toBeNull();
  });

  test('of the same number from another place is copied anew: pg_rewind would find nothing to do', () => {
    const keys = after({ terms: aKey([aTerm(), { ...led, timeline: 2, from: 0x5000n }]) });
    const disk = aDisk({ timeline: 2 }, { isStandby: true, switches: [{ timeline: 1, lsn: 0x4000n }] });
    const view = managed('alpha', { keys, local: down(disk), lead: { mayWriteSinceMs: null } });
    expect(serverOf(view)).toEqual(['remove_data']);
  });

  test('that can not be rewound is copied anew only where that is allowed', () => {
    const view = (allowed: boolean): View => {
      const self = { managed: aManagedSelf({ removeDataOnDivergedTimelines: allowed }) };
      return former({ checkpointLsn: 0x6000n, isRewindable: false }, after(), { self });
    };
    expect(serverOf(view(true))).toEqual(['remove_data']);
    expect(serverOf(view(false))).toEqual([]);
    expect(holdOf(view(false), 'server')).toMatch(/slotkeeper reinit/);
  });

  test('waits until it is known what the leader writes, and until the leader runs', () => {
    const promoting = after({ terms: aKey([aTerm(), { ...led, timeline: null, from: null }]) });
    expect(serverOf(former({ checkpointLsn: 0x4fffn }, promoting))).toEqual([]);
    expect(serverOf(former({ checkpointLsn: 0x4fffn }, after({ history: null })))).toEqual([]);
    const replica = after({ members: new Map([['beta', memberKeyOf('beta')]]) });
    expect(serverOf(former({ checkpointLsn: 0x6000n }, replica))).toEqual([]);
  });

  test('L7: the same timeline from the same place, under a term that is superseded: a fresh copy, whatever it looks like', () => {
    const twins = after({
      terms: aKey([aTerm(), aTerm({ term: 35, timeline: 2, from: 0x5000n }), { ...led, timeline: 2 }]),
    });
    const disk = aDisk(
      { timeline: 2, checkpointLsn: 0x4fffn },
      { term: of(35), switches: [{ timeline: 1, lsn: 0x5000n }] },
    );
    const view = managed('alpha', { keys: twins, local: down(disk), lead: { mayWriteSinceMs: null } });
    expect(serverOf(view)).toEqual(['remove_data']);
  });

  test.each([
    ['is not listed', aKey([led])],
    ['was listed without a timeline', aKey([aTerm({ timeline: null }), led])],
  ])('L7: a term that %s: a fresh copy', (_title, terms) => {
    expect(serverOf(former({ checkpointLsn: 0x4000n }, after({ terms })))).toEqual(['remove_data']);
  });

  test('L7: without a leader such data is not brought up to be elected', () => {
    const keys = { ...vacantKeys(), terms: aKey([led]) };
    expect(serverOf(former({ checkpointLsn: 0x4000n }, keys))).toEqual([]);
  });

  test('is not started before it is known from where it is to stream', () => {
    const unreachable = after({ members: new Map() });
    expect(holdOf(former({ checkpointLsn: 0x4fffn }, unreachable), 'server')).toBe(
      'beta, the leader, has not said yet where it is reached',
    );
  });

  test('that still runs is stopped, in pause too', () => {
    const running = managed('alpha', { keys: after(), config: leadConfig({}, { pause: true }) });
    expect(serverOf(running)).toEqual(['stop_server']);
  });
});

describe('a standby that runs', () => {
  test('is left alone at rest', () => expect(serverOf(managed('beta'))).toEqual([]));

  test('streams from the new leader by a reload', () => {
    const leader = aKey('gamma', { createIndex: 40, modifyIndex: 40, session: sessionOf('gamma') });
    const members = new Map([
      ['gamma', memberKeyOf('gamma', { role: 'primary' })],
      ['beta', memberKeyOf('beta')],
    ]);
    const view = managed('beta', { keys: managedKeys({ leader, members }) });
    expect(actionsOf(view, 'follow')).toMatchObject([{ plan: { upstream: { host: 'gamma.test', slot: 'beta' } } }]);
  });

  test('that has WAL which the leader has not, and nobody to stream from, is stopped to be rewound', () => {
    const leader = aKey('gamma', { createIndex: 40, modifyIndex: 40, session: sessionOf('gamma') });
    const keys = managedKeys({
      leader,
      history: aKey([{ timeline: 1, lsn: 0x4000n, reason: 'x', timestamp: null, newLeader: 'gamma' }]),
      terms: aKey([aTerm(), aTerm({ term: 40, leader: 'gamma', timeline: 2, from: 0x4000n })]),
    });
    const stuck = (agoMs: number): View =>
      managed('beta', { keys, look: { receiver: null }, lead: { streamlessSinceMs: nowMs - agoMs } });
    expect(serverOf(stuck(4_000))).toEqual([]);
    expect(serverOf(stuck(5_000))).toEqual(['stop_server']);
  });
});

describe('a primary without a lease', () => {
  const started = (over: Pieces = {}): View =>
    managed('alpha', { keys: vacantKeys(), lead: { guard: null, vacant: { sinceMs: nowMs, after: 30 } }, ...over });

  test('takes the key at once when nobody has it and nobody has led since', () => {
    expect(kindsOf(started())).toContain('acquire_leader');
    const terms = aKey([aTerm(), aTerm({ term: 40, leader: 'beta', timeline: 1 })]);
    const view = started({ keys: vacantKeys({ terms }) });
    expect(kindsOf(view)).not.toContain('acquire_leader');
  });

  test('gets the key of an earlier run of its agent without a gap', () => {
    const leader = aKey('alpha', { createIndex: 10, modifyIndex: 30, session: 'former' });
    const alpha = { ...memberKeyOf('alpha'), session: 'former' };
    const view = managed('alpha', { keys: managedKeys({ leader, members: new Map([['alpha', alpha]]) }) });
    expect(actionsOf(view, 'take_over_leader')).toEqual([
      { kind: 'take_over_leader', session: sessionOf('alpha'), former: 'former' },
    ]);
    expect(kindsOf(view)).not.toContain('end_former_session');
    expect(kindsOf(view)).not.toContain('publish_member');
  });

  test('the member key changes over to the present session without a gap, too, and before anything is decided', () => {
    const former = (over: Partial<Member> = {}) => ({ ...memberKeyOf('beta', over), session: 'former' });
    const view = managed('beta', { keys: vacantKeys({ members: new Map([['beta', former()]]) }) });
    expect(actionsOf(view, 'publish_member')).toMatchObject([{ session: sessionOf('beta'), former: 'former' }]);
    expect(kindsOf(view)).not.toContain('acquire_leader');
    expect(kindsOf(view)).not.toContain('end_former_session');
    const elsewhere = former({ connUrl: 'postgres://elsewhere:5432/postgres' });
    const taken = managed('beta', { keys: vacantKeys({ members: new Map([['beta', elsewhere]]) }) });
    expect(kindsOf(taken)).not.toContain('publish_member');
  });

  test('is stopped when it gets none within the time of a lease, but not in pause', () => {
    const keyless = { consul: { contact: { kind: 'never' }, keys: null } } as const;
    const lead = (agoMs: number) => ({ guard: null, mayWriteSinceMs: nowMs - agoMs });
    expect(serverOf(managed('alpha', { view: keyless, lead: lead(9_000) }))).toEqual([]);
    expect(serverOf(managed('alpha', { view: keyless, lead: lead(10_000) }))).toEqual(['stop_server']);
    const config = leadConfig({}, { pause: true });
    expect(serverOf(managed('alpha', { view: keyless, lead: lead(10_000), config }))).toEqual([]);
  });
});
