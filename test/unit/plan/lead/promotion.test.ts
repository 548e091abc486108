import { describe, expect, test } from 'vitest';
import type { ClusterKeys } from '../../../../src/domain/cluster.ts';
import { fold } from '../../../../src/view/fold.ts';
import type { Failure, View } from '../../../../src/view/view.ts';
import { aTerm, leadConfig, managed, managedKeys } from '../../../support/lead.ts';
import { actionsOf, holdOf, kindsOf } from '../../../support/situations.ts';
import { aKey, aStatus, nowMs, nowWallMs, sessionOf } from '../../../support/turns.ts';

const own = aTerm({ term: 40, leader: 'beta', timeline: null });
const leader = aKey('beta', { createIndex: 40, modifyIndex: 40, session: sessionOf('beta') });

/** `beta`, a standby whose agent has got the leader key in term 40. */
function elected(keys: Partial<ClusterKeys> = {}, over: Parameters<typeof managed>[1] = {}): View {
  return managed('beta', { keys: managedKeys({ leader, terms: aKey([aTerm(), own]), ...keys }), ...over });
}

function promotionFailed(agoMs: number): ReadonlyMap<string, Failure> {
  const lastAtMs = nowMs - agoMs;
  return new Map([['promote', { count: 1, sinceMs: lastAtMs, lastAtMs, message: 'no', sqlstate: null }]]);
}

describe('a promotion', () => {
  test('comes after the term is listed (L7)', () => {
    const view = elected({ terms: aKey([aTerm()]) });
    expect(kindsOf(view)).not.toContain('promote');
    expect(actionsOf(view, 'publish_terms')).toMatchObject([{ terms: [aTerm(), own] }]);
    expect(actionsOf(elected(), 'promote')).toEqual([
      { kind: 'promote', session: sessionOf('beta'), term: 40, newestTimeline: 1 },
    ]);
  });

  test('takes no number of a timeline that another leader may have taken (L7)', () => {
    const newestOf = (...terms: readonly ReturnType<typeof aTerm>[]): number | undefined =>
      actionsOf(elected({ terms: aKey([...terms, own]) }), 'promote')[0]?.newestTimeline;
    expect(newestOf(aTerm({ term: 20, timeline: 3 }))).toBe(3);
    // Promoted, and gone before it could say so.
    expect(newestOf(aTerm({ term: 20, timeline: 3 }), aTerm({ term: 30, timeline: null }))).toBe(4);
  });

  test('needs enough of the lease', () => {
    expect(holdOf(elected({}, { renewedAgoMs: 4_700 }), 'promotion')).toBe('too little is left of the lease');
  });

  test('in synchronous mode comes after the key sync names the new leader alone', () => {
    const config = leadConfig({ synchronousMode: true });
    const before = elected({ sync: aKey({ leader: 'alpha', standbys: ['beta'] }) }, { config });
    expect(kindsOf(before)).not.toContain('promote');
    expect(actionsOf(before, 'publish_sync')).toMatchObject([{ sync: { leader: 'beta', standbys: [] } }]);
    const alone = elected({ sync: aKey({ leader: 'beta', standbys: [] }) }, { config });
    expect(kindsOf(alone)).toContain('promote');
  });

  test('does not take place in a standby cluster, whose leader streams from the remote primary', () => {
    const standbyCluster = {
      host: 'far.test',
      port: 5433,
      primarySlotName: 'here',
      recovery: {},
      createReplicaMethods: [],
    };
    const line = { timeline: 1, switches: [], isPrimary: true, beganHere: null };
    const lead = { remoteLine: { line, atMs: nowMs } };
    const view = elected({ terms: null }, { config: leadConfig({ standbyCluster }), lead });
    expect(kindsOf(view)).not.toContain('promote');
    expect(kindsOf(view)).not.toContain('publish_terms');
    const upstream = { host: 'far.test', port: 5433, slot: 'here' };
    expect(actionsOf(view, 'follow')).toMatchObject([{ plan: { upstream } }]);
  });

  test('that failed makes the member give the key back', () => {
    const failures = promotionFailed(0);
    expect(kindsOf(elected({}, { view: { failures } }))).toContain('release_leader');
  });

  describe('of a standby that took the key by what it knew before another led, and that lacks what was written then', () => {
    const synchronousMode = { config: leadConfig({ synchronousMode: true }) };
    const near = elected();
    const lastStatus = aStatus({ optime: 0x5000n + 1_048_577n });
    const far = { ...near, memory: { ...near.memory, lastStatus } };
    const lacking: readonly (readonly [string, View])[] = [
      ['it is not synchronous', elected({ sync: aKey({ leader: 'gamma', standbys: ['alpha'] }) }, synchronousMode)],
      ['it is too far behind', far],
      [
        'a later leader did not build on it',
        elected({ terms: aKey([aTerm(), aTerm({ term: 35, timeline: 2, from: 0x4000n }), own]) }),
      ],
    ];
    test.each(lacking)('%s: the key is given back, and nothing else said', (_why, view) => {
      expect(kindsOf(view)).toContain('release_leader');
      for (const kind of ['promote', 'publish_sync', 'publish_terms']) expect(kindsOf(view)).not.toContain(kind);
    });

    test('but an operator may ask for it', () => {
      const request = { leader: null, candidate: 'beta', scheduledAt: null, force: false };
      const asked = elected({ failover: aKey(request) });
      expect(kindsOf({ ...asked, memory: far.memory })).toContain('promote');
    });
  });

  test('remembers the timeline with which the standby went for the key', () => {
    const session = sessionOf('beta');
    const view = fold(managed('beta', { look: { timeline: 3 } }), {
      kind: 'started',
      action: { kind: 'acquire_leader', session, initialize: null },
      atMs: nowMs,
      wallMs: nowWallMs,
    });
    expect(view.memory.lead.offered).toEqual({ timeline: 3, atMs: nowMs });
  });

  test('waits until a standby that crashed is on the timeline again that it was on; else the key is given back', () => {
    const crashed = (timeline: number, ageMs: number): View =>
      elected({}, { look: { timeline }, lead: { offered: { timeline: 4, atMs: nowMs - ageMs } } });
    expect(holdOf(crashed(2, 3_000), 'promotion')).toBe(
      'its server is on timeline 2, and was on 4 when it went for the leader key',
    );
    expect(kindsOf(crashed(2, 3_000))).not.toContain('release_leader');
    expect(kindsOf(crashed(2, 11_000))).toContain('release_leader');
    expect(kindsOf(crashed(4, 11_000))).toContain('promote');
  });

  test('that failed in an earlier term is tried again once others have had their turn (seed 28 of the simulator)', () => {
    const view = elected({}, { view: { failures: promotionFailed(30_000) } });
    expect(kindsOf(view)).not.toContain('release_leader');
    expect(kindsOf(view)).toContain('promote');
  });

  test('is followed by the timeline in the list, and by the record beside the data', () => {
    const look = managed('alpha').local.look!;
    const history = { timeline: 2, switches: [{ timeline: 1, lsn: 0x5000n, reason: 'x' }] };
    const view = elected({}, { look: { ...look, timeline: 2 }, local: { history }, lead: { mayWriteSinceMs: 0 } });
    expect(actionsOf(view, 'publish_terms')).toMatchObject([
      { terms: [aTerm(), aTerm({ term: 40, leader: 'beta', timeline: 2, from: 0x5000n })] },
    ]);
    expect(actionsOf(view, 'record_term')).toEqual([{ kind: 'record_term', term: 40 }]);
  });
});
