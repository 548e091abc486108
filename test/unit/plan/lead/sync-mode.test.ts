import { describe, expect, test } from 'vitest';
import type { SyncState } from '../../../../src/domain/lead.ts';
import type { ReplicationClient } from '../../../../src/domain/server.ts';
import { tagsFrom } from '../../../../src/domain/tags.ts';
import { synchronousNames } from '../../../../src/plan/lead/sync-mode.ts';
import { wantedServerPlan } from '../../../../src/plan/lead/server-plan.ts';
import type { View } from '../../../../src/view/view.ts';
import { leadConfig, managed, managedKeys, memberKeyOf, membersKey } from '../../../support/lead.ts';
import { actionsOf, after, failed, kindsOf, later } from '../../../support/situations.ts';
import { aKey, aPrimaryLook, nowMs } from '../../../support/turns.ts';

const on = leadConfig({ synchronousMode: true });
const usual = aPrimaryLook().replication[0]!;

interface Situation {
  readonly sync?: SyncState | null;
  readonly rows?: readonly Partial<ReplicationClient>[];
  /** Where the WAL was when PostgreSQL was first seen to wait for the standby. */
  readonly since?: readonly (readonly [string, bigint])[];
  readonly names?: string;
  readonly config?: typeof on;
}

function alpha({
  sync = { leader: 'alpha', standbys: [] },
  rows = [{}],
  since = [],
  names,
  config = on,
}: Situation): View {
  const view = managed('alpha', {
    keys: managedKeys({ sync: sync === null ? null : aKey(sync), members: membersKey('alpha', 'beta', 'gamma') }),
    config,
    look: { replication: rows.map((row) => ({ ...usual, ...row })) },
    lead: { synchronous: new Map(since) },
  });
  const applied = { ...wantedServerPlan(view), synchronousStandbyNames: names ?? '' };
  return { ...view, memory: { ...view.memory, lead: { ...view.memory.lead, applied } } };
}
const published = (view: View): readonly string[] | undefined => actionsOf(view, 'publish_sync')[0]?.sync.standbys;
const beta: SyncState = { leader: 'alpha', standbys: ['beta'] };

describe('a standby becomes synchronous', () => {
  test('first PostgreSQL waits for it', () => {
    expect(synchronousNames(alpha({}))).toBe('1 ("beta")');
    expect(kindsOf(alpha({}))).toContain('configure_server');
    expect(published(alpha({}))).toBeUndefined();
  });

  test('then it has to have what was acknowledged before; then it comes into the key', () => {
    const waiting = { names: '1 ("beta")', since: [['beta', 0x5000n]] } as const;
    expect(published(alpha({ ...waiting, rows: [{ replayLsn: 0x4fffn }] }))).toBeUndefined();
    expect(published(alpha({ ...waiting, rows: [{ replayLsn: 0x5000n }] }))).toEqual(['beta']);
  });

  test('not one that is tagged nosync, does not stream, or is not known', () => {
    expect(synchronousNames(alpha({ rows: [{ state: 'catchup' }] }))).toBe('');
    expect(synchronousNames(alpha({ rows: [{ applicationName: 'tool' }] }))).toBe('');
  });

  test('never more than are asked for; whoever is one stays one', () => {
    const rows = [{ applicationName: 'gamma', replayLsn: 0x5000n }, { replayLsn: 0x4000n }];
    expect(synchronousNames(alpha({ rows }))).toBe('1 ("gamma")');
    expect(synchronousNames(alpha({ rows, sync: beta }))).toBe('1 ("beta")');
    const two = leadConfig({ synchronousMode: true, synchronousNodeCount: 2 });
    expect(synchronousNames(alpha({ rows, config: two }))).toBe('2 ("beta","gamma")');
  });
});

describe('a write of the key whose answer is lost', () => {
  const since = [['beta', 0x5000n]] as const;
  const ready = alpha({ names: '1 ("beta")', since, rows: [{ replayLsn: 0x5000n }] });
  const [action] = actionsOf(ready, 'publish_sync');
  const gone = { ...ready.local.look!, replication: [{ ...usual, applicationName: 'gamma' }] };
  const lost = (view = ready): View =>
    after(view, [
      { kind: 'started', action: action! },
      failed(action!),
      { kind: 'look', startedAtMs: nowMs, look: gone },
    ]);

  test('may have come about: PostgreSQL waits for whom it would list, also when that one goes', () => {
    expect(synchronousNames(lost())).toBe('2 ("beta","gamma")');
    const off = { ...lost(), config: leadConfig({}) };
    expect(synchronousNames(off)).toBe('1 ("beta")');
    expect(published(later(off, 7_000))).toEqual([]);
  });

  test('is settled by another one over the same version, which says what the key was read to say', () => {
    expect(actionsOf(later(lost(), 7_000), 'publish_sync')).toMatchObject([
      { sync: { standbys: [] }, index: 20, settles: true },
    ]);
    const { keys } = lost().consul;
    const newer = { ...keys!, sync: { ...keys!.sync!, modifyIndex: 900 } };
    const settled = { ...after(lost(), [{ kind: 'keys', keys: newer }]), config: on };
    expect(settled.memory.lead.syncAttempted).toBeNull();
    expect(synchronousNames(settled)).toBe('1 ("gamma")');
    expect(published(later(settled, 7_000))).toBeUndefined();
  });
});

describe('sync_priority', () => {
  const both = [{}, { applicationName: 'gamma' }];
  const withTags = (view: View, name: string, raw: Readonly<Record<string, unknown>>): View => {
    const keys = view.consul.keys!;
    const members = new Map(keys.members).set(name, memberKeyOf(name, { tags: tagsFrom(raw) }));
    return { ...view, consul: { ...view.consul, keys: { ...keys, members } } };
  };

  test('the higher one becomes synchronous, also in the place of another, which stays until it has everything', () => {
    expect(synchronousNames(alpha({ rows: both }))).toBe('1 ("beta")');
    expect(synchronousNames(withTags(alpha({ rows: both }), 'gamma', { sync_priority: 2 }))).toBe('1 ("gamma")');
    const replaced = withTags(alpha({ sync: beta, rows: both }), 'gamma', { sync_priority: 2 });
    expect(synchronousNames(replaced)).toBe('2 ("beta","gamma")');
    expect(published(replaced)).toBeUndefined();
    const ready = alpha({ sync: beta, rows: both, names: '2 ("beta","gamma")', since: [['gamma', 0n]] });
    expect(published(withTags(ready, 'gamma', { sync_priority: 2 }))).toEqual(['gamma']);
  });

  test('0 is never synchronous', () => {
    expect(synchronousNames(withTags(alpha({}), 'beta', { sync_priority: 0 }))).toBe('');
  });

  test('whoever can not be elected comes last all the same', () => {
    const tagged = withTags(alpha({ rows: both }), 'gamma', { sync_priority: 9, nofailover: true });
    expect(synchronousNames(tagged)).toBe('1 ("beta")');
  });
});

describe('a standby is synchronous no longer', () => {
  test('first it goes out of the key, then PostgreSQL stops to wait for it', () => {
    const gone = { sync: beta, rows: [], names: '1 ("beta")' };
    expect(published(alpha(gone))).toEqual([]);
    expect(synchronousNames(alpha(gone))).toBe('1 ("beta")');
    expect(synchronousNames(alpha({ ...gone, sync: { leader: 'alpha', standbys: [] } }))).toBe('');
  });

  test('when it falls too far behind another one, which has to be synchronous before it goes', () => {
    const config = leadConfig({ synchronousMode: true, maximumLagOnSyncnodeBytes: 0x100 });
    const gamma = { applicationName: 'gamma', replayLsn: 0x5000n };
    const behind = { sync: beta, rows: [{ replayLsn: 0x4e00n }, gamma], names: '2 ("beta","gamma")', config };
    expect(synchronousNames(alpha(behind))).toBe('2 ("beta","gamma")');
    expect(published(alpha({ ...behind, since: [['gamma', 0x5001n]] }))).toBeUndefined();
    expect(published(alpha({ ...behind, since: [['gamma', 0x5000n]] }))).toEqual(['gamma']);
    const replaced: SyncState = { leader: 'alpha', standbys: ['gamma'] };
    expect(synchronousNames(alpha({ ...behind, sync: replaced }))).toBe('1 ("gamma")');
    expect(published(alpha({ ...behind, rows: [{ replayLsn: 0x4f00n }, gamma] }))).toBeUndefined();
    // Whoever does not stream any more keeps commits waiting: it is not kept.
    expect(published(alpha({ ...behind, rows: [gamma], since: [['gamma', 0x5001n]] }))).toEqual([]);
  });

  test('when it falls too far behind the leader, and there is no other', () => {
    const config = leadConfig({ synchronousMode: true, maximumLagOnSyncnodeBytes: 0x100 });
    const end = aPrimaryLook().currentLsn ?? 0n;
    const rows = (lag: bigint) => [{ replayLsn: end - lag }];
    expect(published(alpha({ sync: beta, rows: rows(0x100n), names: '1 ("beta")', config }))).toBeUndefined();
    expect(published(alpha({ sync: beta, rows: rows(0x101n), names: '1 ("beta")', config }))).toEqual([]);
  });

  test('in strict mode commits wait for somebody all the same', () => {
    const strict = leadConfig({ synchronousMode: true, synchronousModeStrict: true });
    expect(synchronousNames(alpha({ rows: [], config: strict }))).toBe('*');
  });

  test('a server that does not answer, or is started again, goes on to wait for whoever is in the key', () => {
    const view = alpha({ sync: beta });
    expect(synchronousNames({ ...view, local: { ...view.local, look: null } })).toBe('1 ("beta")');
  });

  test('also when the mode is switched off: first the key', () => {
    const off = leadConfig({});
    const view = alpha({ sync: beta, config: off });
    expect(actionsOf(view, 'publish_sync')).toMatchObject([{ sync: { leader: null, standbys: [] } }]);
    expect(synchronousNames(view)).toBe('1 ("beta")');
    expect(synchronousNames(alpha({ sync: null, config: off }))).toBeNull();
  });
});

test('a leader that finds the key in the name of another one begins alone', () => {
  expect(published(alpha({ sync: { leader: 'beta', standbys: ['alpha'] } }))).toEqual([]);
});
