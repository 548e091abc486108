import type { ActionKind } from '../domain/action.ts';
import type { Lsn } from '../domain/lsn.ts';
import type { CopiedSlot } from '../domain/local.ts';
import type { Problem } from '../domain/problem.ts';
import type { Role, ServerTrouble } from '../domain/server.ts';
import type { Gap, SlotVerdict, Verdict } from '../domain/slot.ts';

/** The actions that change what the server is, or whether it runs. */
export type ManagedAction = Extract<
  ActionKind,
  | 'bootstrap'
  | 'clone'
  | 'restore_data'
  | 'remove_data'
  | 'start_server'
  | 'stop_server'
  | 'promote'
  | 'follow'
  | 'rewind'
  | 'restart_server'
>;

/**
 * Everything that the agent says of itself, declared once. The log, and whoever else wants to know, are subscribers of
 * one stream of these; the table of words for the log is a mapped type over this interface, so that an event without
 * words does not compile. Ages and durations in milliseconds.
 */
export interface EventKinds {
  /** `from` null = this run of the agent sees the server for the first time. */
  role_changed: { from: Role | null; to: Role; timeline: number };
  leader_changed: { from: string | null; to: string | null };
  /** What slotkeeper has done to the server that it manages. `detail`: to whom or why, where there is more to say. */
  server_managed: { action: ManagedAction; detail: string | null; tookMs: number };
  /** The process that stops the server when the agent can't has something to say. */
  lifeline_said: { text: string };
  /** A command of the operator's that was run at a change; `trouble` null = it ended well. */
  callback_ended: { callback: string; role: string; trouble: string | null; output: string };
  member_joined: { member: string };
  member_left: { member: string };

  session_acquired: { session: string; ttlSeconds: number };
  session_lost: { session: string; why: string };
  /** Consul does not take the TTL that was asked for; the session has another one. */
  session_clamped: { wantedSeconds: number; ttlSeconds: number };
  consul_unreachable: { why: string; ageMs: number };
  /** `outageMs` null = it was never reached before. */
  consul_reachable: { outageMs: number | null };
  server_unreachable: { trouble: ServerTrouble | null; why: string; ageMs: number };
  server_reachable: { outageMs: number | null; version: string };

  /** `from` or `to` null = nothing is said of the slot (not there, not followed, or not known). */
  slot_verdict_changed: { slot: string; from: Verdict['kind'] | null; to: Verdict | null; position: Lsn | null };
  /** Changes that a consumer can no longer get (S3). */
  slot_lost: { gap: Gap };
  slots_copied: {
    slots: readonly CopiedSlot[];
    skipped: readonly { readonly name: string; readonly why: string }[];
    downMs: number;
  };
  slot_created: { slot: string; type: 'logical' | 'physical' };
  slot_dropped: { slot: string; type: 'logical' | 'physical'; why: string };
  /** A template slot on this standby (`templateName`): slots of its database are made from it without a restart. */
  template_created: { slot: string; database: string; tookMs: number };
  template_dropped: { slot: string; why: string };
  /** A followed slot is on this standby now, at `position`, after the copy and its advance. */
  slot_made_from_template: { slot: string; template: string; database: string; position: Lsn; tookMs: number };
  /** The slot is marked for PostgreSQL's own synchronisation, or is not any more. */
  failover_mark_set: { slot: string; failover: boolean };
  /** An idle slot was moved past WAL that holds nothing for its consumer. */
  idle_slot_moved: { slot: string; position: Lsn };
  /** By ALTER SYSTEM and reload. A value of null = RESET; the database that was put into primary_conninfo is all of it that is shown. */
  settings_changed: { settings: readonly { readonly name: string; readonly value: string | null }[]; why: string };
  /** This server was promoted; `unready` are the logical slots that were not ready at that moment. */
  promoted: { timeline: number; slots: number; unready: readonly SlotVerdict[] };
  feedback_set: { mode: 'on' | 'reset' };
  /**
   * The physical slots that consumers wait for; null = no gate is kept. `leftOut`: those that were asked for and are not
   * waited for, with the reason.
   */
  gate_changed: {
    from: readonly string[] | null;
    to: readonly string[] | null;
    leftOut: ReadonlyMap<string, string>;
  };

  action_done: { action: ActionKind; slot: string | null; tookMs: number };
  /** A transaction was refused because something changed meanwhile. */
  action_refused: { action: ActionKind; slot: string | null; why: string };
  /** `action` is the key under which failures are counted (`keyOf`). */
  action_failed: { action: string; message: string; sqlstate: string | null; count: number; ageMs: number };
  action_recovered: { action: string; count: number; ageMs: number };
  held: { subject: string; why: string };
  released: { subject: string };

  problem_appeared: { problem: Problem };
  problem_cleared: { problem: Problem };
  /** `adjusted`: what was put right while reading; null = nothing. */
  config_accepted: { index: number; adjusted: string | null };
  /** The last good configuration stays in force. */
  config_refused: { index: number; why: string };
  config_removed: object;
  config_written: { method: string; client: string | null };
  /** The agent's file was read again; what is wrong with it is told as a problem. */
  file_read_again: { isTaken: boolean };
  /** An operator's command came over REST. */
  command_answered: { method: string; path: string; client: string | null; status: number };

  rest_listening: { url: string };
  rest_access_refused: { method: string; path: string; client: string | null };
  /** A request made the agent fail: a bug in slotkeeper. */
  rest_request_failed: { method: string; path: string; message: string };
}

export type EventKind = keyof EventKinds;
export type EventOf<K extends EventKind> = { readonly kind: K } & Readonly<EventKinds[K]>;
export type AgentEvent = { [K in EventKind]: EventOf<K> }[EventKind];
