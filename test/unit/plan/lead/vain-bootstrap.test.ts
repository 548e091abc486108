import { describe, expect, test } from 'vitest';
import type { Action } from '../../../../src/domain/action.ts';
import type { ClusterKeys } from '../../../../src/domain/cluster.ts';
import type { DiskState } from '../../../../src/domain/disk.ts';
import { wantedServerPlan } from '../../../../src/plan/lead/server-plan.ts';
import type { LeadMemory, View } from '../../../../src/view/view.ts';
import { aDisk, aTerm, down, leadConfig, managed, managedKeys } from '../../../support/lead.ts';
import { actionsOf, after, done, holdOf, kindsOf } from '../../../support/situations.ts';
import { aKey, aStandbyLook, nowMs, sessionOf } from '../../../support/turns.ts';

const serverKinds = ['start_server', 'stop_server', 'remove_data', 'bootstrap', 'clone', 'rewind', 'promote'];
const serverOf = (view: View): readonly string[] => kindsOf(view).filter((kind) => serverKinds.includes(kind));

const made = { isUnled: true, mayWriteSinceMs: null };
/** Of another cluster than the scope's. */
const other = { systemIdentifier: '99' };

const stopped = (disk: DiskState, lead: Partial<LeadMemory> = made, keys: ClusterKeys = managedKeys()): View =>
  managed('gamma', { local: { ...down(disk), look: null }, lead, keys });
const primary = (look: { readonly systemIdentifier?: string }, keys: ClusterKeys = managedKeys()): View =>
  managed('gamma', { keys, look: { role: 'primary', ...look }, lead: { isUnled: true, mayWriteSinceMs: nowMs - 100 } });
const standby = (lead: Partial<LeadMemory>, isPaused = false): View =>
  managed('gamma', {
    look: { role: 'standby', receiver: null, ...other },
    lead,
    config: leadConfig({}, { pause: isPaused }),
  });
const claimedBy = (name: string): ClusterKeys =>
  managedKeys({ initialize: aKey('', { session: sessionOf(name) }), leader: null, terms: null });

describe('L6.1: a bootstrap that ended after another member had made the cluster', () => {
  test('is stopped at once, and its data makes room for a copy', () => {
    expect(serverOf(primary(other))).toEqual(['stop_server']);
    expect(serverOf(stopped(aDisk(other)))).toEqual(['remove_data']);
  });

  test('is stopped also where it was started as a standby in between, but not in pause', () => {
    expect(serverOf(standby(made))).toEqual(['stop_server']);
    expect(serverOf(standby(made, true))).toEqual([]);
  });

  test('is stopped also while the other one is still at it, and waits for what comes of that', () => {
    expect(serverOf(primary({}, claimedBy('beta')))).toEqual(['stop_server']);
    expect(serverOf(primary({}, claimedBy('gamma')))).toEqual([]);
    const waiting = stopped(aDisk(), made, claimedBy('beta'));
    expect(serverOf(waiting)).toEqual([]);
    expect(holdOf(waiting, 'server')).toBe('another member makes the cluster');
    const givenUp = { ...claimedBy('beta'), initialize: null };
    expect(serverOf(stopped(aDisk(), made, givenUp))).toEqual(['start_server']);
  });

  test('is given up at once, before it ends with a server that accepts writes, when the lock on initialize is lost', () => {
    const making = (keys: ClusterKeys): View => {
      const empty = managed('gamma', { keys, local: down({ kind: 'empty' }) });
      return after(empty, [
        { kind: 'started', action: { kind: 'bootstrap', session: sessionOf('gamma'), plan: wantedServerPlan(empty) } },
      ]);
    };
    const modesOf = (view: View) => actionsOf(view, 'stop_server').map(({ mode }) => mode);
    const claimed = claimedBy('gamma');
    expect(modesOf(making(claimed))).toEqual([]);
    expect(modesOf(making({ ...claimed, initialize: null }))).toEqual(['immediate']);
    expect(modesOf(making(claimedBy('beta')))).toEqual(['immediate']);
    expect(modesOf(making(managedKeys()))).toEqual(['immediate']);
    expect(modesOf({ ...making(claimed), session: { kind: 'none', why: 'the lease ran out' } })).toEqual(['immediate']);
  });

  test('is left alone where somebody led with it, or it is not known to have been made here', () => {
    const term = { member: 'gamma', systemIdentifier: '99', term: 20 };
    expect(serverOf(stopped(aDisk(other, { term })))).toEqual([]);
    const listed = managedKeys({ terms: aKey([aTerm({ term: 20, leader: 'gamma' }), aTerm()]) });
    expect(serverOf(stopped(aDisk(other), made, listed))).toEqual([]);
    expect(serverOf(stopped(aDisk(other), {}))).toEqual([]);
    expect(serverOf(standby({}))).toEqual([]);
  });
});

describe('that nobody has led with what was bootstrapped here', () => {
  const nothingThere = managed('gamma', { local: down({ kind: 'empty' }), keys: claimedBy('gamma') });
  const plan = wantedServerPlan(nothingThere);
  const bootstrapped = after(nothingThere, [done({ kind: 'bootstrap', session: sessionOf('gamma'), plan }, null)]);
  const isUnled = (view: View): boolean => view.memory.lead.isUnled;
  const begun = (action: Action): View => after(bootstrapped, [{ kind: 'started', action }]);
  const inspected = (view: View, disk: DiskState): View =>
    after(view, [{ kind: 'disk', startedAtMs: view.nowMs + 50, disk }]);

  test('is known of one that this run made, of whatever its method', () => {
    expect(isUnled(nothingThere)).toBe(false);
    expect(isUnled(bootstrapped)).toBe(true);
    const noted = managed('gamma', { local: down(null), lead: made });
    expect(isUnled(inspected(noted, aDisk(other)))).toBe(true);
  });

  test('is known of one that an earlier run made, whether or not its server runs', () => {
    const started = managed('gamma', { look: { role: 'standby', ...other }, lead: { mayWriteSinceMs: null } });
    const notes = { term: null, isUnled: true, configText: null };
    const recalled = after(started, [{ kind: 'notes', notes, config: null }]);
    expect(isUnled(recalled)).toBe(true);
    const unseen = managed('gamma', { local: down(null) });
    expect(isUnled(inspected(unseen, aDisk(other, { isUnled: true })))).toBe(true);
  });

  test('is over with the first term under which it may be written to, whatever comes of that', () => {
    expect(isUnled(begun({ kind: 'record_term', term: 7 }))).toBe(false);
    expect(isUnled(begun({ kind: 'start_server', plan, term: 7 }))).toBe(false);
    expect(isUnled(begun({ kind: 'start_server', plan, term: null }))).toBe(true);
    const term = { member: 'gamma', systemIdentifier: '99', term: 7 };
    expect(isUnled(inspected(managed('gamma', { local: down(null), lead: made }), aDisk(other, { term })))).toBe(false);
  });

  test('is over where others have the same data, or there is other data', () => {
    const streaming = aStandbyLook();
    const following = managed('gamma', { lead: made, look: { role: 'standby' } });
    expect(isUnled(after(following, [{ kind: 'look', startedAtMs: nowMs, look: streaming }]))).toBe(false);
    expect(isUnled(inspected(managed('gamma', { local: down(null), lead: made }), { kind: 'empty' }))).toBe(false);
  });
});
