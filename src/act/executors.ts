import type { ActionKind, ActionOf, ResultOf, Written } from '../domain/action.ts';
import { encodeHistory, encodeSlotHistory } from '../consul/codec/history.ts';
import { encodeMember } from '../consul/codec/member.ts';
import { encodeOptime, encodeStatus } from '../consul/codec/status.ts';
import type { ScopeKeys } from '../consul/keys.ts';
import { memberKey } from '../consul/keys.ts';
import type { CheckSpec, ConsulPort, ServiceSpec, TxnOperation } from '../consul/port.ts';
import type { ServiceState } from '../domain/service.ts';
import { templatePlugin } from '../domain/template.ts';
import { encodeFailsafe, encodeSync, encodeTerms } from '../consul/codec/lead.ts';
import type { Peers } from '../peer/port.ts';
import type { ManagedServer } from '../postgres/managed-port.ts';
import type { LocalServer } from '../postgres/port.ts';
import { askOthers } from './failsafe.ts';

/** One function for each kind of action. A kind without one does not compile. */
export type Executors = {
  readonly [K in ActionKind]: (action: ActionOf<K>, signal: AbortSignal) => Promise<ResultOf<K>>;
};

/** What the service's registration needs to know besides its state. */
export interface ServiceConfig {
  readonly id: string;
  readonly name: string;
  readonly tags: readonly string[];
  readonly address: string | null;
  readonly port: number;
  /** Base URL of the REST interface as Consul's agent reaches it, without a slash at its end. */
  readonly restUrl: string;
  readonly checkIntervalSeconds: number;
  readonly tlsSkipVerify: boolean;
  readonly tlsServerName: string | null;
}

export interface ExecutorDeps {
  readonly consul: ConsulPort;
  readonly server: LocalServer;
  /** Null = slotkeeper does not manage the server (`ha: observe`). */
  readonly managed: ManagedServer | null;
  readonly peers: Peers | null;
  readonly keys: ScopeKeys;
  readonly member: string;
  readonly service: ServiceConfig;
}

/** A transaction changed nothing: the lock or an index was not what the plan took it for, or the session is gone. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly sessionDead: boolean;

  constructor(message: string, sessionDead: boolean) {
    super(message);
    this.sessionDead = sessionDead;
  }
}

/** The executors of a real agent; the simulator runs the same ones on its own ports. */
export function createExecutors({ consul, server, managed, peers, keys, member, service }: ExecutorDeps): Executors {
  const transact = async (operations: readonly TxnOperation[], key: string, signal: AbortSignal): Promise<Written> => {
    const result = await consul.transact(operations, signal);
    if (result.kind === 'refused') throw new RefusedError(result.why, result.dead);
    const entry = result.entries.find((written) => written.key === key);
    return { createIndex: entry?.createIndex ?? 0, modifyIndex: entry?.modifyIndex ?? 0 };
  };
  /** S6: written only while the session still holds the leader key, checked by Consul in the same transaction. */
  const publish = (
    session: string,
    writes: readonly { key: string; value: string }[],
    signal: AbortSignal,
  ): Promise<Written> =>
    transact(
      [
        { verb: 'check-session', key: keys.leader, session },
        ...writes.map(({ key, value }): TxnOperation => ({ verb: 'set', key, value })),
      ],
      writes[0]?.key ?? '',
      signal,
    );
  /** The same for what is built on what was read: a write that comes late, or twice, must not go over a newer one. */
  const replace = (session: string, key: string, value: string, index: number, signal: AbortSignal): Promise<Written> =>
    transact(
      [
        { verb: 'check-session', key: keys.leader, session },
        { verb: 'cas', key, value, index },
      ],
      key,
      signal,
    );
  const owned = (): ManagedServer => {
    if (managed === null) throw new Error('slotkeeper does not manage this server');
    return managed;
  };
  const own = memberKey(keys, member);
  const checks = checkIds(service);
  return {
    end_former_session: async ({ session }, signal) => {
      // First our member key: what a session holds when it ends cannot be locked again for the lock delay.
      await consul.transact(handBack(own, session), signal);
      await consul.destroySession(session, signal);
      return null;
    },
    publish_member: async ({ session, former, member: document }, signal) => {
      const lock: TxnOperation = { verb: 'lock', key: own, value: encodeMember(document), session };
      if (former === null) return transact([lock], own, signal);
      const written = await transact([...handBack(own, former), lock], own, signal);
      await consul.destroySession(former, signal);
      return written;
    },
    acquire_leader: ({ session, initialize }, signal) =>
      transact(
        [
          initialize === null
            ? { verb: 'check-not-exists', key: keys.initialize }
            : { verb: 'check-index', key: keys.initialize, index: initialize },
          { verb: 'lock', key: keys.leader, value: member, session },
        ],
        keys.leader,
        signal,
      ),
    release_leader: async ({ session }, signal) => {
      await transact(handBack(keys.leader, session), keys.leader, signal);
      return null;
    },
    publish_status: ({ session, status, legacyOptime }, signal) =>
      publish(
        session,
        [
          { key: keys.status, value: encodeStatus(status) },
          ...(legacyOptime ? [{ key: keys.optimeLeader, value: encodeOptime(status.optime) }] : []),
        ],
        signal,
      ),
    publish_initialize: ({ session, systemIdentifier }, signal) =>
      transact(
        [
          { verb: 'check-session', key: keys.leader, session },
          { verb: 'check-not-exists', key: keys.initialize },
          { verb: 'set', key: keys.initialize, value: systemIdentifier },
        ],
        keys.initialize,
        signal,
      ),
    publish_history: ({ session, history }, signal) =>
      publish(session, [{ key: keys.history, value: encodeHistory(history) }], signal),
    publish_slot_history: ({ session, slotHistory, index }, signal) =>
      replace(session, keys.slotHistory, encodeSlotHistory(slotHistory), index, signal),
    register_service: async ({ service: state }, signal) => {
      await consul.registerService(serviceSpec(service, state), signal);
      await consul.updateTtlCheck(checks.slots, state.slots.status, state.slots.output, signal);
      return null;
    },
    report_check: ({ check }, signal) => consul.updateTtlCheck(checks.slots, check.status, check.output, signal),
    take_turn: ({ session }, signal) =>
      transact([{ verb: 'lock', key: keys.restartTurn, value: member, session }], keys.restartTurn, signal),
    give_turn: async ({ session }, signal) => {
      await transact(handBack(keys.restartTurn, session), keys.restartTurn, signal);
      return null;
    },
    copy_slots: async ({ session, request }, signal) => {
      // Checked once more right before: a turn that went with its session must not take a second standby down.
      await transact([{ verb: 'check-session', key: keys.restartTurn, session }], keys.restartTurn, signal);
      return server.copySlots(request, signal);
    },
    start_after_copy: async (_action, signal) => {
      await server.startAfterCopy(signal);
      return null;
    },
    set_feedback: async ({ mode }, signal) => {
      await server.setFeedback(mode, signal);
      return null;
    },
    hurry_feedback: async (_action, signal) => {
      // Nothing is changed: the reload alone makes the walreceiver send its feedback.
      await server.alterSettings([], signal);
      return null;
    },
    alter_settings: async ({ changes }, signal) => {
      await server.alterSettings(changes, signal);
      return null;
    },
    set_upstream_database: async ({ database }, signal) => {
      await server.setUpstreamDatabase(database, signal);
      return null;
    },
    sync_slots: async (_action, signal) => {
      // Where PostgreSQL's own worker is at it, it may be asleep for up to 30 s: a reload wakes it. One that ended comes back
      // with a reload too, once ten seconds have passed since it started.
      await server.syncSlots(signal).finally(() => server.alterSettings([], signal));
      return null;
    },
    log_standby_snapshot: async (_action, signal) => {
      await server.logStandbySnapshot(signal);
      return null;
    },
    create_logical_slot: async ({ slot, database, plugin, failover }, signal) => {
      await server.createLogicalSlot({ name: slot, database, plugin, failover }, signal);
      return null;
    },
    create_template: async ({ slot, database }, signal) => {
      await server.createLogicalSlot({ name: slot, database, plugin: templatePlugin, failover: false }, signal);
      return null;
    },
    copy_from_template: ({ slot, ...request }, signal) => server.copyFromTemplate({ name: slot, ...request }, signal),
    set_failover: async ({ slot, failover }, signal) => {
      await server.setFailover({ name: slot, failover }, signal);
      return null;
    },
    move_idle_slot: ({ slot, database, plugin }, signal) =>
      server.moveIdleSlot({ name: slot, database, plugin }, signal),
    create_physical_slot: async ({ slot }, signal) => {
      await server.createPhysicalSlot({ name: slot }, signal);
      return null;
    },
    advance_logical_slot: ({ slot, database, target }, signal) =>
      server.advanceLogicalSlot({ name: slot, database, target }, signal),
    advance_physical_slot: ({ slot, target }, signal) => server.advancePhysicalSlot({ name: slot, target }, signal),
    drop_slot: ({ slot, type, role }, signal) => server.dropSlot({ name: slot, type, role }, signal),
    save_ledger: async ({ ledger }) => {
      await server.writeLedger(ledger);
      return null;
    },
    claim_initialize: ({ session }, signal) =>
      transact(
        [
          { verb: 'check-not-exists', key: keys.initialize },
          { verb: 'check-not-exists', key: keys.leader },
          { verb: 'lock', key: keys.initialize, value: '', session },
        ],
        keys.initialize,
        signal,
      ),
    finish_initialize: ({ session, systemIdentifier }, signal) =>
      transact(
        [
          { verb: 'check-session', key: keys.initialize, session },
          { verb: 'unlock', key: keys.initialize, value: systemIdentifier, session },
        ],
        keys.initialize,
        signal,
      ),
    give_up_initialize: async ({ session }, signal) => {
      await transact(handBack(keys.initialize, session), keys.initialize, signal);
      return null;
    },
    publish_config: ({ session, text }, signal) =>
      transact(
        [
          { verb: 'check-session', key: keys.leader, session },
          { verb: 'check-not-exists', key: keys.config },
          { verb: 'set', key: keys.config, value: text },
        ],
        keys.config,
        signal,
      ),
    publish_terms: ({ session, terms, index }, signal) =>
      replace(session, keys.terms, encodeTerms(terms), index, signal),
    publish_sync: ({ session, sync, index, settles }, signal) =>
      replace(session, keys.sync, encodeSync(sync, settles ? index : null), index, signal),
    publish_failsafe: async ({ session, members, index }, signal) => {
      const key = keys.failsafe;
      const write: TxnOperation =
        members === null
          ? { verb: 'delete-cas', key, index }
          : { verb: 'cas', key, value: encodeFailsafe(members), index };
      const written = await transact([{ verb: 'check-session', key: keys.leader, session }, write], key, signal);
      return members === null ? null : written;
    },
    ask_failsafe: ({ members, call }, signal) => {
      if (peers === null) throw new Error('slotkeeper does not manage this server');
      return askOthers(peers, members, call, signal);
    },
    clear_failover: async ({ index }, signal) => {
      await transact([{ verb: 'delete-cas', key: keys.failover, index }], keys.failover, signal);
      return null;
    },
    bootstrap: ({ session, plan }, signal) => {
      // Whoever stood still meanwhile learns here that another one makes the cluster, and not after its server was open.
      const mayOpen = () =>
        transact([{ verb: 'check-session', key: keys.initialize, session }], keys.initialize, signal);
      return done(owned().bootstrap(plan, mayOpen, signal));
    },
    clone: ({ source, url, methods }, signal) => done(owned().clone(source, url, signal, methods)),
    restore_data: (_action, signal) => done(owned().restore(signal)),
    end_copy: () => {
      owned().endCopy();
      return Promise.resolve(null);
    },
    remove_data: (_action, signal) => done(owned().removeData(signal)),
    start_server: ({ plan, term }, signal) => owned().start(plan, term, signal),
    stop_server: ({ mode }, signal) => done(owned().stop(mode, signal)),
    promote: async ({ session, term, newestTimeline }, signal) => {
      // Asked of Consul itself: the view may be older than the loss of the lock.
      await transact(
        [
          { verb: 'check-session', key: keys.leader, session },
          { verb: 'check-index', key: keys.leader, index: term },
        ],
        keys.leader,
        signal,
      );
      return done(owned().promote(term, newestTimeline, signal));
    },
    take_over_leader: ({ session, former }, signal) =>
      transact(
        [
          { verb: 'check-session', key: keys.leader, session: former },
          { verb: 'delete', key: keys.leader },
          { verb: 'lock', key: keys.leader, value: member, session },
        ],
        keys.leader,
        signal,
      ),
    checkpoint: (_action, signal) => done(owned().checkpoint(signal)),
    record_term: ({ term }, signal) => done(owned().recordTerm(term, signal)),
    save_config: ({ text }, signal) => done(owned().saveConfig(text, signal)),
    follow: ({ plan }, signal) => done(owned().follow(plan, signal)),
    read_line: ({ source, systemIdentifier }, signal) => owned().readLine(source, systemIdentifier, signal),
    rewind: ({ source, url }, signal) => done(owned().rewind(source, url, signal)),
    configure_server: ({ plan }, signal) => owned().configure(plan, signal),
    restart_server: ({ plan }, signal) => owned().restart(plan, signal),
  };
}

/** Gives a lock up while it is still ours. The key goes, so that no lock delay follows and nobody takes its value for news. */
export function handBack(key: string, session: string): readonly TxnOperation[] {
  return [
    { verb: 'check-session', key, session },
    { verb: 'delete', key },
  ];
}

async function done(work: Promise<unknown>): Promise<null> {
  await work;
  return null;
}

function checkIds(service: ServiceConfig): { readonly role: string; readonly slots: string } {
  return { role: `${service.id}:role`, slots: `${service.id}:slots` };
}

/** Consul takes the agent for dead when it has not heard of the slots for this long. */
const slotsCheckTtlSeconds = 60;

function serviceSpec(service: ServiceConfig, state: ServiceState): ServiceSpec {
  const ids = checkIds(service);
  const checks: readonly CheckSpec[] = [
    {
      kind: 'http',
      id: ids.role,
      name: `${service.name} role`,
      url: `${service.restUrl}${state.checkPath}`,
      method: 'HEAD',
      intervalSeconds: service.checkIntervalSeconds,
      timeoutSeconds: Math.max(1, Math.min(10, service.checkIntervalSeconds)),
      tlsSkipVerify: service.tlsSkipVerify,
      tlsServerName: service.tlsServerName,
      deregisterAfterSeconds: null,
    },
    { kind: 'ttl', id: ids.slots, name: `${service.name} slots`, ttlSeconds: slotsCheckTtlSeconds },
  ];
  return {
    id: service.id,
    name: service.name,
    tags: [...new Set([...state.tags, ...service.tags])],
    address: service.address,
    port: service.port,
    checks,
  };
}
