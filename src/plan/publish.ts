import { equal } from '../base/equal.ts';
import type { HistoryEntry, Member, MemberRole } from '../domain/cluster.ts';
import { furthestOf, replicationStateOf } from '../domain/server.ts';
import { patroniFormatVersion } from '../domain/version.ts';
import type { SlotVerdict } from '../domain/slot.ts';
import { needsFeedback } from '../view/feedback.ts';
import { statusTokens } from '../view/memory.ts';
import { nativeWantsSnapshot } from '../view/native.ts';
import { configOf, freshLook, holdsLeader, ownUpstream, sessionId } from '../view/select.ts';
import { usableTemplates, waitsForSnapshot } from '../view/templates.ts';
import type { View } from '../view/view.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';
import { isFormerRunOver } from './lead/former-run.ts';
import { managedRole, managedState } from './lead/member-state.ts';
import { ownBid } from './lead/race.ts';
import { isTakenByAnother, mayPublish, severalPrimaries } from './leadership.ts';
import { isStatusEvidence, wantedSlotHistory } from './slot-history.ts';
import type { StatusChange } from './status.ts';
import { physicalReports, statusChange, wantedStatus } from './status.ts';

/** Older members than this version of Patroni read `optime/leader` only. */
const readsStatusSince = [2, 1] as const;

/** Slots that have not moved for this long have come to rest. */
const restMs = 3_000;

/** What this member's key should say. `problems`: the codes of what is wrong here. */
export function wantedMember(view: View, problems: readonly string[]): Member {
  const { self } = view;
  const { look } = view.local;
  const fresh = freshLook(view);
  return {
    connUrl: self.connUrl,
    apiUrl: self.apiUrl,
    state: self.ha === 'manage' ? managedState(view) : stateOf(view),
    role: self.ha === 'manage' ? managedRole(view) : roleOf(view),
    version: patroniFormatVersion,
    xlogLocation: look === null ? null : furthestOf(look),
    receiveLsn: look?.receivedLsn ?? null,
    replayLsn: look?.replayedLsn ?? null,
    replicationState: fresh === null ? null : replicationStateOf(fresh),
    timeline: look?.timeline ?? null,
    tags: self.tags,
    pendingRestart: view.memory.lead.pendingRestart.size > 0,
    pendingRestartReason: view.memory.lead.pendingRestart,
    scheduledRestart: view.memory.requests.scheduled?.request ?? null,
    pause: configOf(view).pause,
    slots: new Map(view.verdicts.map((verdict) => [verdict.slot, verdict])),
    extras: {
      agentVersion: self.agentVersion,
      serverVersionNum: look?.versionNum ?? null,
      systemIdentifier: look?.systemIdentifier ?? null,
      upstream: ownUpstream(view),
      primarySlotName:
        look?.role === 'standby' && look.settings.primarySlotName !== '' ? look.settings.primarySlotName : null,
      physical: look === null ? new Map() : physicalReports(look),
      needsFeedback: needsFeedback(view),
      hotStandbyFeedback: look?.settings.hotStandbyFeedback ?? false,
      templates: usableTemplates(view),
      bid: ownBid(view),
      wantsSnapshot: waitsForSnapshot(view) || nativeWantsSnapshot(view),
      problems,
    },
  };
}

/** Patroni's words for the state of the server. */
function stateOf(view: View): string {
  if (view.running.has('server')) return 'restarting';
  const { contact, trouble } = view.local;
  if (contact.kind === 'good') return 'running';
  switch (trouble) {
    case 'not_running':
      return 'stopped';
    case 'starting':
      return 'starting';
    case 'stopping':
      return 'stopping';
    case 'refused':
    case 'timeout':
    case 'other':
      return 'unknown';
    case null:
      return 'starting';
  }
}

function roleOf(view: View): MemberRole {
  const look = freshLook(view);
  if (view.local.look === null) return 'uninitialized';
  return look?.role === 'primary' ? 'primary' : 'replica';
}

export function planMember(view: View, member: Member): readonly Intent[] {
  const session = sessionId(view);
  if (view.consul.keys === null || session === null || isTakenByAnother(view)) return [];
  const own = view.consul.keys.members.get(view.self.name) ?? null;
  const former = own?.session != null && own.session !== session ? own.session : null;
  if (former !== null && (view.self.ha === 'observe' || !isFormerRunOver(view, session, former))) return [];
  const before = own?.session === session ? own.value : null;
  if (before !== null) {
    if (equal(before, member)) return [];
    const { memberWrittenAtMs, movedAtMs } = view.memory;
    const isTime = view.nowMs - (memberWrittenAtMs ?? -Infinity) >= configOf(view).loopWait * 1_000;
    // Where slots have come to rest is written once, so that the last position shown is not an old one.
    const isAtRest = movedAtMs !== null && view.nowMs - movedAtMs >= restMs;
    const isOldPosition = isAtRest && !equal(logicalPositions(before), logicalPositions(member));
    if (!isTime && !isOldPosition && equal(withoutDetails(before), withoutDetails(member))) return [];
  }
  return [act({ kind: 'publish_member', session, former, member })];
}

/** What `movedAtMs` is about; physical slots move with every write. */
function logicalPositions(member: Member): unknown {
  const logical = [...member.slots.values()].filter((verdict) => verdict.type === 'logical');
  return new Map(logical.map((verdict) => [verdict.slot, verdict.position]));
}

/** The member without what moves all the time: such changes wait for the next regular write. */
function withoutDetails(member: Member): unknown {
  const kindOf = (verdict: SlotVerdict): string => verdict.verdict.kind;
  return {
    ...member,
    xlogLocation: null,
    receiveLsn: null,
    replayLsn: null,
    replicationState: null,
    slots: new Map([...member.slots].map(([name, verdict]) => [name, kindOf(verdict)])),
    extras:
      member.extras === null
        ? null
        : {
            ...member.extras,
            templates: [...member.extras.templates.keys()].sort(),
            physical: new Map(
              [...member.extras.physical].map(([name, slot]) => [name, [slot.active, slot.catalogXmin === null]]),
            ),
          },
  };
}

/** What only the leader writes, each in a transaction that checks the lock (S6). */
export function planPublications(view: View): readonly Intent[] {
  if (!holdsLeader(view)) return [];
  const several = severalPrimaries(view);
  if (several !== null) return [hold('status', several)];
  const session = sessionId(view);
  if (session === null || !mayPublish(view)) return [hold('status', 'this server is not known to be the primary now')];
  const status = wantedStatus(view);
  if (status === null) return [hold('status', 'the server has not been looked at yet')];
  const intents: Intent[] = [];
  const slotHistory = wantedSlotHistory(view);
  if (slotHistory !== null)
    intents.push(
      act({
        kind: 'publish_slot_history',
        session,
        slotHistory,
        index: view.consul.keys?.slotHistory?.modifyIndex ?? 0,
      }),
    );
  const look = freshLook(view);
  if (look !== null && view.consul.keys?.initialize === null) {
    intents.push(act({ kind: 'publish_initialize', session, systemIdentifier: look.systemIdentifier }));
  }
  const history = wantedHistory(view);
  if (history !== null) intents.push(act({ kind: 'publish_history', session, history }));
  const before = view.consul.keys?.status?.value ?? null;
  if (isStatusEvidence(view)) {
    intents.push(hold('status', 'a slot was made anew, and its gap is not in slot_history yet'));
  } else if (isDue(view, statusChange(before, status))) {
    intents.push(act({ kind: 'publish_status', session, status, legacyOptime: hasOldMember(view) }));
  }
  return intents;
}

/** How soon each change is written: slots at once, positions as the budget allows, what only drifts now and then. */
function isDue(view: View, change: StatusChange): boolean {
  const sinceMs = view.nowMs - (view.memory.statusWrittenAtMs ?? -Infinity);
  switch (change) {
    case 'none':
      return false;
    case 'slots':
      return true;
    case 'positions':
      return statusTokens(view) >= 1;
    case 'details':
      return sinceMs >= 5_000;
    case 'optime':
      return sinceMs >= configOf(view).loopWait * 1_000;
  }
}

function hasOldMember(view: View): boolean {
  for (const { value } of view.consul.keys?.members.values() ?? []) {
    if (value === null || value.extras !== null) continue;
    const [major = 0, minor = 0] = (value.version ?? '0').split('.').map(Number);
    if (major < readsStatusSince[0] || (major === readsStatusSince[0] && minor < readsStatusSince[1])) return true;
  }
  return false;
}

/** The key `history` from the server's own history file, keeping what was recorded of each switch; null = it is right. */
function wantedHistory(view: View): readonly HistoryEntry[] | null {
  const { history } = view.local;
  const look = freshLook(view);
  if (history === null || look === null || history.timeline !== look.timeline) return null;
  const recorded = view.consul.keys?.history?.value ?? [];
  const wanted = history.switches.map((end, index): HistoryEntry => {
    const known = recorded.find((entry) => entry.timeline === end.timeline && entry.lsn === end.lsn);
    if (known !== undefined) return known;
    const isLast = index === history.switches.length - 1;
    const promotedAt = view.memory.promotion?.atWallMs ?? (view.memory.standing === null ? null : view.nowWallMs);
    return {
      timeline: end.timeline,
      lsn: end.lsn,
      reason: end.reason,
      timestamp: isLast && promotedAt !== null ? new Date(promotedAt).toISOString() : null,
      newLeader: isLast ? view.self.name : null,
    };
  });
  const isSame =
    wanted.length === recorded.length &&
    wanted.every((entry, i) => entry.timeline === recorded[i]?.timeline && entry.lsn === recorded[i].lsn);
  return isSame ? null : wanted;
}
