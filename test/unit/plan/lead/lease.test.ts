import { describe, expect, test } from 'vitest';
import { guardOf, leadingTerm, leaseDeadlineMs, mayWrite } from '../../../../src/view/lease.ts';
import { fold } from '../../../../src/view/fold.ts';
import type { View } from '../../../../src/view/view.ts';
import { managed, managedKeys, term, vacantKeys, down, aDisk } from '../../../support/lead.ts';
import { actionsOf, after, kindsOf, later } from '../../../support/situations.ts';
import { aKey, aStandbyLook, nowMs, nowWallMs, sessionOf } from '../../../support/turns.ts';

const alpha = (): View => managed('alpha');
const renewed = (view: View, atMs: number, sentAtMs: number): View =>
  fold(view, {
    kind: 'session',
    atMs,
    wallMs: nowWallMs,
    session: { kind: 'held', id: sessionOf('alpha'), ttlSeconds: 10, clampedFrom: null, renewedAtMs: sentAtMs },
  });

describe('L1: a lease', () => {
  test('counts from before its renewal was sent, less the time to fence', () => {
    expect(leaseDeadlineMs(alpha())).toBe(nowMs - 500 + 10_000 - 1_500);
    expect(leadingTerm(alpha())).toBe(term);
  });

  test('is no longer than the lock delay, which is all that is left of a session that is destroyed', () => {
    const view = alpha();
    const held = (ttlSeconds: number): View => ({
      ...view,
      session: { ...view.session, ttlSeconds } as View['session'],
    });
    expect(leaseDeadlineMs(held(60))).toBe(nowMs - 500 + 60_000 - 1_500);
    expect(leaseDeadlineMs(held(100))).toBe(nowMs - 500 + 60_000 - 1_500);
  });

  test('that is renewed in time goes on', () => {
    const view = renewed(alpha(), nowMs + 7_000, nowMs + 6_900);
    expect(leadingTerm(view)).toBe(term);
    expect(guardOf(view)).toMatchObject({ kind: 'leader', term, deadlineMs: nowMs + 6_900 + 8_500 + 500 });
  });

  test('a renewal that is learnt of after the deadline deposes all the same, and puts no end off', () => {
    const before = later(alpha(), 10);
    const view = renewed(before, nowMs + 8_001, nowMs + 8_000);
    expect(leadingTerm(view)).toBeNull();
    expect(guardOf(view)).toEqual(guardOf(before));
    expect(actionsOf(view, 'stop_server')).toMatchObject([{ mode: 'immediate', why: 'the lease ran out' }]);
    expect(kindsOf(view)).not.toContain('acquire_leader');
    expect(kindsOf(view)).not.toContain('publish_status');
  });

  test('a term that is over stays so, whatever answers say of the key later', () => {
    const deposed = renewed(later(alpha(), 8_100), nowMs + 8_200, nowMs + 8_150);
    const view = after(deposed, [{ kind: 'keys', keys: managedKeys({ index: 300 }) }]);
    expect(leadingTerm(view)).toBeNull();
  });

  test('ends with the session, and the server is stopped in order while the time that it had lasts', () => {
    const view = after(alpha(), [{ kind: 'session', session: { kind: 'none', why: 'destroyed' } }]);
    expect(view.memory.lead.deposed).toEqual({ term, why: 'session' });
    expect(actionsOf(view, 'stop_server')).toMatchObject([{ mode: 'fast' }]);
    expect(actionsOf(later(view, 8_000), 'stop_server')).toMatchObject([{ mode: 'immediate' }]);
  });

  test('a cluster that is made is guarded, too, by the lock on initialize, and until that lease is over', () => {
    const claimed = (name: string) => vacantKeys({ initialize: aKey('', { session: sessionOf(name) }), terms: null });
    const making = managed('alpha', { keys: claimed('alpha'), local: down({ kind: 'empty' }), lead: { guard: null } });
    const deadlineMs = nowMs - 500 + 8_500 + 500;
    const guard = { kind: 'leader', term: 0, deadlineMs, session: sessionOf('alpha') };
    const known = later(making, 10);
    expect(guardOf(known)).toEqual(guard);
    // Lost, while its server may accept writes: what was promised stands until that is over.
    const begun = { kind: 'started', action: actionsOf(known, 'bootstrap')[0]! } as const;
    const lost = after(after(known, [begun]), [{ kind: 'keys', keys: { ...claimed('beta'), index: 220 } }]);
    expect(guardOf(lost)).toEqual(guard);
    expect(actionsOf(lost, 'stop_server')).toMatchObject([{ mode: 'immediate' }]);
    const others = managed('alpha', { keys: claimed('beta'), local: down({ kind: 'empty' }), lead: { guard: null } });
    expect(guardOf(later(others, 10))).toEqual({ kind: 'none' });
  });

  test('ends when another member holds the key', () => {
    const leader = aKey('beta', { createIndex: 210, modifyIndex: 210, session: sessionOf('beta') });
    const view = after(alpha(), [{ kind: 'keys', keys: managedKeys({ index: 210, leader }) }]);
    expect(leadingTerm(view)).toBeNull();
    expect(actionsOf(view, 'stop_server')).toMatchObject([{ mode: 'fast', why: 'beta leads' }]);
  });

  test('an agent that has just been started looks at its server before it stops it for another leader', () => {
    const leader = aKey('beta', { createIndex: 210, modifyIndex: 210, session: sessionOf('beta') });
    const started = managed('alpha', {
      keys: managedKeys({ index: 210, leader }),
      local: { contact: { kind: 'never' }, look: null },
      lead: { guard: null, recordedTerm: null },
    });
    expect(kindsOf(started)).not.toContain('stop_server');
    const hung = { kind: 'server_trouble', trouble: 'timeout', why: 'no answer', copyInterrupted: false } as const;
    expect(actionsOf(after(started, [hung]), 'stop_server')).toMatchObject([{ mode: 'fast', why: 'beta leads' }]);
    const standby = after(started, [{ kind: 'look', startedAtMs: nowMs + 1, look: aStandbyLook() }]);
    expect(kindsOf(standby)).not.toContain('stop_server');
  });

  test('a key that was deleted by hand is taken again, without a stop', () => {
    const view = after(alpha(), [{ kind: 'keys', keys: vacantKeys({ members: managedKeys().members }) }]);
    expect(leadingTerm(view)).toBeNull();
    expect(kindsOf(view)).toContain('acquire_leader');
    expect(kindsOf(view)).not.toContain('stop_server');
  });

  test('a key that was written over by hand is a new term of the same leader', () => {
    const leader = aKey('junk', { createIndex: 10, modifyIndex: 215, session: sessionOf('alpha') });
    const view = after(alpha(), [{ kind: 'keys', keys: managedKeys({ index: 215, leader }) }]);
    expect(leadingTerm(view)).toBe(215);
    expect(kindsOf(view)).toContain('publish_terms');
    expect(kindsOf(view)).not.toContain('stop_server');
  });
});

describe('whether the server may write', () => {
  test('is not known before it was looked at, and after whatever lets it', () => {
    expect(mayWrite(alpha())).toBe(true);
    const beta = managed('beta');
    expect(mayWrite(beta)).toBe(false);
    const promote = { kind: 'promote', session: sessionOf('beta'), term: 40, newestTimeline: 1 } as const;
    const begun = after(beta, [{ kind: 'started', action: promote }]);
    expect(mayWrite(begun)).toBe(true);
    const stale = after(begun, [{ kind: 'look', startedAtMs: nowMs, look: aStandbyLook() }]);
    expect(mayWrite(stale)).toBe(true);
  });

  test('is known once its data was looked at while nothing ran on it; then there is nothing to guard either', () => {
    const stop = { kind: 'stop_server', mode: 'immediate', why: 'x' } as const;
    const deposed = later(managed('alpha', { local: down(null) }), 9_000);
    const stopping = after(deposed, [{ kind: 'started', action: stop }]);
    const early = after(stopping, [{ kind: 'disk', startedAtMs: stopping.nowMs, disk: aDisk() }]);
    expect(mayWrite(early)).toBe(true);
    const outcome = { kind: 'done', startedAtMs: 0, endedAtMs: 0, done: { action: stop, result: null } } as const;
    const stopped = after(early, [{ kind: 'outcome', outcome }]);
    const known = after(stopped, [{ kind: 'disk', startedAtMs: stopped.nowMs + 1, disk: aDisk() }]);
    expect(mayWrite(known)).toBe(false);
    expect(guardOf(known)).toEqual({ kind: 'none' });
    expect(kindsOf(known)).toContain('release_leader');
  });
});
