import { type Action, type ActionOf, isDone, type Outcome } from '../domain/action.ts';
import { leaderName } from '../domain/cluster.ts';
import type { DiskState, NotesOnDisk } from '../domain/disk.ts';
import { noTerm } from '../domain/lead.ts';
import type { PendingRestart } from '../domain/managed.ts';
import type { ServerLook } from '../domain/server.ts';
import { boundInRace, failsafeAfterOutcome, failsafeAfterStart, noFailsafe, withoutIdleAgreement } from './failsafe.ts';
import { formerLeaderLives } from './former-leader.ts';
import { memberSlotsAfter } from './member-slots.ts';
import { configOf, freshLook, sessionId } from './select.ts';
import {
  heldTerm,
  leadDeadlineMs,
  leadingTerm,
  leaseDeadlineMs,
  letsWrite,
  lifelineGraceMs,
  mayWrite,
} from './lease.ts';
import { standbyClusterOf } from './standby-cluster.ts';
import type { LeadMemory, View } from './view.ts';

export function noLeadMemory(nowMs: number): LeadMemory {
  return {
    deposed: null,
    lastLeader: null,
    vacant: null,
    pausedUntilMs: null,
    openSinceMs: null,
    isKeyDelayed: false,
    guard: null,
    // An agent that has just been started finds its server as it is.
    mayWriteSinceMs: nowMs,
    applied: null,
    pendingRestart: new Map(),
    recordedTerm: null,
    writtenUnder: null,
    savedConfig: null,
    rewound: null,
    remoteLine: null,
    checkpointedAtMs: null,
    downSinceMs: null,
    streamlessSinceMs: null,
    request: null,
    isUnled: false,
    offered: null,
    handover: null,
    followed: null,
    syncAttempted: null,
    synchronous: new Map(),
    memberSlots: new Map(),
    failsafe: noFailsafe(nowMs),
  };
}

/** What an action that begins changes. */
export function leadAfterStart(view: View, action: Action): LeadMemory {
  const lead = { ...view.memory.lead, failsafe: failsafeAfterStart(view, action) };
  const term = heldTerm(view);
  if (action.kind === 'release_leader' && term !== null && action.session === sessionId(view)) {
    // From the moment on in which it is asked for: the answer may never come.
    return { ...lead, deposed: { term, why: 'released' } };
  }
  if (action.kind === 'acquire_leader') return { ...lead, offered: offerOf(view) };
  const isHandingOver = action.kind === 'stop_server' && action.mode === 'fast' && view.consul.keys?.failover != null;
  if (isHandingOver && term !== null) return { ...lead, handover: { term } };
  if (action.kind === 'publish_sync') return { ...lead, syncAttempted: withAttempt(lead.syncAttempted, action) };
  if (action.kind === 'follow') return { ...lead, followed: { upstream: action.plan.upstream, atMs: view.nowMs } };
  // Whether a term's record came to be is not known before the disk is looked at.
  if (action.kind === 'record_term') return { ...lead, isUnled: false };
  return letsWrite(action) ? { ...lead, isUnled: false, mayWriteSinceMs: view.nowMs } : lead;
}

function offerOf(view: View): LeadMemory['offered'] {
  const look = freshLook(view);
  return look?.role === 'standby' ? { timeline: look.timeline, atMs: view.nowMs } : null;
}

/** What an action that has ended, well or not, changes. */
export function leadAfterOutcome(view: View, outcome: Outcome): LeadMemory {
  const lead = { ...view.memory.lead, failsafe: failsafeAfterOutcome(view, outcome) };
  const action = outcome.kind === 'done' ? outcome.done.action : outcome.action;
  // Also when it failed: how far it came is not known.
  const next = letsWrite(action) ? { ...lead, mayWriteSinceMs: view.nowMs } : lead;
  if (action.kind === 'checkpoint') return { ...next, checkpointedAtMs: view.nowMs };
  if (outcome.kind === 'failed') {
    const isDelayed = action.kind === 'acquire_leader' && outcome.failure.refused && next.vacant !== null;
    return isDelayed ? { ...next, isKeyDelayed: true } : next;
  }
  const { done } = outcome;
  // From when it was asked: what has become of the remote primary since is not known.
  if (isDone('read_line', done)) return { ...next, remoteLine: { line: done.result, atMs: outcome.startedAtMs } };
  switch (done.action.kind) {
    case 'promote':
    case 'record_term':
      return { ...next, recordedTerm: done.action.term, writtenUnder: null };
    case 'start_server': {
      const { plan, term } = done.action;
      const { writtenUnder } = next;
      const asPlanned = { applied: plan, pendingRestart: pendingIn(done.result), recordedTerm: term };
      return { ...next, ...asPlanned, writtenUnder: term === null ? writtenUnder : null };
    }
    case 'restart_server':
    case 'configure_server':
      return { ...next, applied: done.action.plan, pendingRestart: pendingIn(done.result) };
    case 'bootstrap':
      return {
        ...next,
        applied: done.action.plan,
        pendingRestart: new Map(),
        recordedTerm: null,
        writtenUnder: null,
        isUnled: true,
      };
    case 'follow':
      return { ...next, applied: done.action.plan };
    case 'clone':
    case 'restore_data':
    case 'rewind':
    case 'remove_data':
      return {
        ...{ ...next, applied: null, pendingRestart: new Map(), recordedTerm: null, writtenUnder: null },
        savedConfig: { text: null },
        isUnled: false,
        remoteLine: null,
        rewound: done.action.kind === 'rewind' ? { count: (next.rewound?.count ?? 0) + 1, atMs: view.nowMs } : null,
      };
    case 'save_config':
      return { ...next, savedConfig: { text: done.action.text } };
    default:
      return next;
  }
}

/** The settings that an action resolved to. */
function pendingIn(result: unknown): PendingRestart {
  return result instanceof Map ? (result as PendingRestart) : new Map();
}

/** What a look that began at `startedAtMs` changes. */
export function leadAfterLook(view: View, look: ServerLook, startedAtMs: number): LeadMemory {
  const before = view.memory.lead;
  const isStreaming = look.receiver?.status === 'streaming';
  // Whoever it streams from has the same cluster.
  const lead = isStreaming ? { ...before, rewound: null, isUnled: false } : before;
  if (look.role === 'primary') return { ...lead, mayWriteSinceMs: lead.mayWriteSinceMs ?? view.nowMs };
  const isNews = lead.mayWriteSinceMs !== null && startedAtMs >= lead.mayWriteSinceMs;
  const isOver = lead.handover !== null && heldTerm(view) !== lead.handover.term;
  if (!isNews && !isOver) return lead;
  return {
    ...lead,
    mayWriteSinceMs: isNews ? null : lead.mayWriteSinceMs,
    handover: isOver ? null : lead.handover,
  };
}

/**
 * What an earlier run noted. The term is that of a standby that runs, which no look at the disk has shown: it may have been a
 * primary, and is held to that (L7).
 */
export function leadAfterNotes({ memory: { lead } }: View, { term, isUnled, configText }: NotesOnDisk): LeadMemory {
  const isKnown = lead.recordedTerm !== null || lead.writtenUnder !== null;
  const noted = isKnown ? {} : { writtenUnder: term, isUnled: lead.isUnled || isUnled };
  return { ...lead, ...noted, savedConfig: { text: configText } };
}

/** What the end of the server changes: nothing runs on the data directory that was looked at. */
export function leadAfterDisk(view: View, disk: DiskState): LeadMemory {
  const { lead } = view.memory;
  const term = disk.kind === 'cluster' ? disk.term : null;
  // A custom bootstrap method leaves no note: its data may be a copy of what others have, too.
  const isUnled = disk.kind === 'cluster' && term === null && (disk.isUnled || lead.isUnled);
  return { ...lead, mayWriteSinceMs: null, recordedTerm: null, writtenUnder: term, isUnled };
}

/**
 * What follows for the lead from the view as a whole. `before`: the view as it was, whose lease counts for what was learnt
 * since: a renewal that comes after the deadline proves nothing for the time before it (L1).
 */
export function rememberLead(before: View, view: View): View {
  if (view.self.ha !== 'manage') return view;
  const lead: LeadMemory = {
    ...view.memory.lead,
    deposed: deposedAfter(before, view),
    lastLeader: lastLeaderAfter(view),
    downSinceMs: view.local.contact.kind === 'good' ? null : (view.memory.lead.downSinceMs ?? view.nowMs),
    streamlessSinceMs: isStreamless(view) ? (view.memory.lead.streamlessSinceMs ?? view.nowMs) : null,
    request: requestAfter(view),
    syncAttempted: syncAttemptedAfter(view),
    synchronous: synchronousAfter(view),
    memberSlots: memberSlotsAfter(view),
  };
  const led = { ...view, memory: { ...view.memory, lead } };
  const failsafe = withoutIdleAgreement(led);
  return withGuard(withVacancy({ ...led, memory: { ...led.memory, lead: { ...lead, failsafe } } }));
}

function deposedAfter(before: View, view: View): LeadMemory['deposed'] {
  const { deposed } = view.memory.lead;
  const { agreement } = before.memory.lead.failsafe;
  const term = heldTerm(before) ?? agreement?.term ?? null;
  if (term === null || term === deposed?.term) return deposed;
  const deadlineMs = leadDeadlineMs(before, term);
  if (deadlineMs === null || view.nowMs >= deadlineMs) return { term, why: 'lease' };
  const was = before.consul.keys?.leader ?? null;
  const is = view.consul.keys?.leader ?? null;
  if (agreement?.term === term && view.nowMs < agreement.deadlineMs) {
    // Session and key may be gone when Consul comes back: by their word nobody else takes the key meanwhile.
    const holder = is?.session ?? null;
    const isAnothers = holder !== null && holder !== was?.session && holder !== sessionId(view);
    return isAnothers ? { term, why: 'key' } : deposed;
  }
  if (sessionId(view) !== sessionId(before)) return { term, why: 'session' };
  // Somebody who writes over the key takes neither the lock nor the lease from us; one who deletes it does.
  const isSame = is !== null && is.session === was?.session && is.createIndex === was.createIndex;
  return isSame ? deposed : { term, why: 'key' };
}

function lastLeaderAfter(view: View): LeadMemory['lastLeader'] {
  const { keys } = view.consul;
  const name = keys === null ? null : leaderName(keys);
  const term = keys?.leader?.modifyIndex ?? null;
  return name === null || term === null ? view.memory.lead.lastLeader : { name, term };
}

/** The newest term that this member knows of; 0 = there was none. */
export function newestTerm(view: View): number {
  const listed = (view.consul.keys?.terms?.value ?? []).map(({ term }) => term);
  return Math.max(0, view.memory.lead.lastLeader?.term ?? 0, ...listed);
}

function withVacancy(before: View): View {
  const { keys } = before.consul;
  const isVacant = keys !== null && leaderName(keys) === null;
  const { lead } = before.memory;
  const sinceMs = lead.vacant?.sinceMs ?? before.nowMs;
  const after = newestTerm(before);
  const isSame = isVacant && lead.vacant?.sinceMs === sinceMs && lead.vacant.after === after;
  const vacant = isSame ? lead.vacant : isVacant ? { sinceMs, after } : null;
  const pausedUntilMs = isVacant ? pausedUntil(before) : null;
  const view = { ...before, memory: { ...before.memory, lead: { ...lead, vacant, pausedUntilMs } } };
  const isOpen = isVacant && boundInRace(view) === null && formerLeaderLives(view) === null;
  const openSinceMs = isOpen ? (lead.openSinceMs ?? before.nowMs) : null;
  const isKeyDelayed = isVacant && lead.isKeyDelayed;
  return { ...view, memory: { ...view.memory, lead: { ...view.memory.lead, openSinceMs, isKeyDelayed } } };
}

function pausedUntil(view: View): number | null {
  const { pausedUntilMs } = view.memory.lead;
  if (configOf(view).pause) return Infinity;
  return pausedUntilMs === Infinity ? view.nowMs : pausedUntilMs;
}

/**
 * While this member leads, its server is guarded until the lease's end. Once it does not, the last guard stays as it is
 * until the server is known not to accept writes: a session that is renewed all the same puts no end off.
 */
function withGuard(view: View): View {
  const { lead } = view.memory;
  const term = leadingTerm(view);
  const deadlineMs = term === null ? null : leadDeadlineMs(view, term);
  // Without Consul the session is gone, or will be; the key is still to be given back in its name.
  const session = heldTerm(view) === term ? sessionId(view) : (lead.guard?.session ?? null);
  // The leader of a standby cluster lets nobody write: there is nothing to fence.
  const isWritten = standbyClusterOf(view) === null || mayWrite(view);
  // In pause nothing is stopped, so that Consul can be worked on: what that gives up is in plan/SPEC.md.
  const { pause } = configOf(view);
  const isLeading = isWritten && !pause && term !== null && deadlineMs !== null && session !== null;
  const kept = mayWrite(view) && !pause ? lead.guard : null;
  const making = isWritten ? guardOfMaking(view) : null;
  const guard = isLeading ? { term, deadlineMs: deadlineMs + lifelineGraceMs, session } : (making ?? kept);
  const handover = lead.handover !== null && term !== null && lead.handover.term !== term ? null : lead.handover;
  return { ...view, memory: { ...view.memory, lead: { ...lead, guard, handover } } };
}

/** A cluster that is made here accepts writes before anybody leads: by the lock on `initialize`, for as long as a lease. */
function guardOfMaking(view: View): LeadMemory['guard'] {
  const session = sessionId(view);
  const deadlineMs = leaseDeadlineMs(view);
  const isMaking = session !== null && view.consul.keys?.initialize?.session === session;
  return isMaking && deadlineMs !== null ? { term: noTerm, deadlineMs: deadlineMs + lifelineGraceMs, session } : null;
}

function isStreamless(view: View): boolean {
  const look = freshLook(view);
  return look?.role === 'standby' && look.receiver?.status !== 'streaming';
}

function requestAfter(view: View): LeadMemory['request'] {
  const index = view.consul.keys?.failover?.modifyIndex ?? null;
  const before = view.memory.lead.request;
  if (index === null) return null;
  return index === before?.index ? before : { index, sinceMs: view.nowMs };
}

/** From now on Consul may say so, whatever becomes of the answer: a write that was given up may still be on its way. */
function withAttempt(before: LeadMemory['syncAttempted'], { index, sync }: ActionOf<'publish_sync'>) {
  const earlier = before?.index === index ? before.standbys : [];
  return { index, standbys: [...new Set([...earlier, ...sync.standbys])].sort() };
}

/** Each of those writes was to replace one version of the key, and none can once there is a newer one. */
function syncAttemptedAfter({ consul: { keys }, memory: { lead } }: View): LeadMemory['syncAttempted'] {
  const isOver = keys !== null && (keys.sync?.modifyIndex ?? 0) !== lead.syncAttempted?.index;
  return isOver ? null : lead.syncAttempted;
}

/** A commit that was acknowledged before a standby became synchronous need not be there yet: where that was, is kept. */
function synchronousAfter(view: View): ReadonlyMap<string, bigint> {
  const look = freshLook(view);
  const before = view.memory.lead.synchronous;
  if (look?.role !== 'primary' || look.currentLsn === null) return before.size === 0 ? before : new Map();
  const synchronous = new Map<string, bigint>();
  for (const { applicationName, state, syncState } of look.replication) {
    if (state !== 'streaming' || (syncState !== 'sync' && syncState !== 'quorum')) continue;
    synchronous.set(applicationName, before.get(applicationName) ?? look.currentLsn);
  }
  return synchronous;
}
