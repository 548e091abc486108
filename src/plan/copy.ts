import { backoffMs, fractionOf } from '../base/backoff.ts';
import type { Action } from '../domain/action.ts';
import { leaderName } from '../domain/cluster.ts';
import { formatLsn } from '../domain/lsn.ts';
import type { ServerLook } from '../domain/server.ts';
import { majorOf, versionText } from '../domain/version.ts';
import type { FollowedSlot } from '../view/select.ts';
import { mayRestartFor } from '../view/method.ts';
import { configOf, ownUpstream, sessionId } from '../view/select.ts';
import type { View } from '../view/view.ts';
import { hasRoom, retentionObstacle, roomProblem } from './budget.ts';
import { gate } from './gate.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';

/** New slots are collected for this long, so that slots made together cost one restart. */
const batchMs = 300;
/** How long a standby lets the one above it go first. */
const upstreamPatienceMs = 10_000;
/** How long a restart waits for another replica to be in service. */
const replicaPatienceMs = 60_000;
/** A slot that was copied and has to be copied again waits longer each time: it must not restart a standby in a loop. */
const recopyBackoff = { firstMs: 10_000, factor: 4, maxMs: 3_600_000 };

/**
 * The file copy: which slots, whether now, and whose turn it is. Standbys take turns through a lock in Consul, so that
 * never two of a scope are down at once; the plan gives the turn back as soon as there is nothing to copy now.
 */
export function planCopy(
  view: View,
  look: ServerLook,
  missing: readonly FollowedSlot[],
  damaged: readonly FollowedSlot[],
): readonly Intent[] {
  const due: FollowedSlot[] = [];
  const held: Intent[] = [];
  let added = 0;
  for (const slot of [...missing, ...damaged]) {
    if (slot.report.invalidation !== null) continue;
    const isNew = missing.includes(slot);
    const why = notYet(view, look, slot) ?? (isNew && !hasRoom(look, added + 1) ? roomProblem(look).what : null);
    if (why !== null) {
      held.push(hold(`slot ${slot.name}`, why));
      continue;
    }
    due.push(slot);
    if (isNew) added += 1;
  }
  if (due.length === 0) return held;
  const subject = `copy of ${due.map((slot) => slot.name).join(', ')}`;
  const obstacle = obstacleOf(view, look);
  if (obstacle !== null) return [hold(subject, obstacle), ...held];
  const url = primaryUrl(view);
  if (url === null) return [hold(subject, "the leader's member key has no conn_url"), ...held];
  if (missing.length > 0 && view.nowMs - view.memory.missing.sinceMs < batchMs) return held;
  const upstream = upstreamWithout(view, missing);
  if (upstream !== null) return [hold(subject, `${upstream}, which this standby streams from, gets it first`), ...held];
  const copy = copyAction(sessionId(view) ?? '', url, due, damaged);
  // After a failure the turn is not kept, nor taken, until it is time for the next attempt: others may copy meanwhile.
  const answer = gate(view, copy);
  if (answer.kind === 'wait') return [hold(subject, answer.why), ...held];
  const turn = turnOf(view);
  switch (turn.kind) {
    case 'ours':
      return [act(copy), ...held];
    case 'free':
      return [act({ kind: 'take_turn', session: turn.session }), ...held];
    case 'unavailable':
      return [hold(subject, turn.why), ...held];
  }
}

function copyAction(
  session: string,
  primaryUrl: string,
  due: readonly FollowedSlot[],
  damaged: readonly FollowedSlot[],
): Action {
  return {
    kind: 'copy_slots',
    session,
    request: {
      primaryUrl,
      slots: due.map((slot) => ({ name: slot.name, database: slot.report.database, plugin: slot.report.plugin })),
      replace: due.filter((slot) => damaged.includes(slot)).map((slot) => slot.name),
    },
  };
}

/** Why this slot is left out of the next copy; null = it is not. One slot's trouble must not keep the others (S5). */
function notYet(view: View, look: ServerLook, slot: FollowedSlot): string | null {
  const copies = view.memory.copies.get(slot.name);
  if (copies !== undefined) {
    const hasMoved = copies.triedFrom !== null && copies.triedFrom !== slot.report.restartLsn;
    const count = hasMoved ? 1 : copies.count;
    const waitMs = backoffMs(recopyBackoff, count, fractionOf(view.self.name + slot.name));
    if (view.nowMs - copies.lastAtMs < waitMs)
      return copies.skipped === null ? 'it was copied a short while ago' : `it could not be copied: ${copies.skipped}`;
  }
  const { restartLsn } = slot.report;
  return notReplayed(look, slot) ?? (restartLsn === null ? null : retentionObstacle(look, restartLsn));
}

/** Why no copy can be made now; null = it can. */
function obstacleOf(view: View, look: ServerLook): string | null {
  const config = configOf(view);
  if (!mayRestartFor(view, look)) return 'failover_slots.restart does not allow the restart that a file copy needs';
  if (config.pause) return 'the cluster is paused';
  // Who is the leader, and whose turn it is, may have changed since Consul was heard of last.
  if (view.consul.contact.kind !== 'good') return 'Consul does not answer';
  if (!view.self.canRestart) return 'the agent has neither postgresql.bin_dir nor commands to restart the server with';
  if (look.settings.primarySlotName === '')
    return 'primary_slot_name is empty: without it catalog rows cannot be protected';
  if (!look.settings.hotStandbyFeedback) return 'hot_standby_feedback is not on yet';
  if (look.replayPaused) return 'replay is paused on this standby';
  const others = withoutOtherReplica(view);
  if (others !== null) return others;
  const primary =
    view.consul.keys?.members.get(leaderName(view.consul.keys) ?? '')?.value?.extras?.serverVersionNum ?? null;
  if (primary !== null && majorOf(primary) !== majorOf(look.versionNum)) {
    return `this server is PostgreSQL ${versionText(look.versionNum)}, the primary ${versionText(primary)}: slot files differ`;
  }
  return null;
}

/**
 * Where the scope has other replicas, one of them is to be in service while this one restarts. One that stays away is not
 * waited for for ever: a slot that is nowhere is worse than a minute without replicas.
 */
function withoutOtherReplica(view: View): string | null {
  if (view.nowMs - view.memory.missing.sinceMs >= replicaPatienceMs) return null;
  const others = [...(view.consul.keys?.members ?? [])].filter(
    ([name, { value }]) => name !== view.self.name && value?.role === 'replica',
  );
  const isInService = others.some(([, { value, session }]) => session !== null && value?.state === 'running');
  if (others.length === 0 || isInService) return null;
  return `no other replica is in service now: ${others.map(([name, { value }]) => `${name} is ${value?.state ?? 'unknown'}`).join(', ')}`;
}

/**
 * The standby above this one while it does not have the slots yet: its restart would cut the stream through which this
 * one's catalog rows are protected, so it goes first. One that can't is not waited for long.
 */
function upstreamWithout(view: View, missing: readonly FollowedSlot[]): string | null {
  const { keys } = view.consul;
  const upstream = ownUpstream(view);
  if (keys === null || upstream === null || upstream === leaderName(keys)) return null;
  if (view.nowMs - view.memory.missing.sinceMs >= upstreamPatienceMs) return null;
  const there = keys.members.get(upstream)?.value?.slots;
  return missing.every((slot) => there?.get(slot.name)?.position != null) ? null : upstream;
}

/**
 * What a slot decodes from has to be here. Whether the standby streams at this moment does not matter: when its upstream
 * has just restarted, a restart of its own is the quickest way to stream again.
 */
function notReplayed(look: ServerLook, slot: FollowedSlot): string | null {
  const replayed = look.replayedLsn ?? 0n;
  const { restartLsn } = slot.report;
  if (restartLsn !== null && restartLsn <= replayed) return null;
  const start = restartLsn === null ? 'nowhere yet' : formatLsn(restartLsn);
  const paused = look.replayPaused ? ', where replay is paused' : '';
  return `this standby has replayed to ${formatLsn(replayed)}${paused}, and the slot starts at ${start}`;
}

function primaryUrl(view: View): string | null {
  const { keys } = view.consul;
  return keys?.members.get(leaderName(keys) ?? '')?.value?.connUrl ?? null;
}

type Turn =
  | { readonly kind: 'ours' }
  | { readonly kind: 'free'; readonly session: string }
  | { readonly kind: 'unavailable'; readonly why: string };

function turnOf(view: View): Turn {
  const lock = view.consul.keys?.restartTurn ?? null;
  const session = sessionId(view);
  if (session === null)
    return { kind: 'unavailable', why: 'there is no Consul session to take the turn to restart with' };
  if (lock?.session == null) return { kind: 'free', session };
  if (lock.session === session) return { kind: 'ours' };
  return { kind: 'unavailable', why: `it is the turn of ${lock.value ?? 'somebody else'} to restart` };
}

/** Gives the turn back when it is ours. */
export function giveTurn(view: View): readonly Intent[] {
  const session = sessionId(view);
  if (session === null || view.consul.keys?.restartTurn?.session !== session) return [];
  return [act({ kind: 'give_turn', session })];
}
