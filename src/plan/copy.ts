import { backoffMs, fractionOf } from '../base/backoff.ts';
import { leaderName } from '../domain/cluster.ts';
import type { ServerLook } from '../domain/server.ts';
import { majorOf, versionText } from '../domain/version.ts';
import type { FollowedSlot } from '../view/select.ts';
import { configOf, sessionId } from '../view/select.ts';
import type { View } from '../view/view.ts';
import { hasRoom, roomProblem } from './budget.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';

/** New slots are collected for this long, so that slots made together cost one restart. */
const batchMs = 300;
/** A slot that was copied and has to be copied again waits longer each time: it must not restart a standby in a loop. */
const recopyBackoff = { firstMs: 10_000, factor: 4, maxMs: 3_600_000 };

/**
 * The file copy: which slots, whether now, and whose turn it is. Standbys take turns through a lock in Consul, so that
 * never two of a scope are down at once; the turn is given back as soon as there is nothing to copy.
 */
export function planCopy(
  view: View,
  look: ServerLook,
  missing: readonly FollowedSlot[],
  damaged: readonly FollowedSlot[],
): readonly Intent[] {
  const wanted = [...missing, ...damaged].filter((slot) => slot.report.invalidation === null);
  const due = wanted.filter((slot) => isDue(view, slot));
  const held = wanted
    .filter((slot) => !due.includes(slot))
    .map((slot) => hold(`slot ${slot.name}`, 'it was copied a short while ago'));
  if (due.length === 0) return [...held, ...giveTurn(view)];
  const names = due.map((slot) => slot.name).join(', ');
  const replaced = new Set(damaged.map((slot) => slot.name));
  const obstacle = obstacleOf(view, look, due.filter((slot) => !replaced.has(slot.name)).length);
  if (obstacle !== null) return [hold(`copy of ${names}`, obstacle), ...held, ...giveTurn(view)];
  const url = primaryUrl(view);
  if (url === null)
    return [hold(`copy of ${names}`, "the leader's member key has no conn_url"), ...held, ...giveTurn(view)];
  if (missing.length > 0 && view.nowMs - view.memory.missing.sinceMs < batchMs) return held;
  const turn = turnOf(view);
  if (turn.kind === 'taken') return [hold(`copy of ${names}`, `it is ${turn.by}'s turn to restart`), ...held];
  if (turn.kind === 'free') return [act({ kind: 'take_turn', session: turn.session }), ...held];
  return [
    act({
      kind: 'copy_slots',
      request: {
        primaryUrl: url,
        slots: due.map((slot) => ({ name: slot.name, database: slot.report.database, plugin: slot.report.plugin })),
        replace: due.filter((slot) => replaced.has(slot.name)).map((slot) => slot.name),
      },
    }),
    ...held,
  ];
}

function isDue(view: View, slot: FollowedSlot): boolean {
  const copies = view.memory.copies.get(slot.name);
  if (copies === undefined) return true;
  return view.nowMs - copies.lastAtMs >= backoffMs(recopyBackoff, copies.count, fractionOf(view.self.name + slot.name));
}

/** Why no copy can be made now; null = it can. */
function obstacleOf(view: View, look: ServerLook, more: number): string | null {
  const config = configOf(view);
  if (config.failoverSlots.restart === 'never')
    return 'failover_slots.restart is never, and a file copy needs a restart';
  if (config.pause) return 'the cluster is paused';
  if (!view.self.canRestart) return 'the agent has neither postgresql.bin_dir nor commands to restart the server with';
  if (look.settings.primarySlotName === '')
    return 'primary_slot_name is empty: without it catalog rows cannot be protected';
  if (!look.settings.hotStandbyFeedback) return 'hot_standby_feedback is not on yet';
  if (look.receiver === null) return 'this standby does not stream';
  if (look.replayPaused) return 'replay is paused on this standby';
  if (!hasRoom(look, more)) return roomProblem(look).what;
  const primary =
    view.consul.keys?.members.get(leaderName(view.consul.keys) ?? '')?.value?.extras?.serverVersionNum ?? null;
  if (primary !== null && majorOf(primary) !== majorOf(look.versionNum)) {
    return `this server is PostgreSQL ${versionText(look.versionNum)}, the primary ${versionText(primary)}: slot files differ`;
  }
  return null;
}

function primaryUrl(view: View): string | null {
  const { keys } = view.consul;
  return keys?.members.get(leaderName(keys) ?? '')?.value?.connUrl ?? null;
}

type Turn =
  | { readonly kind: 'ours' }
  | { readonly kind: 'free'; readonly session: string }
  | { readonly kind: 'taken'; readonly by: string };

function turnOf(view: View): Turn {
  const lock = view.consul.keys?.restartTurn ?? null;
  const session = sessionId(view);
  if (session === null) return { kind: 'taken', by: 'nobody that this agent could ask (it has no session)' };
  if (lock?.session == null) return { kind: 'free', session };
  return lock.session === session ? { kind: 'ours' } : { kind: 'taken', by: lock.value ?? 'somebody' };
}

/** Gives the turn back when it is ours and no copy is under way. */
export function giveTurn(view: View): readonly Intent[] {
  const session = sessionId(view);
  if (session === null || view.consul.keys?.restartTurn?.session !== session || view.running.has('server')) return [];
  return [act({ kind: 'give_turn', session })];
}
