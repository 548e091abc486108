import { describe, expect, test } from 'vitest';
import type { ActionOf } from '../../../src/domain/action.ts';
import type { RestartRequest } from '../../../src/domain/lead.ts';
import type { Problem } from '../../../src/domain/problem.ts';
import type { AgentRequest } from '../../../src/domain/request.ts';
import type { ServerPlan } from '../../../src/domain/managed.ts';
import { tagsFrom } from '../../../src/domain/tags.ts';
import { writeTimestamp } from '../../../src/domain/timestamp.ts';
import { isServerAskedFor, startTimeoutSecondsOf } from '../../../src/view/requests.ts';
import type { Self, View } from '../../../src/view/view.ts';
import { aConfig, after, done, later, withLook, type Undated } from '../../support/situations.ts';
import {
  aKey,
  aMember,
  aSelf,
  aStandbyLook,
  aView,
  nowMs,
  nowWallMs,
  sessionOf,
  someKeys,
} from '../../support/turns.ts';

const now: RestartRequest = {
  scheduledAt: null,
  role: 'any',
  postgresVersion: null,
  onlyIfPending: false,
  timeoutSeconds: null,
};
const serverPlan: ServerPlan = {
  parameters: {},
  hba: null,
  ident: null,
  upstream: null,
  synchronousStandbyNames: null,
};
const restartServer: ActionOf<'restart_server'> = {
  kind: 'restart_server',
  term: null,
  plan: serverPlan,
  why: { kind: 'operator' },
};

function managed(name = 'beta', over: Partial<View> = {}): View {
  return aView(name, { self: { ...aSelf(name), ha: 'manage' }, ...over });
}

/** `id` 7. */
type Unnumbered = AgentRequest extends infer R ? (R extends AgentRequest ? Omit<R, 'id'> : never) : never;

function asked(view: View, request: Unnumbered): View {
  return after(view, [{ kind: 'request', request: { ...request, id: 7 } }]);
}
const restarting = (view: View, over: Partial<RestartRequest> = {}): View =>
  asked(view, { kind: 'restart', restart: { ...now, ...over } });
const outcomeOf = (view: View) => view.memory.requests.outcomes.get(7);
const begun = (view: View): View => after(view, [{ kind: 'started', action: restartServer }]);
/** The server was started, and a look finds it up. */
const ended = (view: View): View =>
  after(view, [
    done(restartServer, new Map(), 0, view.nowMs + 50),
    { kind: 'look', startedAtMs: view.nowMs + 60, look: aStandbyLook() },
  ]);
/** That it failed, however long it took. */
function failedAt(action: typeof restartServer): Undated {
  const failure = { message: 'it does not come up', sqlstate: null, sessionDead: false, refused: false };
  return {
    kind: 'outcome',
    outcome: { kind: 'failed', startedAtMs: 2 * nowMs, endedAtMs: 2 * nowMs, action, failure },
  };
}

test('where slotkeeper observes, nothing is taken down', () => {
  const view = restarting(aView('beta'));
  expect(outcomeOf(view)).toMatchObject({ kind: 'refused' });
  expect(isServerAskedFor(view)).toBe(false);
});

describe('a restart', () => {
  test('is done when its action is, and the server is up', () => {
    const view = restarting(managed());
    expect(outcomeOf(view)).toBeUndefined();
    expect(isServerAskedFor(view)).toBe(true);
    const started = after(begun(view), [done(restartServer, new Map(), 0, view.nowMs + 50)]);
    expect(outcomeOf(started)).toBeUndefined();
    const over = ended(begun(view));
    expect(outcomeOf(over)).toEqual({ kind: 'done' });
    expect(isServerAskedFor(over)).toBe(false);
  });

  test('that fails says why', () => {
    const over = after(begun(restarting(managed())), [failedAt(restartServer)]);
    expect(outcomeOf(over)).toEqual({ kind: 'failed', why: 'it does not come up' });
  });

  test('is not done by an action that began before it was asked for', () => {
    const view = restarting(managed());
    const over = after(view, [done(restartServer, new Map(), 10_000, view.nowMs)]);
    expect(outcomeOf(over)).toBeUndefined();
  });

  test('a second one is refused while the first is under way', () => {
    const view = restarting(managed());
    const other = after(view, [{ kind: 'request', request: { kind: 'restart', id: 8, restart: now } }]);
    expect(other.memory.requests.outcomes.get(8)).toEqual({ kind: 'refused', why: 'restart already in progress' });
  });

  test('that takes longer than it may is told to, and not waited for', () => {
    const view = begun(restarting(managed(), { timeoutSeconds: 5 }));
    expect(outcomeOf(later(view, 4_000))).toBeUndefined();
    expect(outcomeOf(later(view, 6_000))).toEqual({ kind: 'failed', why: 'postgres is still starting' });
  });

  test('says for how long the server may be down, until it is up', () => {
    const view = restarting(managed(), { timeoutSeconds: 5 });
    expect(startTimeoutSecondsOf(view)).toBe(300);
    const over = later(begun(view), 6_000);
    expect(startTimeoutSecondsOf(over)).toBe(5);
    const started = after(over, [done(restartServer, new Map(), 0, over.nowMs + 50)]);
    const up = after(started, [{ kind: 'look', startedAtMs: over.nowMs + 60, look: aStandbyLook() }]);
    expect(startTimeoutSecondsOf(up)).toBe(300);
  });

  test('that cannot be begun is given up', () => {
    const view = restarting(managed());
    expect(outcomeOf(later(view, 59_000))).toBeUndefined();
    expect(outcomeOf(later(view, 61_000))).toMatchObject({ kind: 'refused' });
  });

  test.each<[string, Partial<RestartRequest>, boolean]>([
    ['any role', { role: 'any' }, true],
    ['the role', { role: 'replica' }, true],
    ['another role', { role: 'primary' }, false],
    ['a newer version', { postgresVersion: '15.19' }, true],
    ['this version', { postgresVersion: '15.18' }, false],
    ['nothing is pending', { onlyIfPending: true }, false],
  ])('conditions: %s', (_what, conditions, holds) => {
    const view = restarting(managed(), conditions);
    const expected = holds ? undefined : { kind: 'refused', why: 'restart conditions are not satisfied' };
    expect(outcomeOf(view)).toEqual(expected);
  });

  test('conditions: pending', () => {
    const own = aKey(aMember('beta', { pendingRestart: true }), { session: sessionOf('beta') });
    const keys = someKeys({ members: new Map([['beta', own]]) });
    const view = managed('beta', { consul: { contact: { kind: 'good', atMs: 0 }, keys } });
    expect(outcomeOf(restarting(view, { onlyIfPending: true }))).toBeUndefined();
  });
});

describe('a restart at a later time', () => {
  const inOneHour = writeTimestamp(nowWallMs + 3_600_000);
  /** `ms` past the time: the wall clock of `later` shows the monotonic time of the step before, from `nowWallMs` on. */
  const hour = (view: View, ms = 0): View => later(later(view, 3_600_000 + ms - view.nowMs), 100);

  test('is taken down, shown, begun when it is time, and only once', () => {
    const view = restarting(managed(), { scheduledAt: inOneHour });
    expect(outcomeOf(view)).toEqual({ kind: 'accepted' });
    expect(view.memory.requests.scheduled?.request.scheduledAt).toBe(inOneHour);
    expect(isServerAskedFor(view)).toBe(false);
    const due = hour(view);
    expect(due.memory.requests).toMatchObject({ scheduled: null, restart: { id: null } });
    expect(ended(begun(due)).memory.requests).toMatchObject({ scheduled: null, restart: null });
  });

  test('a second one is refused; the first can be taken back', () => {
    const view = restarting(managed(), { scheduledAt: inOneHour });
    const other = after(view, [
      { kind: 'request', request: { kind: 'restart', id: 8, restart: { ...now, scheduledAt: inOneHour } } },
    ]);
    expect(other.memory.requests.outcomes.get(8)).toEqual({
      kind: 'refused',
      why: 'Another restart is already scheduled',
    });
    const back = after(view, [{ kind: 'request', request: { kind: 'cancel_restart', id: 9 } }]);
    expect(back.memory.requests.scheduled).toBeNull();
    expect(back.memory.requests.outcomes.get(9)).toEqual({ kind: 'done' });
    expect(outcomeOf(asked(managed(), { kind: 'cancel_restart' }))).toMatchObject({ kind: 'refused' });
  });

  test('is void once the server was started for another reason', () => {
    const view = restarting(managed(), { scheduledAt: inOneHour });
    const look = aStandbyLook({ startedAtWallMs: nowWallMs + 5_000 });
    const restarted = after(view, [{ kind: 'look', startedAtMs: view.nowMs, look }]);
    expect(restarted.memory.requests.scheduled).toBeNull();
  });

  test('that was missed is not made up for', () => {
    const view = restarting(managed(), { scheduledAt: inOneHour });
    expect(hour(view, 16_000).memory.requests).toMatchObject({ scheduled: null, restart: null });
  });

  test('waits in pause', () => {
    const view = restarting(managed('beta', { config: aConfig({ pause: true }) }), { scheduledAt: inOneHour });
    expect(hour(view).memory.requests).toMatchObject({ restart: null, scheduled: { request: { role: 'any' } } });
  });
});

describe('reload', () => {
  const configure: ActionOf<'configure_server'> = { kind: 'configure_server', plan: serverPlan };

  const reloaded = (view: View, over: Partial<Self>): View =>
    after(view, [{ kind: 'reloaded', self: { ...view.self, ...over }, problems: [] }]);
  const wrong: Problem = { code: 'agent_file', severity: 'error', what: 'name (line 2) is missing', fix: null };

  test('takes over what the file says, and is done when the files of the server are written', () => {
    const tags = tagsFrom({ nofailover: true });
    const view = reloaded(managed(), { tags });
    expect(view.self.tags).toBe(tags);
    expect(view.memory.requests.reload).not.toBeNull();
    const over = after(view, [done(configure, new Map(), 0, view.nowMs + 50)]);
    expect(over.memory.requests.reload).toBeNull();
  });

  test('a wrong file changes nothing but what is told, until a right one is read', () => {
    const before = managed();
    const view = after(before, [{ kind: 'reloaded', self: null, problems: [wrong] }]);
    expect(view.self).toBe(before.self);
    expect(view.memory.requests.reload).toBeNull();
    expect([...view.reported.values()]).toEqual([wrong]);
    expect([...reloaded(view, {}).reported.values()]).toEqual([]);
  });

  test('leaves the server to whoever manages it', () => {
    const tags = tagsFrom({ nostream: true });
    const view = reloaded(aView('alpha'), { tags });
    expect(view.self.tags).toBe(tags);
    expect(view.memory.requests.reload).toBeNull();
  });
});

describe('a fresh copy', () => {
  const reinitialize = { kind: 'reinitialize', force: false, fromLeader: false } as const;
  const remove: ActionOf<'remove_data'> = { kind: 'remove_data', why: 'it is to be reinitialized' };
  const stopped = (view: View): View =>
    after(view, [{ kind: 'server_trouble', trouble: 'not_running', why: 'down', copyInterrupted: false }]);

  test('first the data goes, then it is copied, and a running standby ends it', () => {
    const view = asked(managed(), reinitialize);
    expect(outcomeOf(view)).toEqual({ kind: 'accepted' });
    const gone = after(stopped(view), [done(remove, null, 0, view.nowMs + 200)]);
    expect(gone.memory.requests.reinitialize?.step).toBe('copy');
    const back = after(gone, [{ kind: 'look', startedAtMs: gone.nowMs, look: aStandbyLook() }]);
    expect(back.memory.requests.reinitialize).toBeNull();
  });

  test('where no data is, only the copy is left', () => {
    const down = stopped(managed());
    const empty = after(down, [{ kind: 'disk', startedAtMs: down.nowMs, disk: { kind: 'empty' } }]);
    expect(asked(empty, reinitialize).memory.requests.reinitialize?.step).toBe('copy');
  });

  test('the leader has nobody to copy from', () => {
    expect(outcomeOf(asked(managed('alpha'), reinitialize))).toEqual({
      kind: 'refused',
      why: 'I am the leader, can not reinitialize',
    });
  });

  test('nor has anybody without a leader', () => {
    const keys = someKeys({ leader: null });
    const view = managed('beta', { consul: { contact: { kind: 'good', atMs: 0 }, keys } });
    expect(outcomeOf(asked(view, reinitialize))).toEqual({
      kind: 'refused',
      why: 'Cluster has no leader, can not reinitialize',
    });
  });

  test('does not overtake a restart unless forced', () => {
    const busy = after(managed(), [{ kind: 'request', request: { kind: 'restart', id: 6, restart: now } }]);
    expect(outcomeOf(asked(busy, reinitialize))).toEqual({ kind: 'refused', why: 'restart already in progress' });
    const forced = asked(busy, { ...reinitialize, force: true });
    expect(outcomeOf(forced)).toEqual({ kind: 'accepted' });
    expect(forced.memory.requests.restart).toBeNull();
  });
});

test('only the newest outcomes are kept', () => {
  let view = managed();
  for (let id = 1; id <= 100; id += 1)
    view = after(view, [{ kind: 'request', request: { kind: 'cancel_restart', id } }]);
  const { outcomes } = view.memory.requests;
  expect(outcomes.size).toBe(64);
  expect(outcomes.has(36)).toBe(false);
  expect(outcomes.has(100)).toBe(true);
});

test('a role is known of a server that is down, too', () => {
  const view = withLook('beta', {}, { self: { ...aSelf('beta'), ha: 'manage' } });
  const down = after(view, [{ kind: 'server_trouble', trouble: 'not_running', why: 'down', copyInterrupted: false }]);
  expect(outcomeOf(restarting(down, { role: 'replica' }))).toBeUndefined();
});
