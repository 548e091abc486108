import { describe, expect, test } from 'vitest';
import type { FailsafeAnswer } from '../../../../src/domain/failsafe.ts';
import type { ActionOf } from '../../../../src/domain/action.ts';
import { leadProblems } from '../../../../src/plan/lead/problems.ts';
import { guardOf, leadingTerm } from '../../../../src/view/lease.ts';
import { isFailsafeActive } from '../../../../src/view/failsafe.ts';
import type { View } from '../../../../src/view/view.ts';
import {
  aBid,
  aDisk,
  bidding,
  down,
  leadConfig,
  managed,
  managedKeys,
  memberKeyOf,
  membersKey,
  term,
  vacantKeys,
} from '../../../support/lead.ts';
import { actionsOf, after, declared, done, failed, holdOf, kindsOf, later } from '../../../support/situations.ts';
import { aKey, aPhysicalSlot, aPrimaryLook, aStandbyLook, aStatus, nowMs, sessionOf } from '../../../support/turns.ts';

const config = leadConfig({ failsafeMode: true }, { slots: new Map([['orders', declared]]) });
const urlOf = (name: string): string => `http://${name}.test:8008/patroni`;
const topology = (...names: readonly string[]) =>
  aKey(new Map(names.map((name) => [name, urlOf(name)])), { modifyIndex: 77 });
const accepted: FailsafeAnswer = { kind: 'accepted', position: null };
const refused: FailsafeAnswer = { kind: 'refused', why: 'it does not answer' };

/** `alpha`, which leads `beta` and `gamma`, and has not been able to renew its session for `agoMs`. */
function cutOff(agoMs = 3_000, names = ['alpha', 'beta', 'gamma']): View {
  const keys = managedKeys({ failsafe: topology(...names) });
  const view = managed('alpha', { config, renewedAgoMs: agoMs, keys });
  return { ...view, memory: { ...view.memory, lastStatus: aStatus() } };
}

function question(view: View): ActionOf<'ask_failsafe'> {
  const [asked] = actionsOf(view, 'ask_failsafe');
  if (asked === undefined) throw new Error('nobody is asked');
  return asked;
}

/** The question that is due is asked, and answered `tookMs` later. */
function answered(view: View, answers: Readonly<Record<string, FailsafeAnswer>>, tookMs = 100): View {
  const action = question(view);
  const begun = after(view, [{ kind: 'started', action }]);
  const endedAtMs = view.nowMs + tookMs;
  return after(begun, [done<'ask_failsafe'>(action, new Map(Object.entries(answers)), tookMs, endedAtMs)], tookMs);
}
const agreed = (view: View, tookMs = 100): View => answered(view, { beta: accepted, gamma: accepted }, tookMs);
const sessionGone = { kind: 'session', session: { kind: 'none', why: 'the lease ran out' } } as const;
const newSession = {
  kind: 'session',
  session: { kind: 'held', id: 'session-new', ttlSeconds: 10, clampedFrom: null, renewedAtMs: nowMs + 20_000 },
} as const;

describe('the key failsafe', () => {
  const published = (view: View): unknown => actionsOf(view, 'publish_failsafe')[0]?.members;
  const everybody = new Map([
    ['alpha', managed('alpha').self.apiUrl],
    ...[...membersKey('beta')].map(([name, { value }]) => [name, value?.apiUrl ?? ''] as const),
  ]);

  test('lists every member that is there, with the URL of its REST interface', () => {
    const keys = managedKeys({ members: membersKey('alpha', 'beta') });
    expect(published(managed('alpha', { config, keys }))).toEqual(everybody);
  });

  test('is left alone once it is right, and by everybody but the leader', () => {
    const keys = managedKeys({ members: membersKey('alpha', 'beta'), failsafe: aKey(everybody) });
    expect(kindsOf(managed('alpha', { config, keys }))).not.toContain('publish_failsafe');
    expect(kindsOf(managed('beta', { config, keys: managedKeys() }))).not.toContain('publish_failsafe');
  });

  test('is written once the server accepts writes, and not on the way there', () => {
    const keys = managedKeys({ members: membersKey('alpha', 'beta') });
    const promoting = managed('alpha', { config, keys, look: { role: 'standby' } });
    expect(kindsOf(promoting)).not.toContain('publish_failsafe');
    const off = managed('alpha', { keys: managedKeys({ failsafe: topology('alpha') }), look: { role: 'standby' } });
    expect(kindsOf(off)).toContain('publish_failsafe');
  });

  test('goes where failsafe mode is off', () => {
    const view = managed('alpha', { keys: managedKeys({ failsafe: topology('alpha') }) });
    expect(actionsOf(view, 'publish_failsafe')).toMatchObject([{ members: null, index: 77 }]);
  });
});

describe('L11: a leader without Consul', () => {
  test('asks nobody as long as its session is renewed, or failsafe mode is off', () => {
    expect(kindsOf(cutOff(2_400))).not.toContain('ask_failsafe');
    expect(kindsOf(managed('alpha', { renewedAgoMs: 3_000 }))).not.toContain('ask_failsafe');
  });

  test('asks all others, and says where its slots are', () => {
    const { members, call, ttlSeconds } = question(cutOff());
    expect([...members]).toEqual([
      ['beta', urlOf('beta')],
      ['gamma', urlOf('gamma')],
    ]);
    expect(ttlSeconds).toBe(10);
    expect(call).toMatchObject({ leader: 'alpha', bindsMs: 10_000 });
    expect(call.slots.get('orders')).toBe(cutOff().consul.keys?.status?.value?.slots.get('orders'));
    expect(call.slots.get('alpha')).toBe(aPrimaryLook().currentLsn);
    expect(call.incarnations.get('orders')).toBe(
      cutOff().consul.keys?.status?.value?.extras?.logical.get('orders')?.incarnation,
    );
  });

  test('goes on past its lease for as long as all agreed, counted from before they were asked', () => {
    const view = agreed(cutOff(), 900);
    const deadlineMs = nowMs + 10_000 - 1_500;
    expect(guardOf(view)).toMatchObject({ term, deadlineMs: deadlineMs + 500 });
    const beyond = after(later(view, 7_300), [sessionGone]);
    expect(leadingTerm(beyond)).toBe(term);
    expect(kindsOf(beyond)).not.toContain('stop_server');
    expect(guardOf(beyond)).toEqual(guardOf(view));
    const over = later(beyond, 101);
    expect(leadingTerm(over)).toBeNull();
    expect(actionsOf(over, 'stop_server')).toMatchObject([{ mode: 'immediate', why: 'the lease ran out' }]);
  });

  test.each<[string, Readonly<Record<string, FailsafeAnswer>>]>([
    ['one of them objects', { beta: accepted, gamma: refused }],
    ['nobody answers', { beta: refused, gamma: refused }],
  ])('stops at the end of its lease when %s', (_what, answers) => {
    const view = answered(cutOff(), answers);
    expect(holdOf(view, 'failsafe of gamma')).toBe('it does not answer');
    const over = later(view, 5_500);
    expect(leadingTerm(over)).toBeNull();
    expect(kindsOf(over)).toContain('stop_server');
  });

  test('moves slots of members with what these say to have, while their keys tell nothing', () => {
    const slots = [aPhysicalSlot({ name: 'beta', active: false, restartLsn: 0x4100n, xmin: null, catalogXmin: null })];
    const view = cutOff(3_000);
    const look = { ...aPrimaryLook(), slots, currentLsn: 0x5100n };
    const idle: View = { ...view, local: { ...view.local, look } };
    const told: FailsafeAnswer = { kind: 'accepted', position: 0x5000n };
    const targets = (it: View) => actionsOf(it, 'advance_physical_slot').map(({ slot, target }) => [slot, target]);
    const moved = answered(idle, { beta: told, gamma: accepted });
    expect(targets(moved)).toEqual([['beta', 0x5000n]]);
    const late = later(moved, 5_000);
    const away = after(late, [sessionGone, { kind: 'look', startedAtMs: late.nowMs, look }]);
    expect(leadingTerm(away)).toBe(term);
    expect(targets(away)).toEqual([['beta', 0x5000n]]);
    expect(targets(answered(idle, { beta: accepted, gamma: accepted }))).toEqual(targets(idle));
    expect(targets(answered(idle, { beta: told, gamma: refused }))).toEqual(targets(idle));
  });

  test('asks again every second, and is not stopped by a single answer that does not come', () => {
    const once = agreed(cutOff());
    expect(kindsOf(once)).not.toContain('ask_failsafe');
    const again = answered(later(once, 1_000), { beta: accepted, gamma: refused });
    expect(leadingTerm(later(again, 6_000))).toBe(term);
    const more = agreed(later(again, 6_000));
    expect(leadingTerm(later(more, 8_000))).toBe(term);
  });

  test('that is alone goes on by its own word', () => {
    const view = answered(cutOff(3_000, ['alpha']), {});
    expect(leadingTerm(later(view, 8_000))).toBe(term);
  });

  test('that is not listed, or knows of no list, asks nobody and stops', () => {
    expect(kindsOf(cutOff(3_000, ['beta']))).not.toContain('ask_failsafe');
    expect(kindsOf(managed('alpha', { config, renewedAgoMs: 3_000 }))).not.toContain('ask_failsafe');
  });

  test('asks also whom it has tried to list, whatever became of that', () => {
    const keys = managedKeys({ failsafe: topology('alpha'), members: membersKey('alpha', 'beta') });
    const view = managed('alpha', { config, keys });
    const [action] = actionsOf(view, 'publish_failsafe');
    const lost = after(view, [{ kind: 'started', action: action! }, failed(action!)]);
    expect([...question(later(lost, 3_000)).members.keys()]).toEqual(['beta']);
  });

  test('an agreement of fewer than are listed by now counts for nothing', () => {
    const before = cutOff();
    const action = question(before);
    const listed = after(before, [
      { kind: 'started', action },
      { kind: 'keys', keys: managedKeys({ index: 210, failsafe: topology('alpha', 'beta', 'gamma', 'delta') }) },
    ]);
    const outcome = done<'ask_failsafe'>(
      action,
      new Map([
        ['beta', accepted],
        ['gamma', accepted],
      ] as const),
    );
    expect(after(listed, [outcome]).memory.lead.failsafe.agreement).toBeNull();
  });

  test('an agreement that comes after the end of the lease comes too late', () => {
    const late = agreed(cutOff(), 5_600);
    expect(leadingTerm(late)).toBeNull();
    expect(kindsOf(late)).toContain('stop_server');
  });

  test('leads on by its lease when Consul is back before its session is over', () => {
    const view = after(agreed(cutOff()), [
      { ...newSession, session: { ...newSession.session, id: sessionOf('alpha'), renewedAtMs: nowMs + 90 } },
    ]);
    expect(leadingTerm(view)).toBe(term);
    expect(isFailsafeActive(view)).toBe(false);
  });

  test('takes its lock again when session and key are gone, and asks on until it has it', () => {
    const away = after(later(agreed(cutOff()), 7_000), [sessionGone]);
    const still = agreed(away);
    const members = new Map([...membersKey('beta', 'gamma')]);
    const back = after(still, [
      newSession,
      {
        kind: 'keys',
        keys: vacantKeys({ failsafe: topology('alpha', 'beta', 'gamma'), members, config: aKey(config) }),
      },
    ]);
    expect(leadingTerm(back)).toBe(term);
    expect(kindsOf(back)).toContain('acquire_leader');
    expect(kindsOf(later(back, 1_000))).toContain('ask_failsafe');
    const leader = aKey('alpha', { createIndex: 250, modifyIndex: 250, session: 'session-new' });
    const again = after(back, [{ kind: 'keys', keys: vacantKeys({ index: 250, leader, members }) }]);
    expect(leadingTerm(again)).toBe(250);
    expect(kindsOf(again)).toContain('publish_terms');
    expect(kindsOf(again)).not.toContain('stop_server');
  });

  test('stops when another one has the key after all', () => {
    const leader = aKey('beta', { createIndex: 210, modifyIndex: 210, session: sessionOf('beta') });
    const view = after(agreed(cutOff()), [{ kind: 'keys', keys: managedKeys({ index: 210, leader }) }]);
    expect(leadingTerm(view)).toBeNull();
    expect(kindsOf(view)).toContain('stop_server');
  });

  test('is brought up as a standby once it was stopped, to be read from until Consul is back', () => {
    const over = after(later(cutOff(), 5_600), [sessionGone]);
    const view = after({ ...over, local: { ...over.local, ...down(aDisk()) } }, [
      { kind: 'disk', startedAtMs: over.nowMs, disk: aDisk() },
    ]);
    expect(actionsOf(view, 'start_server')).toMatchObject([{ term: null }]);
  });

  test('says that it goes on without Consul, and who keeps it from that', () => {
    expect(leadProblems(agreed(cutOff()))).toMatchObject([{ code: 'failsafe_active' }]);
    expect(leadProblems(answered(cutOff(), { beta: accepted, gamma: refused }))).toMatchObject([
      { code: 'failsafe_refused' },
    ]);
    expect(leadProblems(managed('alpha', { config }))).toEqual([]);
  });
});

describe('L11: a member that is asked', () => {
  const call = { ...question(cutOff()).call, slots: new Map([['orders', 0x9000n]]) };
  const ask = (view: View, over: Partial<typeof call> = {}): View =>
    after(view, [{ kind: 'request', request: { kind: 'failsafe', id: 1, call: { ...call, ...over } } }]);
  const answerOf = (view: View): unknown => view.memory.requests.outcomes.get(1);
  const failsafe = topology('alpha', 'beta', 'gamma');
  /** `beta` when nobody holds the key, and `alpha` has not been heard of since. */
  const vacant = (agoMs = 5_000): View =>
    managed('beta', {
      config,
      keys: vacantKeys({ failsafe }),
      look: { receiver: null },
      lead: { vacant: { sinceMs: nowMs - agoMs, after: term } },
    });

  test('agrees, and does not take the key as long as its word binds it', () => {
    expect(kindsOf(vacant())).toContain('acquire_leader');
    const bound = ask(vacant());
    expect(answerOf(bound)).toEqual({ kind: 'accepted' });
    expect(holdOf(bound, 'leader key')).toBe('it has agreed that alpha leads on without Consul');
    const renewed = (view: View): View => ({
      ...view,
      session: { ...vacant().session, renewedAtMs: view.nowMs } as View['session'],
    });
    expect(kindsOf(renewed(later(bound, 29_000)))).not.toContain('acquire_leader');
    expect(kindsOf(renewed(later(bound, 30_001)))).toContain('acquire_leader');
  });

  test('is bound for longer where the asker counts on that', () => {
    const bound = ask(vacant(), { bindsMs: 60_000 });
    expect(bound.memory.lead.failsafe.acceptance?.untilMs).toBe(bound.nowMs + 60_000);
  });

  test('may lead once the asker has said by its bid that its server writes no more', () => {
    const keys = vacantKeys({
      failsafe,
      members: new Map([...membersKey('beta'), ['alpha', bidding('alpha', { position: 0x4000n })]]),
    });
    const bound = ask(vacant());
    expect(kindsOf(after(bound, [{ kind: 'keys', keys: { ...keys, index: 300 } }]))).toContain('acquire_leader');
    const unsaid = vacantKeys({ failsafe, index: 300, members: membersKey('alpha', 'beta') });
    expect(kindsOf(after(bound, [{ kind: 'keys', keys: unsaid }]))).not.toContain('acquire_leader');
  });

  test('lets its server not write when it finds that it holds the key all the same', () => {
    const leader = aKey('beta', { createIndex: 210, modifyIndex: 210, session: sessionOf('beta') });
    const terms = aKey([{ term: 210, leader: 'beta', timeline: null, from: null }]);
    const keys = managedKeys({ index: 210, leader, terms, failsafe, config: aKey(config) });
    const free = after(vacant(), [{ kind: 'keys', keys }]);
    expect(kindsOf(free)).toContain('promote');
    const bound = after(ask(vacant()), [{ kind: 'keys', keys }]);
    expect(holdOf(bound, 'promotion')).toBe('it has agreed that alpha leads on without Consul');
  });

  test.each<[string, View, string]>([
    ['a primary', managed('beta', { config, look: aPrimaryLook() }), 'Running as a leader'],
    ['one that sees another leader', ask(managed('beta', { config })), ''],
    [
      'one whose server may be one',
      managed('beta', { config, local: down(null), lead: { mayWriteSinceMs: nowMs } }),
      'the server here is not known to be a standby',
    ],
    [
      'the asker itself',
      managed('alpha', { config, look: aStandbyLook(), lead: { mayWriteSinceMs: null } }),
      'this member is asked by its own name',
    ],
  ])('%s', (what, view, why) => {
    const asked = what === 'one that sees another leader' ? ask(view, { leader: 'gamma' }) : ask(view);
    expect(answerOf(asked)).toEqual({ kind: 'refused', why: why === '' ? 'alpha leads' : why });
    expect(asked.memory.lead.failsafe.acceptance?.call.leader ?? 'alpha').toBe('alpha');
  });

  test('that is just taking the key does not agree; once it has begun to, an earlier word is gone', () => {
    const action = { kind: 'acquire_leader', initialize: null, session: sessionOf('beta') } as const;
    const taking = after(vacant(), [{ kind: 'started', action }]);
    expect(answerOf(ask(taking))).toMatchObject({ kind: 'refused' });
  });

  test('moves its copies of slots along with what the leader says of them', () => {
    const view = managed('beta', { config, look: { replayedLsn: 0xa000n, receivedLsn: 0xa000n } });
    const targets = (of: View): readonly bigint[] => actionsOf(of, 'advance_logical_slot').map(({ target }) => target);
    expect(targets(ask(view))).toEqual([0x9000n]);
    // Another slot under the same name: where that is says nothing of the copy here.
    const other = ask(view, { incarnations: new Map([['orders', 0x8888n]]) });
    expect(targets(other)).not.toContain(0x9000n);
  });

  test('whose agent was just started waits, since an earlier run may have given its word', () => {
    const started = (agoMs: number): View => {
      const view = vacant();
      const { lead } = view.memory;
      const mine = { ...lead, failsafe: { ...lead.failsafe, startedAtMs: nowMs - agoMs } };
      return { ...view, memory: { ...view.memory, lead: mine } };
    };
    expect(holdOf(started(29_000), 'leader key')).toContain('was just started');
    expect(kindsOf(started(31_000))).toContain('acquire_leader');
  });
});

describe('L11: whom nobody asks', () => {
  const keys = vacantKeys({ failsafe: topology('alpha', 'gamma') });
  const lead = { vacant: { sinceMs: nowMs - 9_000, after: term } };

  test('does not lead, failsafe mode or not, and says what can be done', () => {
    for (const other of [config, leadConfig({})]) {
      const view = managed('beta', { config: other, keys, look: { receiver: null }, lead });
      expect(kindsOf(view)).not.toContain('acquire_leader');
      expect(leadProblems(view)).toMatchObject([{ code: 'failsafe_unlisted' }]);
    }
  });

  test('a key without anything in it says nothing', () => {
    const empty = { ...keys, failsafe: aKey(new Map<string, string>()) };
    const view = managed('beta', { config, keys: empty, look: { receiver: null }, lead });
    expect(kindsOf(view)).toContain('acquire_leader');
  });

  test('is not waited for by the others', () => {
    const members = new Map([
      ['gamma', memberKeyOf('gamma')],
      ['beta', bidding('beta', { ...aBid(), unfit: 'it is not in the key failsafe' })],
    ]);
    const view = managed('gamma', { config, keys: { ...keys, members }, look: { receiver: null }, lead });
    expect(kindsOf(view)).toContain('acquire_leader');
  });
});
