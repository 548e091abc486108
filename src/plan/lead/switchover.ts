import type { FailoverRequest } from '../../domain/lead.ts';
import type { ServerLook } from '../../domain/server.ts';
import { positionOf } from '../../domain/server.ts';
import { slotNameFromMemberName } from '../../domain/slot.ts';
import { readTimestamp } from '../../domain/timestamp.ts';
import { leasedTerm } from '../../view/lease.ts';
import { configOf, freshLook, sessionId } from '../../view/select.ts';
import { standbyClusterOf } from '../../view/standby-cluster.ts';
import type { View } from '../../view/view.ts';
import type { Intent } from '../intent.ts';
import { act, hold } from '../intent.ts';
import { gateToEmpty } from '../standby-gate.ts';

/** A candidate that is further behind than this keeps everybody waiting while it receives the rest. */
const mostLagBytes = 16n * 1024n * 1024n;
/** What can't be done for this long is not done any more: nobody expects a switchover at another time. */
const expiresAfterMs = 60_000;

/** For so long a checkpoint before the hand-over counts. */
const checkpointedForMs = 10_000;

/** What is to become of the operator's request, as the leader sees it. */
type Verdict =
  | { readonly kind: 'none' }
  /** Done, void, or expired. */
  | { readonly kind: 'clear' }
  | { readonly kind: 'wait'; readonly why: string }
  | { readonly kind: 'now' };

/**
 * A switchover, step by step, each from the whole view: a checkpoint is written, consumers are let go, the server is stopped in order, so that its
 * standbys receive everything, its last position is published, and the key is released (`release.ts`).
 */
export function planSwitchover(view: View): readonly Intent[] {
  const request = view.consul.keys?.failover ?? null;
  const session = sessionId(view);
  if (request === null || session === null) return [];
  const verdict = verdictOn(view);
  switch (verdict.kind) {
    case 'none':
      return [];
    case 'clear':
      return [act({ kind: 'clear_failover', index: request.modifyIndex })];
    case 'wait':
      return [hold('switchover', verdict.why)];
    case 'now': {
      // Nothing is written here that the others would not get: they go on from the remote primary by themselves.
      if (freshLook(view)?.role === 'standby') return [act({ kind: 'release_leader', session })];
      // Before anything else: while it is written, everybody goes on.
      if (!isCheckpointed(view)) return [act({ kind: 'checkpoint' })];
      const changes = gateToEmpty(view);
      // A primary that stops waits for whoever is listed (FACTS 3).
      if (changes.length > 0) return [act({ kind: 'alter_settings', changes, why: 'switchover' })];
      return [act({ kind: 'stop_server', mode: 'fast', why: 'switchover' })];
    }
  }
}

/** Only of a checkpoint that has just ended: the one at the server's end writes what has changed since. */
function isCheckpointed({ nowMs, memory: { lead } }: View): boolean {
  return lead.checkpointedAtMs !== null && nowMs - lead.checkpointedAtMs < checkpointedForMs;
}

/** Whether the server is being stopped, or has been, to hand over in the present term. */
export function isHandingOver(view: View): boolean {
  const term = leasedTerm(view);
  const isBegun = term !== null && view.memory.lead.handover?.term === term;
  return isBegun || verdictOn(view).kind === 'now';
}

/** The last position, which no look has shown: where the server's last checkpoint ended its WAL. */
export function planFinalPosition(view: View): readonly Intent[] {
  const term = leasedTerm(view);
  const session = sessionId(view);
  const { disk } = view.local;
  const status = view.consul.keys?.status?.value ?? null;
  if (term === null || session === null || view.memory.lead.handover?.term !== term) return [];
  if (disk?.kind !== 'cluster' || status === null || status.extras?.term !== term) return [];
  const { checkpointLsn } = disk.control;
  if (status.optime >= checkpointLsn || view.failures.has('publish_status')) return [];
  return [act({ kind: 'publish_status', session, status: { ...status, optime: checkpointLsn }, legacyOptime: false })];
}

function verdictOn(view: View): Verdict {
  const key = view.consul.keys?.failover ?? null;
  const term = leasedTerm(view);
  if (key === null || term === null) return { kind: 'none' };
  const look = freshLook(view);
  if (look === null || view.memory.lead.handover?.term === term) return { kind: 'none' };
  const request = key.value;
  const { name } = view.self;
  if (request === null || (request.leader === null && request.candidate === null)) return { kind: 'clear' };
  if (look.role === 'standby' && standbyClusterOf(view) === null) return { kind: 'none' };
  if (request.candidate === name || (request.leader !== null && request.leader !== name)) return { kind: 'clear' };
  const dueMs = dueWallMs(request);
  if (dueMs === null) return { kind: 'clear' };
  if (view.nowWallMs < dueMs) return { kind: 'none' };
  const why = obstacle(view, look, request);
  if (why === null) return { kind: 'now' };
  const sinceMs = view.nowMs - (view.memory.lead.request?.sinceMs ?? view.nowMs);
  const isExpired = request.scheduledAt === null ? sinceMs >= expiresAfterMs : view.nowWallMs - dueMs >= expiresAfterMs;
  return isExpired ? { kind: 'clear' } : { kind: 'wait', why };
}

/** When it is to be done; -Infinity = at once, null = its time can't be read. */
function dueWallMs({ scheduledAt }: FailoverRequest): number | null {
  return scheduledAt === null ? -Infinity : (readTimestamp(scheduledAt)?.atWallMs ?? null);
}

function obstacle(view: View, look: ServerLook, request: FailoverRequest): string | null {
  const { candidate } = request;
  if (configOf(view).pause && (candidate === null || request.scheduledAt !== null)) {
    return candidate === null ? 'the cluster is paused, and no candidate is named' : 'the cluster is paused';
  }
  if (candidate !== null) return unreadyBecause(view, look, candidate, request);
  const others = [...(view.consul.keys?.members.keys() ?? [])].filter((name) => name !== view.self.name);
  const reasons = others.map((name) => ({ name, why: unreadyBecause(view, look, name, request) }));
  if (reasons.some(({ why }) => why === null)) return null;
  return reasons.length === 0 ? 'there is no other member' : reasons.map(({ why }) => why ?? '').join('; ');
}

/** Why the member can't take over at once; null = it can. */
function unreadyBecause(view: View, look: ServerLook, name: string, request: FailoverRequest): string | null {
  const key = view.consul.keys?.members.get(name);
  const member = key?.value ?? null;
  if (key?.session == null || member === null) return `${name} is not there`;
  if (member.tags.nofailover) return `${name} is tagged nofailover`;
  if (member.state !== 'running') return `the server of ${name} is ${member.state}`;
  const slot = slotNameFromMemberName(name);
  const row = look.replication.find((one) => one.applicationName === name || one.slotName === slot);
  if (row?.state !== 'streaming') return `${name} does not stream from this server`;
  const lag = (positionOf(look) ?? 0n) - (row.replayLsn ?? 0n);
  if (lag > mostLagBytes) return `${name} is ${lag} bytes behind`;
  return notSynchronous(view, name, request) ?? unreadySlotsOf(view, name, request);
}

/** In synchronous mode only a manual failover, which names no leader, may go to somebody who is not synchronous. */
function notSynchronous(view: View, name: string, { leader }: FailoverRequest): string | null {
  if (!configOf(view).lead.synchronousMode || leader === null) return null;
  return view.consul.keys?.sync?.value?.standbys.includes(name) === true ? null : `${name} is not synchronous`;
}

function unreadySlotsOf(view: View, name: string, { force }: FailoverRequest): string | null {
  if (force || configOf(view).lead.promotionGuard === 'off') return null;
  const verdicts = [...(view.consul.keys?.members.get(name)?.value?.slots.values() ?? [])];
  const unready = verdicts
    .filter(({ type, verdict }) => type === 'logical' && verdict.kind !== 'ready' && verdict.kind !== 'orphan')
    .map(({ slot }) => slot);
  return unready.length === 0 ? null : `slots on ${name} are not ready: ${unready.sort().join(', ')}`;
}
