import type { HistoryEntry, Member, SlotHistoryEntry, Status } from './cluster.ts';
import type { FailsafeAnswer, FailsafeCall } from './failsafe.ts';
import type { PendingRestart, RestartReason, ServerPlan } from './managed.ts';
import type { RemoteLine, SyncState, Term, Upstream } from './lead.ts';
import type { CopyRequest, CopyResult, Ledger } from './local.ts';
import type { Lsn } from './lsn.ts';
import type { Role, SettingChange } from './server.ts';
import type { CheckState, ServiceState } from './service.ts';

/** Where a write to a Consul key ended up. */
export interface Written {
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/**
 * Everything that the agent can do, declared once: the fields of each action and what it resolves to. The union, the
 * constructors' shape and the table of executors derive from this interface, so that an action without an executor
 * does not compile.
 */
export interface ActionKinds {
  /** Destroy the session of an earlier run of this agent, which still holds our member key. */
  end_former_session: { fields: { session: string }; result: null };
  /**
   * `former`: the session that holds the key now, of an earlier run or from before the ttl was changed. The key changes over
   * in one transaction, so that the member is never gone, and that session is ended. Null = there is none.
   */
  publish_member: { fields: { session: string; former: string | null; member: Member }; result: Written };
  /** `initialize`: the `ModifyIndex` of that key; null = it is not there. Whoever begins to make the cluster is told by it. */
  acquire_leader: { fields: { session: string; initialize: number | null }; result: Written };
  /** Hand over: release, so that no lock delay follows. */
  release_leader: { fields: { session: string }; result: null };
  publish_status: { fields: { session: string; status: Status; legacyOptime: boolean }; result: Written };
  /** The scope's system identifier, where nobody has written it yet. */
  publish_initialize: { fields: { session: string; systemIdentifier: string }; result: Written };
  publish_history: { fields: { session: string; history: readonly HistoryEntry[] }; result: Written };
  /** `index`, here and below: the `ModifyIndex` of the key as it was read, 0 = it is not there; of another one nothing is changed. */
  publish_slot_history: {
    fields: { session: string; slotHistory: readonly SlotHistoryEntry[]; index: number };
    result: Written;
  };
  register_service: { fields: { service: ServiceState }; result: null };
  report_check: { fields: { check: CheckState }; result: 'updated' | 'unknown' };
  take_turn: { fields: { session: string }; result: Written };
  give_turn: { fields: { session: string }; result: null };

  /** Only while the session still holds the turn to restart. */
  copy_slots: { fields: { session: string; request: CopyRequest }; result: CopyResult };
  start_after_copy: { fields: object; result: null };
  set_feedback: { fields: { mode: 'on' | 'reset' }; result: null };
  /** Feedback now, by a reload, instead of within wal_receiver_status_interval (10 s). */
  hurry_feedback: { fields: object; result: null };
  /** By ALTER SYSTEM and reload. `why`: for the log. */
  alter_settings: { fields: { changes: readonly SettingChange[]; why: string }; result: null };
  /** PostgreSQL's own synchronisation needs a database in `primary_conninfo`; the rest of it stays as it is. */
  set_upstream_database: { fields: { database: string }; result: null };
  /** PostgreSQL's own synchronisation, once and now: by its worker where that runs, which is woken, else without it. */
  sync_slots: { fields: object; result: null };
  /** On the primary: what lets slots that are being made, or start too early, move on (FACTS 2). */
  log_standby_snapshot: { fields: object; result: null };

  create_logical_slot: {
    fields: { slot: string; database: string; plugin: string; failover: boolean };
    result: null;
  };
  /** A template slot on a standby (`templateName`). */
  create_template: { fields: { slot: string; database: string }; result: null };
  /** On a standby: a copy of the template, advanced to at most `target`; where the copy is then. */
  copy_from_template: {
    fields: { slot: string; template: string; database: string; plugin: string; target: Lsn };
    result: Lsn;
  };
  /** On the primary, PostgreSQL 17+: marks an idle slot for PostgreSQL's own synchronisation, or takes the mark away. */
  set_failover: { fields: { slot: string; failover: boolean }; result: null };
  /**
   * On the primary: moves an idle slot past WAL that holds nothing for its consumer; where it is then, or null when
   * changes wait for the consumer. `waiting`: for whom, each with the templates that it has.
   */
  move_idle_slot: {
    fields: { slot: string; database: string; plugin: string; waiting: readonly string[] };
    result: Lsn | null;
  };
  create_physical_slot: { fields: { slot: string }; result: null };
  advance_logical_slot: { fields: { slot: string; database: string; target: Lsn }; result: Lsn };
  advance_physical_slot: { fields: { slot: string; target: Lsn }; result: Lsn };
  /**
   * Only while the server still is what the plan took it for: what is left over on a standby is its consumers' own slot once
   * the standby is promoted. `result`: whether the slot is gone; an active slot stays.
   */
  drop_slot: { fields: { slot: string; type: 'logical' | 'physical'; role: Role; why: string }; result: boolean };
  save_ledger: { fields: { ledger: Ledger }; result: null };

  // `ha: manage` only.

  /** The race to bootstrap: the key is locked by the session, so that it goes with a bootstrap that dies. */
  claim_initialize: { fields: { session: string }; result: Written };
  /** The bootstrap is done: the system identifier instead of the lock. */
  finish_initialize: { fields: { session: string; systemIdentifier: string }; result: Written };
  give_up_initialize: { fields: { session: string }; result: null };
  /** The configuration of a cluster that has none in Consul: as it last was, or `bootstrap.dcs`. */
  publish_config: { fields: { session: string; text: string }; result: Written };
  publish_terms: { fields: { session: string; terms: readonly Term[]; index: number }; result: Written };
  /** `settles`: says what is there, so that no earlier write over the same version can come about any more. */
  publish_sync: { fields: { session: string; sync: SyncState; index: number; settles: boolean }; result: Written };
  /** Who has to be asked without Consul, by name, with their URLs: only if the key still is what was read; null = nobody is. */
  publish_failsafe: {
    fields: { session: string; members: ReadonlyMap<string, string> | null; index: number };
    result: Written | null;
  };
  /** Asks every other member whether this leader may go on without Consul (L11). */
  ask_failsafe: {
    fields: { term: number; ttlSeconds: number; members: ReadonlyMap<string, string>; call: FailsafeCall };
    result: ReadonlyMap<string, FailsafeAnswer>;
  };
  /** An operator's request is done or void: only if it still is the one that was read. */
  clear_failover: { fields: { index: number }; result: null };

  /** initdb or a custom method, as the agent's file says; ends with a primary that runs, if `initialize` is still locked. */
  bootstrap: { fields: { session: string; plan: ServerPlan }; result: null };
  /** A fresh copy of the data of `source`, or by a configured method; nothing runs afterwards. */
  /** `methods`: names of replica methods; empty = those of the agent's file. */
  clone: { fields: { source: Upstream; url: string; methods: readonly string[] }; result: null };
  /** The data out of a backup, by the replica methods that need nobody to copy from; nothing runs afterwards. */
  restore_data: { fields: object; result: null };
  /** A copy or rewind that runs is given up: its data is to go. */
  end_copy: { fields: object; result: null };
  /** Takes away what an unfinished work of ours, or a copy that cannot be followed with, left. */
  remove_data: { fields: { why: string }; result: null };
  /**
   * `term`: under which it may accept writes; null = it starts as a standby. Resolves to the settings that it could not have
   * as planned.
   */
  start_server: { fields: { plan: ServerPlan; term: number | null }; result: PendingRestart };
  stop_server: { fields: { mode: 'fast' | 'immediate'; why: string }; result: null };
  /**
   * An earlier run of this agent holds `leader` with a session that nobody renews any more: in one transaction the key
   * changes over to the present session, so that nobody else can have it in between.
   */
  take_over_leader: { fields: { session: string; former: string }; result: Written };
  /** On a primary that is about to hand over: the checkpoint at its end then has little to write. */
  checkpoint: { fields: object; result: null };
  /** Under which term a server that runs may accept writes, beside its data (L7). */
  record_term: { fields: { term: number }; result: null };
  /** The cluster's configuration, beside the data. */
  save_config: { fields: { text: string }; result: null };
  /** Only while the session still holds `leader`, asked of Consul right before. */
  promote: { fields: { session: string; term: number; newestTimeline: number }; result: null };
  /** A running standby streams from there from now on: by reload where that is enough. */
  follow: { fields: { plan: ServerPlan }; result: null };
  /** Asks the remote primary of a standby cluster what its WAL is like; refused where that is another database cluster. */
  read_line: { fields: { source: Upstream; systemIdentifier: string }; result: RemoteLine };
  /** Back to where the timeline of `source` branched off; nothing runs afterwards. */
  rewind: { fields: { source: Upstream; url: string }; result: null };
  /** PostgreSQL's configuration files as they are to be, and a reload where something changed. */
  /** Resolves to the settings that need a restart. */
  configure_server: { fields: { plan: ServerPlan }; result: PendingRestart };
  /** `term`: under which it may accept writes again; null = it is a standby. */
  restart_server: { fields: { plan: ServerPlan; term: number | null; why: RestartReason }; result: PendingRestart };
}

export type ActionKind = keyof ActionKinds;
export type ActionOf<K extends ActionKind> = { readonly kind: K } & Readonly<ActionKinds[K]['fields']>;
export type Action = { [K in ActionKind]: ActionOf<K> }[ActionKind];
export type ResultOf<K extends ActionKind> = ActionKinds[K]['result'];

/** How an action ended. `atMs` are monotonic milliseconds. */
export type Outcome = { readonly startedAtMs: number; readonly endedAtMs: number } & (
  | {
      readonly kind: 'done';
      readonly done: { [K in ActionKind]: { readonly action: ActionOf<K>; readonly result: ResultOf<K> } }[ActionKind];
    }
  | { readonly kind: 'failed'; readonly action: Action; readonly failure: ActionFailure }
);

export type Done = Extract<Outcome, { kind: 'done' }>['done'];
type DoneOf<K extends ActionKind> = Extract<Done, { readonly action: { readonly kind: K } }>;

/** TypeScript does not narrow a union by a property of a property. */
export function isDone<K extends ActionKind>(kind: K, done: Done): done is DoneOf<K> {
  return done.action.kind === kind;
}

export interface ActionFailure {
  readonly message: string;
  /** PostgreSQL's code, when PostgreSQL refused. */
  readonly sqlstate: string | null;
  /** Consul does not know our session (any more). */
  readonly sessionDead: boolean;
  /** A transaction was refused because something changed meanwhile: look again, nothing is wrong. */
  readonly refused: boolean;
}

/**
 * What an action occupies while it runs. Two actions of one lane never run at once; lanes never wait for each other
 * (S5: every slot has a lane of its own).
 */
export function laneOf(action: Action): string {
  switch (action.kind) {
    case 'end_former_session':
    case 'publish_member':
      return 'consul:member';
    case 'acquire_leader':
    case 'take_over_leader':
    case 'release_leader':
    case 'publish_status':
    case 'publish_initialize':
    case 'publish_history':
    case 'publish_slot_history':
    case 'publish_config':
    case 'publish_terms':
    case 'publish_sync':
    case 'publish_failsafe':
    case 'clear_failover':
      return 'consul:leader';
    case 'claim_initialize':
    case 'finish_initialize':
    case 'give_up_initialize':
      return 'consul:initialize';
    case 'register_service':
    case 'report_check':
      return 'consul:service';
    case 'take_turn':
    case 'give_turn':
      return 'consul:turn';
    case 'copy_slots':
    case 'start_after_copy':
    case 'bootstrap':
    case 'clone':
    case 'restore_data':
    case 'remove_data':
    case 'start_server':
    case 'promote':
    case 'rewind':
    case 'restart_server':
      return 'server';
    case 'follow':
    case 'configure_server':
    case 'set_feedback':
    case 'hurry_feedback':
    case 'alter_settings':
    case 'set_upstream_database':
    case 'sync_slots':
      return 'settings';
    case 'log_standby_snapshot':
      return 'snapshot';
    case 'ask_failsafe':
      return 'failsafe';
    case 'read_line':
      return 'line';
    case 'checkpoint':
      // Not the server's: it may take minutes, in which the server can still be fenced.
      return 'checkpoint';
    case 'stop_server':
      // A fence waits for nothing: what it interrupts was begun while the lease was good.
      return action.mode === 'immediate' ? 'fence' : 'server';
    case 'end_copy':
      return 'copy';
    case 'save_ledger':
    case 'record_term':
    case 'save_config':
      return 'ledger';
    case 'create_logical_slot':
    case 'create_template':
    case 'copy_from_template':
    case 'set_failover':
    case 'move_idle_slot':
    case 'create_physical_slot':
    case 'advance_logical_slot':
    case 'advance_physical_slot':
    case 'drop_slot':
      return `slot:${action.slot}`;
  }
}

/** Names an action among all others, without what changes from turn to turn: failures are counted by this. */
export function keyOf(action: Action): string {
  // One setting that may not be changed must not keep the others from being changed (S5).
  if (action.kind === 'alter_settings') return `${action.kind}:${action.changes.map(({ name }) => name).join('+')}`;
  return 'slot' in action ? `${action.kind}:${action.slot}` : action.kind;
}
