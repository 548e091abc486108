import { describe, expect, test } from 'vitest';
import { ownBid } from '../../../../src/plan/lead/race.ts';
import { unfitBecause } from '../../../../src/plan/lead/fitness.ts';
import { noTags } from '../../../../src/domain/config.ts';
import type { ClusterKeys } from '../../../../src/domain/cluster.ts';
import type { View } from '../../../../src/view/view.ts';
import {
  aRequest,
  aTerm,
  bidding,
  leadConfig,
  managed,
  memberKeyOf,
  membersKey,
  term,
  vacantKeys,
} from '../../../support/lead.ts';
import { after, failed, holdOf, kindsOf, later } from '../../../support/situations.ts';
import { aKey, aStatus, nowMs, sessionOf } from '../../../support/turns.ts';

type Pieces = NonNullable<Parameters<typeof managed>[1]>;

/** `beta`, a standby whose stream has ended, `agoMs` after the leader key was found to be nobody's. */
function beta(keys: Partial<ClusterKeys> = {}, agoMs = 0, over: Pieces = {}): View {
  const { lead, look, ...rest } = over;
  return managed('beta', {
    keys: vacantKeys(keys),
    look: { receiver: null, ...look },
    lead: { vacant: { sinceMs: nowMs - agoMs, after: term }, openSinceMs: nowMs - agoMs, ...lead },
    ...rest,
  });
}
const acquires = (view: View): boolean => kindsOf(view).includes('acquire_leader');
const withGamma = (gamma: Parameters<typeof bidding>[1]): Partial<ClusterKeys> => ({
  members: new Map([...membersKey('beta'), ['gamma', bidding('gamma', gamma)]]),
});

describe('L3: the race', () => {
  test('is won at once by the only one who is left', () => expect(acquires(beta())).toBe(true));

  test('is not begun while another member makes a cluster', () => {
    const initialize = aKey('', { session: sessionOf('gamma') });
    expect(holdOf(beta({ initialize }), 'leader key')).toBe('another member makes the cluster');
  });

  test('waits a second for the bids of all that are alive', () => {
    const keys = { members: membersKey('beta', 'gamma') };
    expect(holdOf(beta(keys), 'leader key')).toBe('it waits for the bids of gamma');
    expect(acquires(beta(keys, 1_000))).toBe(true);
  });

  test('a bid of an earlier race does not count', () => {
    expect(acquires(beta(withGamma({ after: term - 1, unfit: 'x' })))).toBe(false);
    expect(acquires(beta(withGamma({ after: term + 1, unfit: 'x' })))).toBe(true);
  });

  test.each([
    ['the furthest', { position: 0x5001n }, { position: 0x4fffn }],
    ['among equals the one with more slots ready', { unreadySlots: 0, priority: 9 }, { unreadySlots: 1 }],
    ['among equals the one with the higher priority', { priority: 2 }, { priority: 0 }],
  ])('%s goes first, the next best a second after the bids', (_title, better, worse) => {
    expect(holdOf(beta(withGamma(better), 1_900), 'leader key')).toBe('gamma is before it');
    expect(acquires(beta(withGamma(better), 2_000))).toBe(true);
    expect(acquires(beta(withGamma(worse)))).toBe(true);
  });

  test('while the lock delay lasts, the first tries all the time, and those who are next do not overtake it', () => {
    const acquire = { kind: 'acquire_leader', session: sessionOf('beta'), initialize: null } as const;
    const refused = after(beta(withGamma({ position: 0x4fffn })), [failed(acquire, { refused: true })]);
    expect(refused.memory.lead.isKeyDelayed).toBe(true);
    expect(acquires(later(refused, 100))).toBe(false);
    expect(acquires(later(refused, 200))).toBe(true);
    const next = (agoMs: number): View =>
      beta(withGamma({ position: 0x5001n }), agoMs, { lead: { isKeyDelayed: true } });
    expect(holdOf(next(11_900), 'leader key')).toBe('gamma is before it');
    expect(acquires(next(12_000))).toBe(true);
  });

  test('one that can not lead is waited for by nobody', () => {
    expect(acquires(beta(withGamma({ position: 0x9000n, unfit: 'it is tagged nofailover' })))).toBe(true);
  });

  test('nobody takes the key with too little of its own lease left, nor without Consul', () => {
    expect(holdOf(beta({}, 0, { renewedAgoMs: 5_000 }), 'leader key')).toBe('too little is left of the lease');
    const broken = { kind: 'broken', sinceMs: nowMs, why: 'x' } as const;
    const view = beta();
    expect(acquires({ ...view, consul: { ...view.consul, contact: broken } })).toBe(false);
  });
});

describe('L8: the former leader may still live', () => {
  test('its agent is alive: only its bid says that its server writes no more', () => {
    const alive = (alpha = memberKeyOf('alpha')): Partial<ClusterKeys> => ({
      members: new Map([['alpha', alpha], ...membersKey('beta')]),
    });
    expect(holdOf(beta(alive(), 60_000), 'leader key')).toBe('alpha, who led last, may still accept writes');
    const stopped = bidding('alpha', { unfit: 'its server does not run' });
    expect(acquires(beta(alive(stopped)))).toBe(true);
  });

  test('turns begin when it is out of the way: the furthest goes first after any wait', () => {
    const gamma = bidding('gamma', { position: 0x5001n });
    const members = (alpha: ReturnType<typeof memberKeyOf>): Partial<ClusterKeys> => ({
      members: new Map([['alpha', alpha], ['gamma', gamma], ...membersKey('beta')]),
    });
    const waiting = beta(members(memberKeyOf('alpha')), 60_000, { lead: { openSinceMs: null } });
    const stopped = bidding('alpha', { unfit: 'its server does not run' });
    const keys = vacantKeys(members(stopped));
    const open = after(later(waiting, 1_000), [{ kind: 'keys', keys }]);
    expect(holdOf(open, 'leader key')).toBe('gamma is before it');
    expect(holdOf(later(open, 1_800), 'leader key')).toBe('gamma is before it');
    expect(acquires(later(open, 2_000))).toBe(true);
  });

  test('its agent is gone and its server still sends: its lease is waited for', () => {
    const look = { receiver: { ...managed('beta').local.look!.receiver! } };
    expect(holdOf(beta({}, 9_900, { look }), 'leader key')).toBe('it still receives WAL from alpha');
    expect(acquires(beta({}, 10_000, { look }))).toBe(true);
  });
});

describe('L2: who can not lead', () => {
  const behind = { status: aKey(aStatus({ optime: 0x5000n + 1_048_577n })) };
  const verdicts = [{ slot: 'orders', type: 'logical', verdict: { kind: 'not_ready', reason: 'x' }, position: null }];
  const standing = { timeline: 1, verdicts, published: new Map() } as const;
  const unready = (guard: 'prefer' | 'require' | 'off', agoMs: number): View => {
    const view = beta({}, agoMs, { config: leadConfig({ promotionGuard: guard }) });
    return { ...view, memory: { ...view.memory, standing } } as View;
  };

  test.each<[string, View]>([
    ['it is tagged nofailover', beta({}, 0, { self: { tags: { ...noTags, nofailover: true } } })],
    ['the cluster is paused', beta({}, 0, { config: leadConfig({}, { pause: true }) })],
    ['it is not synchronous', sync({ leader: 'alpha', standbys: ['gamma'] })],
    ['it is on timeline 1, the newest is 2', onOldTimeline()],
    ['it has WAL on timeline 1 after 0/4000, where a later leader left it', superseded()],
  ])('%s', (why, view) => {
    expect(unfitBecause(view)).toBe(why);
    expect(ownBid(view)?.unfit).toBe(why);
    expect(acquires(view)).toBe(false);
  });

  test('whoever is further behind than maximum_lag_on_failover', () => {
    const view = beta(behind);
    expect(unfitBecause({ ...view, memory: { ...view.memory, lastStatus: behind.status.value } })).toMatch(/behind/);
  });

  test('whoever is in the key sync can', () => {
    expect(unfitBecause(sync({ leader: 'alpha', standbys: ['beta'] }))).toBeNull();
  });

  test('L4: slots that are not ready: require keeps it out, prefer lets it wait two seconds, off does nothing', () => {
    expect(acquires(unready('require', 60_000))).toBe(false);
    expect(acquires(unready('prefer', 1_900))).toBe(false);
    expect(acquires(unready('prefer', 2_000))).toBe(true);
    expect(acquires(unready('off', 0))).toBe(true);
  });

  test('a server that may write makes no bid', () => {
    expect(ownBid(beta({}, 0, { lead: { vacant: { sinceMs: nowMs, after: term }, mayWriteSinceMs: 0 } }))).toBeNull();
  });

  function sync(value: { leader: string; standbys: readonly string[] }): View {
    return beta({ sync: aKey(value) }, 0, { config: leadConfig({ synchronousMode: true }) });
  }
  function onOldTimeline(): View {
    const terms = aKey([aTerm(), aTerm({ term: 35, leader: 'gamma', timeline: 2, from: 0x9000n })]);
    return beta({ terms }, 0, { config: leadConfig({ checkTimeline: true }) });
  }
  function superseded(): View {
    return beta({ terms: aKey([aTerm(), aTerm({ term: 35, leader: 'gamma', timeline: 2, from: 0x4000n })]) });
  }
});

describe('a request that names the next leader', () => {
  test('the candidate does not wait for anybody; the others wait ten seconds for it', () => {
    const failover = aRequest({ candidate: 'gamma' });
    const members = new Map([...membersKey('beta'), ['gamma', bidding('gamma', { position: 0x4000n })]]);
    expect(holdOf(beta({ failover, members }, 9_900), 'leader key')).toBe('gamma is asked to lead');
    expect(acquires(beta({ failover, members }, 10_000))).toBe(true);
    const unfit = new Map([...membersKey('beta'), ['gamma', bidding('gamma', { unfit: 'x' })]]);
    expect(acquires(beta({ failover, members: unfit }))).toBe(true);
    const gamma = new Map([...membersKey('beta'), ['gamma', bidding('gamma', { position: 0x6000n })]]);
    expect(acquires(beta({ failover: aRequest(), members: gamma }))).toBe(true);
  });

  test('in pause only the candidate leads, and not before the former leader is known to be none', () => {
    const config = leadConfig({}, { pause: true });
    const failover = aRequest({ leader: null });
    const gone = beta({ failover }, 60_000, { config });
    expect(holdOf(gone, 'leader key')).toMatch(/nobody stops it while the cluster is paused/);
    expect(acquires(beta({ failover: aRequest({ leader: null, force: true }) }, 0, { config }))).toBe(true);
  });

  test('after a pause a former leader that is not heard of is given the time of a lease to hear of its end', () => {
    const pausedAgo = (agoMs: number, over: Pieces = {}): View =>
      beta({}, 60_000, { ...over, lead: { pausedUntilMs: nowMs - agoMs, ...over.lead } });
    expect(holdOf(pausedAgo(9_999), 'leader key')).toBe(
      'alpha, who led last, may not have heard that the pause is over',
    );
    expect(acquires(pausedAgo(10_000))).toBe(true);
    const { receiver } = managed('beta').local.look!;
    const streaming = pausedAgo(600_000, { look: { receiver } });
    expect(holdOf(streaming, 'leader key')).toBe('it still receives WAL from alpha');
    const synchronous = { ...streaming, config: leadConfig({ synchronousMode: true }) };
    expect(acquires(synchronous)).toBe(true);
  });

  test('that time begins when the pause ends that was on while nobody led', () => {
    const config = leadConfig({}, { pause: true });
    const paused = later(beta({}, 60_000, { config }), 100);
    expect(paused.memory.lead.pausedUntilMs).toBe(Infinity);
    const resumed = later({ ...paused, config: leadConfig({}) }, 100);
    expect(resumed.memory.lead.pausedUntilMs).toBe(resumed.nowMs);
    expect(later(resumed, 100).memory.lead.pausedUntilMs).toBe(resumed.nowMs);
    expect(later(managed('beta', { config }), 100).memory.lead.pausedUntilMs).toBeNull();
  });
});
