import type { BackoffPolicy } from '../base/backoff.ts';
import { backoffMs, fractionOf } from '../base/backoff.ts';
import type { Action, ActionKind } from '../domain/action.ts';
import { keyOf, laneOf } from '../domain/action.ts';
import { isUnconfirmed } from '../view/select.ts';
import type { View } from '../view/view.ts';

const consulBackoff: BackoffPolicy = { firstMs: 500, factor: 2, maxMs: 10_000 };
const slotBackoff: BackoffPolicy = { firstMs: 500, factor: 2, maxMs: 30_000 };
const serverBackoff: BackoffPolicy = { firstMs: 5_000, factor: 3, maxMs: 600_000 };

/** What runs programs on this machine: quick to come back after a cut connection, slow when it fails for good. */
const processBackoff: BackoffPolicy = { firstMs: 1_000, factor: 2, maxMs: 60_000 };
const promptBackoff: BackoffPolicy = { firstMs: 100, factor: 2, maxMs: 1_000 };

const backoffOf: Readonly<Record<ActionKind, BackoffPolicy>> = {
  end_former_session: consulBackoff,
  publish_member: consulBackoff,
  acquire_leader: consulBackoff,
  release_leader: consulBackoff,
  publish_status: consulBackoff,
  publish_initialize: consulBackoff,
  publish_history: consulBackoff,
  publish_slot_history: consulBackoff,
  register_service: consulBackoff,
  report_check: consulBackoff,
  take_turn: consulBackoff,
  give_turn: consulBackoff,
  // A restart costs every client of the standby its connection: a copy that fails is not tried again soon.
  copy_slots: serverBackoff,
  start_after_copy: { firstMs: 1_000, factor: 2, maxMs: 60_000 },
  set_feedback: slotBackoff,
  hurry_feedback: slotBackoff,
  alter_settings: slotBackoff,
  set_upstream_database: slotBackoff,
  sync_slots: slotBackoff,
  log_standby_snapshot: slotBackoff,
  create_logical_slot: slotBackoff,
  create_template: slotBackoff,
  copy_from_template: slotBackoff,
  set_failover: slotBackoff,
  move_idle_slot: slotBackoff,
  create_physical_slot: slotBackoff,
  advance_logical_slot: slotBackoff,
  advance_physical_slot: slotBackoff,
  drop_slot: slotBackoff,
  save_ledger: slotBackoff,
  save_config: slotBackoff,
  claim_initialize: consulBackoff,
  finish_initialize: consulBackoff,
  give_up_initialize: consulBackoff,
  publish_config: consulBackoff,
  publish_terms: consulBackoff,
  publish_sync: consulBackoff,
  publish_failsafe: consulBackoff,
  ask_failsafe: promptBackoff,
  clear_failover: consulBackoff,
  bootstrap: processBackoff,
  clone: processBackoff,
  restore_data: processBackoff,
  end_copy: promptBackoff,
  remove_data: processBackoff,
  start_server: processBackoff,
  // Whatever has to do with who may write is tried again at once: its deadline does not wait.
  stop_server: promptBackoff,
  promote: promptBackoff,
  take_over_leader: consulBackoff,
  checkpoint: promptBackoff,
  record_term: promptBackoff,
  follow: slotBackoff,
  read_line: processBackoff,
  rewind: processBackoff,
  configure_server: slotBackoff,
  restart_server: serverBackoff,
};

/** `pass`, or why the action cannot start now. `silent`: nothing is wrong, its turn has just not come. */
export type GateAnswer =
  { readonly kind: 'pass' } | { readonly kind: 'silent' } | { readonly kind: 'wait'; readonly why: string };

/**
 * Whether the action may start in this turn: its lane is free, the last effect on what it touches has been observed,
 * and after failures the time to try again has come.
 */
export function gate(view: View, action: Action): GateAnswer {
  const lane = laneOf(action);
  if (view.running.has(lane) || isUnconfirmed(view, lane)) return { kind: 'silent' };
  const failure = view.failures.get(keyOf(action));
  if (failure === undefined) return { kind: 'pass' };
  const fraction = fractionOf(`${view.self.name} ${keyOf(action)} ${failure.count}`);
  const nextMs = failure.lastAtMs + backoffMs(backoffOf[action.kind], failure.count, fraction);
  if (view.nowMs >= nextMs) return { kind: 'pass' };
  const seconds = Math.ceil((nextMs - view.nowMs) / 1_000);
  const times = failure.count === 1 ? 'failed' : `failed ${failure.count} times`;
  return { kind: 'wait', why: `${times}, next attempt in ${seconds} s: ${failure.message}` };
}
