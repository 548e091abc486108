import type { Outcome } from '../domain/action.ts';
import { leaderName } from '../domain/cluster.ts';
import type { RestartRequest } from '../domain/lead.ts';
import type { AgentRequest, RequestOutcome } from '../domain/request.ts';
import { readTimestamp } from '../domain/timestamp.ts';
import { versionNumberOf } from '../domain/version.ts';
import { objectionTo } from './failsafe.ts';
import { configOf, freshLook, holdsLeader } from './select.ts';
import type { RequestMemory, View } from './view.ts';

/** What an asker is told who comes too late to be served; more askers than this never wait at once. */
const outcomesKept = 64;
/** What can't be begun for this long is given up, and its asker told: nothing is done when nobody expects it any more. */
const patienceMs = 60_000;

/** Conditions do not hold: Patroni's words. */
const unsatisfied = 'restart conditions are not satisfied';

export const noRequests: RequestMemory = {
  scheduled: null,
  restart: null,
  startTimeoutSeconds: null,
  reload: null,
  reinitialize: null,
  outcomes: new Map(),
};

/** Takes a request down, or refuses it at once. */
export function requestsAfterRequest(view: View, request: AgentRequest): RequestMemory {
  const { requests } = view.memory;
  const answer = (outcome: RequestOutcome, over: Partial<RequestMemory> = {}): RequestMemory =>
    withOutcome({ ...requests, ...over }, request.id, outcome);
  const refuse = (why: string): RequestMemory => answer({ kind: 'refused', why });
  if (view.self.ha !== 'manage') return refuse('slotkeeper does not manage this server');
  switch (request.kind) {
    case 'cancel_restart':
      return requests.scheduled === null
        ? refuse('no restarts are scheduled')
        : answer({ kind: 'done' }, { scheduled: null });
    case 'restart': {
      const { restart } = request;
      if (restart.scheduledAt !== null) {
        if (requests.scheduled !== null) return refuse('Another restart is already scheduled');
        const serverStartedAtWallMs = view.local.look?.startedAtWallMs ?? null;
        return answer({ kind: 'accepted' }, { scheduled: { request: restart, serverStartedAtWallMs } });
      }
      const busy = busyWith(view);
      if (unfitFor(view, restart)) return refuse(unsatisfied);
      if (busy !== null) return refuse(`${busy} already in progress`);
      return { ...requests, restart: asked(request.id, restart, view) };
    }
    case 'failsafe': {
      const why = objectionTo(view, request.call);
      return why === null ? answer({ kind: 'accepted' }) : refuse(why);
    }
    case 'reinitialize': {
      const why = cannotReinitialize(view) ?? (request.force ? null : inProgress(busyWith(view)));
      if (why !== null) return refuse(why);
      const { id, fromLeader, force } = request;
      const reinitialize = { id, fromLeader, force, sinceMs: view.nowMs, step: 'remove' } as const;
      // What it overtakes is not done any more: a restart of data that is about to go would only delay it.
      return answer({ kind: 'accepted' }, { reinitialize, restart: null });
    }
  }
}

function asked(id: number | null, request: RestartRequest, { nowMs }: View): RequestMemory['restart'] {
  return { id, request, sinceMs: nowMs, isBegun: false, startedAtMs: null };
}

/** The agent's file was read again, and is right: PostgreSQL's files are written and read again, too. */
export function requestsAfterReload({ self, nowMs, memory: { requests } }: View): RequestMemory {
  return self.ha === 'manage' ? { ...requests, reload: { sinceMs: nowMs } } : requests;
}

/** What an action that has ended was asked for. */
export function requestsAfterOutcome(requests: RequestMemory, outcome: Outcome): RequestMemory {
  const { restart, reload, reinitialize } = requests;
  const isDone = outcome.kind === 'done';
  const { kind } = isDone ? outcome.done.action : outcome.action;
  const failed: RequestOutcome | null = isDone ? null : { kind: 'failed', why: outcome.failure.message };
  switch (kind) {
    case 'restart_server':
    case 'start_server':
      if (restart === null || outcome.startedAtMs < restart.sinceMs) return requests;
      // A server that recovers was started, and is not up yet.
      if (failed === null) return { ...requests, restart: { ...restart, startedAtMs: outcome.endedAtMs } };
      return withOutcome({ ...requests, restart: null }, restart.id, failed);
    case 'configure_server':
      if (reload === null || outcome.startedAtMs < reload.sinceMs) return requests;
      return { ...requests, reload: null };
    case 'remove_data':
      if (reinitialize?.step !== 'remove' || !isDone || outcome.startedAtMs < reinitialize.sinceMs) return requests;
      return { ...requests, reinitialize: { ...reinitialize, step: 'copy' } };
    default:
      return requests;
  }
}

/** What time and everything else that is known make of requests, after each observation. */
export function rememberRequests(view: View): View {
  const { requests } = view.memory;
  // Most of the time nobody has asked for anything.
  const { restart, scheduled, reinitialize, reload, startTimeoutSeconds } = requests;
  if ((restart ?? scheduled ?? reinitialize ?? reload ?? startTimeoutSeconds) === null) return view;
  const begun = withRestartBegun(view, withCopied(view, withDueRestart(view, requests)));
  const next = withoutExpired(view, withRestarted(view, begun));
  return next === requests ? view : { ...view, memory: { ...view.memory, requests: next } };
}

function withDueRestart(view: View, requests: RequestMemory): RequestMemory {
  const { scheduled } = requests;
  if (scheduled === null) return requests;
  const { request, serverStartedAtWallMs } = scheduled;
  const startedAtWallMs = freshLook(view)?.startedAtWallMs ?? serverStartedAtWallMs;
  const isVoid = serverStartedAtWallMs !== null && startedAtWallMs !== serverStartedAtWallMs;
  const atWallMs = request.scheduledAt === null ? null : (readTimestamp(request.scheduledAt)?.atWallMs ?? null);
  if (isVoid || atWallMs === null) return { ...requests, scheduled: null };
  const { pause, loopWait } = configOf(view);
  if (view.nowWallMs < atWallMs) return requests;
  // As in Patroni: what is long overdue is not done at another time than its maker thought of.
  if (view.nowWallMs > atWallMs + loopWait * 1_500) return { ...requests, scheduled: null };
  if (pause || busyWith(view) !== null) return requests;
  if (unfitFor(view, request)) return { ...requests, scheduled: null };
  return { ...requests, scheduled: null, restart: asked(null, request, view) };
}

function withRestartBegun(view: View, requests: RequestMemory): RequestMemory {
  const { restart } = requests;
  const running = view.running.get('server')?.action.kind;
  const isBegun = running === 'restart_server' || running === 'start_server';
  if (restart === null || restart.isBegun || !isBegun) return requests;
  const { timeoutSeconds } = restart.request;
  return { ...requests, restart: { ...restart, isBegun: true }, startTimeoutSeconds: timeoutSeconds };
}

/** A server that is up needs no patience any more, and whoever asked for its restart is told. */
function withRestarted(view: View, requests: RequestMemory): RequestMemory {
  const { restart, startTimeoutSeconds } = requests;
  const lookedAtMs = freshLook(view) === null || view.running.has('server') ? null : view.local.lookedAtMs;
  if (lookedAtMs === null) return requests;
  if (restart === null) return startTimeoutSeconds === null ? requests : { ...requests, startTimeoutSeconds: null };
  if (restart.startedAtMs === null || lookedAtMs < restart.startedAtMs) return requests;
  return withOutcome({ ...requests, restart: null, startTimeoutSeconds: null }, restart.id, { kind: 'done' });
}

/** For how long a leader's server may be down before somebody else is to lead (`primary_start_timeout`). */
export function startTimeoutSecondsOf(view: View): number {
  return view.memory.requests.startTimeoutSeconds ?? configOf(view).lead.primaryStartTimeout;
}

/** Where no data is (any more) only the copy is left to be done; it is there when a standby runs on it. */
function withCopied(view: View, requests: RequestMemory): RequestMemory {
  const { reinitialize } = requests;
  if (reinitialize === null || view.running.has('server')) return requests;
  if (reinitialize.step === 'remove') {
    const isEmpty = view.local.contact.kind !== 'good' && view.local.disk?.kind === 'empty';
    return isEmpty ? { ...requests, reinitialize: { ...reinitialize, step: 'copy' } } : requests;
  }
  return freshLook(view) === null ? requests : { ...requests, reinitialize: null };
}

function withoutExpired(view: View, requests: RequestMemory): RequestMemory {
  const { restart, reload, reinitialize } = requests;
  const isPast = (sinceMs: number, ms: number): boolean => view.nowMs - sinceMs >= ms;
  let left = requests;
  if (restart !== null && !restart.isBegun && isPast(restart.sinceMs, patienceMs)) {
    const outcome: RequestOutcome = { kind: 'refused', why: 'the server could not be restarted until now' };
    left = withOutcome({ ...left, restart: null }, restart.id, outcome);
  }
  if (restart?.isBegun === true && isPast(restart.sinceMs, startTimeoutMs(view, restart.request))) {
    left = withOutcome({ ...left, restart: null }, restart.id, { kind: 'failed', why: 'postgres is still starting' });
  }
  if (reload !== null && isPast(reload.sinceMs, patienceMs)) left = { ...left, reload: null };
  // Only before anything was taken away; what has gone is to be copied, however long that takes.
  const hasNothingToCopy = reinitialize?.step === 'remove' && cannotReinitialize(view) !== null;
  if (hasNothingToCopy && isPast(reinitialize.sinceMs, patienceMs)) left = { ...left, reinitialize: null };
  return left;
}

function startTimeoutMs(view: View, { timeoutSeconds }: RestartRequest): number {
  return (timeoutSeconds ?? configOf(view).lead.primaryStartTimeout) * 1_000;
}

/** An operator waits for the server to be stopped and started, or copied anew: that is done in pause, too. */
export function isServerAskedFor({ memory: { requests } }: View): boolean {
  return requests.restart !== null || requests.reinitialize !== null;
}

/** Why the data here can't be replaced by a fresh copy, in Patroni's words; null = it can. */
export function cannotReinitialize(view: View): string | null {
  const { keys } = view.consul;
  if (keys === null || leaderName(keys) === null) return 'Cluster has no leader, can not reinitialize';
  return leaderName(keys) === view.self.name ? 'I am the leader, can not reinitialize' : null;
}

/** Whether the conditions that came with a restart do not hold. */
function unfitFor(view: View, { role, postgresVersion, onlyIfPending }: RestartRequest): boolean {
  const look = view.local.look;
  const own = view.consul.keys?.members.get(view.self.name)?.value ?? null;
  if (role !== 'any' && role !== restartRole(view)) return true;
  const newest = postgresVersion === null ? null : versionNumberOf(postgresVersion);
  if (newest !== null && look !== null && newest <= look.versionNum) return true;
  return onlyIfPending && own?.pendingRestart !== true;
}

/** What this member is, in the words of a restart's condition. */
function restartRole(view: View): RestartRequest['role'] {
  if (view.local.look?.role === 'primary') return 'primary';
  return holdsLeader(view) ? 'standby_leader' : 'replica';
}

/** What is being done to the server, or was asked for first; null = nothing. */
function busyWith(view: View): string | null {
  const { restart, reinitialize } = view.memory.requests;
  if (reinitialize !== null) return 'reinitialize';
  if (restart !== null) return 'restart';
  return view.running.get('server')?.action.kind.replaceAll('_', ' ') ?? null;
}

function inProgress(what: string | null): string | null {
  return what === null ? null : `${what} already in progress`;
}

function withOutcome(requests: RequestMemory, id: number | null, outcome: RequestOutcome): RequestMemory {
  if (id === null) return requests;
  const outcomes = new Map(requests.outcomes).set(id, outcome);
  for (const oldest of outcomes.keys()) {
    if (outcomes.size <= outcomesKept) break;
    outcomes.delete(oldest);
  }
  return { ...requests, outcomes };
}
