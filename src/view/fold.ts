import type { DiskState } from '../domain/disk.ts';
import type { Action, Outcome } from '../domain/action.ts';
import { keyOf, laneOf } from '../domain/action.ts';
import type { ClusterKeys } from '../domain/cluster.ts';
import type { Problem } from '../domain/problem.ts';
import type { AgentRequest } from '../domain/request.ts';
import type { ServerLook } from '../domain/server.ts';
import { failsafeAfterRequest } from './failsafe.ts';
import {
  leadAfterDisk,
  leadAfterLook,
  leadAfterNotes,
  leadAfterOutcome,
  leadAfterStart,
  rememberLead,
} from './lead-memory.ts';
import { ledgerAfterLook, ledgerAfterOutcome } from './ledger.ts';
import {
  memoryAfterKeys,
  memoryAfterLedger,
  memoryAfterLook,
  memoryAfterOutcome,
  memoryAfterStart,
  noMemory,
  remember,
  withStanding,
} from './memory.ts';
import { nativeAfterOutcome, rememberNative } from './native-memory.ts';
import type { Observation } from './observation.ts';
import { rememberRequests, requestsAfterOutcome, requestsAfterReload, requestsAfterRequest } from './requests.ts';
import { currentStatus, sessionId } from './select.ts';
import { rememberGate } from './standby-gate.ts';
import { verdictsOf } from './verdict.ts';
import type { Contact, Failure, RequestMemory, Self, Unconfirmed, View } from './view.ts';

/** How long an effect is waited for at most: a lost observation must not stop a lane for good. */
const confirmationMs = 5_000;
/** A refusal can also have a cause that no key shows (a lock delay): then the same is tried again this late. */
const refusalMs = 1_000;
/** The leader key: every moment later is one more without a leader, and a lock delay is refused without a write to Raft. */
const keyRefusalMs = 200;

/** What an agent knows before it has learnt anything. */
export function initialView(self: Self, nowMs: number, nowWallMs: number): View {
  return {
    self,
    nowMs,
    nowWallMs,
    consul: { contact: { kind: 'never' }, keys: null },
    session: { kind: 'none', why: 'not created yet' },
    config: null,
    local: {
      contact: { kind: 'never' },
      trouble: null,
      look: null,
      lookedAtMs: null,
      copyInterrupted: false,
      disk: null,
      history: null,
    },
    ledger: null,
    savedLedger: null,
    running: new Map(),
    failures: new Map(),
    unconfirmed: new Map(),
    memory: noMemory(nowMs),
    verdicts: [],
    reported: new Map(),
  };
}

/** The view after one more observation. Pure, total, and the only way in which a View comes to be. */
export function fold(view: View, observation: Observation): View {
  const timed: View = { ...view, nowMs: Math.max(view.nowMs, observation.atMs), nowWallMs: observation.wallMs };
  const learnt = rememberRequests(
    rememberGate(rememberNative(remember(rememberLead(view, learn(timed, observation))))),
  );
  return withStanding({ ...learnt, verdicts: verdictsOf(learnt) });
}

function learn(view: View, observation: Observation): View {
  switch (observation.kind) {
    case 'tick':
      return view;
    case 'keys':
      return withKeys(view, observation.keys);
    case 'consul_contact':
      return { ...view, consul: { ...view.consul, contact: good(view) } };
    case 'consul_trouble':
      return { ...view, consul: { ...view.consul, contact: broken(view.consul.contact, view.nowMs, observation.why) } };
    case 'session':
      return { ...view, session: observation.session };
    case 'look':
      return withLook(view, observation.look, observation.startedAtMs);
    case 'server_trouble':
      return {
        ...view,
        local: {
          ...view.local,
          contact: broken(view.local.contact, view.nowMs, observation.why),
          trouble: observation.trouble,
          copyInterrupted: observation.copyInterrupted,
        },
      };
    case 'timeline_history':
      return {
        ...view,
        local: { ...view.local, history: { timeline: observation.timeline, switches: observation.switches } },
      };
    case 'disk':
      return withDisk(view, observation.disk, observation.startedAtMs);
    case 'notes': {
      const memory = { ...view.memory, lead: leadAfterNotes(view, observation.notes) };
      // What Consul said counts more; what it does not say (any more) is as it was.
      return { ...view, config: view.config ?? observation.config, memory };
    }
    case 'ledger':
      return {
        ...view,
        ledger: observation.ledger,
        savedLedger: observation.ledger,
        memory: memoryAfterLedger(view, observation.ledger),
      };
    case 'started':
      return withStarted(view, observation.action);
    case 'outcome':
      return withRequests(
        withOutcome(view, observation.outcome),
        requestsAfterOutcome(view.memory.requests, observation.outcome),
      );
    case 'request':
      return withRequest(view, observation.request);
    case 'reloaded':
      return withReloaded(view, observation.self, observation.problems);
    case 'problem': {
      const reported = new Map(view.reported);
      if (observation.present) reported.set(observation.problem.code, observation.problem);
      else reported.delete(observation.problem.code);
      return { ...view, reported };
    }
  }
}

function withKeys(view: View, keys: ClusterKeys): View {
  return {
    ...view,
    failures: isSameConfig(view.consul.keys, keys) ? view.failures : withoutRefusedSlots(view.failures),
    consul: { contact: good(view), keys },
    memory: memoryAfterKeys(view, keys),
    // A configuration that cannot be read, or that is gone, changes nothing: the last good one stays in force.
    config: keys.config?.value ?? view.config,
    unconfirmed: filtered(view.unconfirmed, (entry) => entry.index === null || entry.index > keys.index),
  };
}

function isSameConfig(before: ClusterKeys | null, keys: ClusterKeys): boolean {
  return before?.config?.modifyIndex === keys.config?.modifyIndex;
}

/** A new configuration is a new request: a slot that could not be made as it was declared is tried again at once. */
function withoutRefusedSlots(failures: ReadonlyMap<string, Failure>): ReadonlyMap<string, Failure> {
  return new Map([...failures].filter(([key]) => !key.startsWith('create_')));
}

function withLook(view: View, look: ServerLook, startedAtMs: number): View {
  const isConfirmed = (entry: Unconfirmed): boolean => entry.index === null && startedAtMs >= entry.sinceMs;
  const isTouched = (name: string): boolean =>
    [`slot:${name}`, 'server'].some((lane) => startedAtMs < (view.unconfirmed.get(lane)?.sinceMs ?? -Infinity));
  const memory = { ...memoryAfterLook(view, look, startedAtMs), lead: leadAfterLook(view, look, startedAtMs) };
  const isUntold = (name: string): boolean => {
    if (look.role !== 'primary') return false;
    // A run that ends before it has read anything from Consul leaves to the next one what the ledger knew.
    if (view.consul.keys === null) return true;
    const told = memory.lastStatus?.extras?.logical.get(name)?.incarnation;
    return told !== undefined && told !== memory.born.get(name);
  };
  const reports = currentStatus(view.consul.keys)?.extras?.logical ?? null;
  return {
    ...view,
    local: {
      ...view.local,
      contact: good(view),
      trouble: null,
      look,
      lookedAtMs: startedAtMs,
      copyInterrupted: false,
      disk: null,
    },
    memory,
    ledger: ledgerAfterLook(view.ledger, look, isTouched, reports, isUntold),
    unconfirmed: filtered(view.unconfirmed, (entry) => !isConfirmed(entry)),
  };
}

/**
 * A server that is down has nothing to look at but its disk: what was done to it is seen there. What was seen before that was
 * done, or meanwhile, is not how it is now.
 */
function withDisk(view: View, disk: DiskState, startedAtMs: number): View {
  if (diskLanes.some((lane) => view.running.has(lane) || startedAtMs < (view.unconfirmed.get(lane)?.sinceMs ?? 0)))
    return view;
  const isConfirmed = (entry: Unconfirmed): boolean => entry.index === null && startedAtMs >= entry.sinceMs;
  return {
    ...view,
    local: { ...view.local, disk },
    memory: { ...view.memory, lead: leadAfterDisk(view, disk) },
    unconfirmed: filtered(view.unconfirmed, (entry) => !isConfirmed(entry)),
  };
}

/** The lanes of whatever changes the data directory, or whether a server runs there. */
const diskLanes: readonly string[] = ['server', 'fence'];

/** What was seen on disk before such an action is not known to be so any more. */
function withoutDisk(view: View, lane: string): View {
  return diskLanes.includes(lane) ? { ...view, local: { ...view.local, disk: null } } : view;
}

function withRequests(view: View, requests: RequestMemory): View {
  return requests === view.memory.requests ? view : { ...view, memory: { ...view.memory, requests } };
}

function withReloaded(view: View, self: Self | null, problems: readonly Problem[]): View {
  const others = [...view.reported].filter(([code]) => !reloadProblems.includes(code));
  const reported = new Map([...others, ...problems.map((problem) => [problem.code, problem] as const)]);
  const told = { ...view, reported };
  return self === null ? told : withRequests({ ...told, self }, requestsAfterReload(view));
}

/** The codes of all that is ever told of the agent's file after its start. */
const reloadProblems: readonly string[] = ['agent_file', 'agent_file_kept'];

/** What binds this member by its answer is remembered in one step with the answer. */
function withRequest(view: View, request: AgentRequest): View {
  const failsafe = failsafeAfterRequest(view, request);
  const asked = withRequests(view, requestsAfterRequest(view, request));
  return { ...asked, memory: { ...asked.memory, lead: { ...asked.memory.lead, failsafe } } };
}

function withStarted(view: View, action: Action): View {
  const running = new Map(view.running).set(laneOf(action), { action, sinceMs: view.nowMs });
  const memory = { ...memoryAfterStart(view, action), lead: leadAfterStart(view, action) };
  return withoutDisk({ ...view, running, memory }, laneOf(action));
}

function withOutcome(view: View, outcome: Outcome): View {
  const action = outcome.kind === 'done' ? outcome.done.action : outcome.action;
  const lane = laneOf(action);
  const running = new Map(view.running);
  running.delete(lane);
  const failures = new Map(view.failures);
  const unconfirmed = new Map(view.unconfirmed);
  const effect = effectOf(view, outcome);
  if (effect === null) unconfirmed.delete(lane);
  else unconfirmed.set(lane, effect);
  const lead = leadAfterOutcome(view, outcome);
  const next = withoutDisk({ ...view, running, failures, unconfirmed, memory: { ...view.memory, lead } }, lane);
  if (outcome.kind === 'failed') {
    // A refused transaction is news about the cluster, not a fault: the next view decides again.
    if (!outcome.failure.refused) failures.set(keyOf(action), failureAfter(view, outcome));
    return {
      ...next,
      session:
        outcome.failure.sessionDead && 'session' in action && action.session === sessionId(view)
          ? { kind: 'none', why: 'Consul does not know the session any more' }
          : view.session,
    };
  }
  failures.delete(keyOf(action));
  return {
    ...next,
    memory: { ...memoryAfterOutcome(view, outcome), native: nativeAfterOutcome(view, outcome), lead },
    ledger: ledgerAfterOutcome(view, outcome),
    savedLedger: outcome.done.action.kind === 'save_ledger' ? outcome.done.action.ledger : view.savedLedger,
  };
}

function failureAfter(view: View, outcome: Extract<Outcome, { kind: 'failed' }>): Failure {
  const before = view.failures.get(keyOf(outcome.action));
  return {
    count: (before?.count ?? 0) + 1,
    sinceMs: before?.sinceMs ?? view.nowMs,
    lastAtMs: view.nowMs,
    message: outcome.failure.message,
    sqlstate: outcome.failure.sqlstate,
  };
}

/** What has to be observed before the action's lane is used again; null = nothing, or it has been seen already. */
function effectOf(view: View, outcome: Outcome): Unconfirmed | null {
  // Nothing here shows what the others were asked.
  if (outcome.kind === 'done' && outcome.done.action.kind === 'ask_failsafe') return null;
  const sinceMs = view.nowMs;
  const seenIndex = view.consul.keys?.index ?? 0;
  if (outcome.kind === 'failed' && outcome.failure.refused) {
    // What was refused was planned from keys that are old by now.
    const againMs = outcome.action.kind === 'acquire_leader' ? keyRefusalMs : refusalMs;
    return { sinceMs, untilMs: sinceMs + againMs, index: seenIndex + 1 };
  }
  const index = outcome.kind === 'done' ? writtenIndex(outcome.done.result) : null;
  // The blocking read often tells of a write before the write's own answer is there. Of one that it has not told of since,
  // a lower index proves nothing: the value was there already, or Consul has lost its data and counts anew.
  if (index !== null && index <= seenIndex && isReadSince(view, outcome.startedAtMs)) return null;
  return { sinceMs, untilMs: sinceMs + confirmationMs, index };
}

function isReadSince({ consul: { contact } }: View, atMs: number): boolean {
  return contact.kind === 'good' && contact.atMs >= atMs;
}

/** The Raft index of a write to Consul; null for everything that does not say one. */
function writtenIndex(result: unknown): number | null {
  if (typeof result !== 'object' || result === null || !('modifyIndex' in result)) return null;
  return typeof result.modifyIndex === 'number' && result.modifyIndex > 0 ? result.modifyIndex : null;
}

function good(view: View): Contact {
  return { kind: 'good', atMs: view.nowMs };
}

function broken(before: Contact, nowMs: number, why: string): Contact {
  return { kind: 'broken', sinceMs: before.kind === 'broken' ? before.sinceMs : nowMs, why };
}

function filtered<V>(map: ReadonlyMap<string, V>, keep: (value: V) => boolean): ReadonlyMap<string, V> {
  return new Map([...map].filter(([, value]) => keep(value)));
}
