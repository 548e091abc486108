import type { VerdictKind } from '../domain/slot.ts';
import type { AgentEvent, EventKind, EventOf, ManagedAction } from './event.ts';
import { loudnessOf, type Loudness } from './loudness.ts';
import { plainObject } from './plain.ts';

export interface Words {
  readonly level: 'debug' | Loudness;
  /** A fixed sentence; what varies is in the event's fields, so that a log can be searched and counted by it. */
  readonly text: string;
}

type WordsOf<K extends EventKind> = (event: EventOf<K>) => Words;

const debug = (text: string): Words => ({ level: 'debug', text });
const info = (text: string): Words => ({ level: 'info', text });
const warn = (text: string): Words => ({ level: 'warn', text });
const error = (text: string): Words => ({ level: 'error', text });
/** Louder with the age of what it tells. */
const aging = (ageMs: number, text: string): Words => ({ level: loudnessOf(ageMs), text });

const managedWords: Readonly<Record<ManagedAction, string>> = {
  bootstrap: 'a new cluster was made',
  clone: 'the data of another member was copied',
  restore_data: 'the data was restored from a backup',
  remove_data: 'the data directory was cleared',
  start_server: 'the server was started',
  stop_server: 'the server was stopped',
  promote: 'the server was promoted',
  follow: 'the server streams from another member',
  rewind: 'the server was rewound',
  restart_server: 'the server was restarted',
};

const table: { readonly [K in EventKind]: WordsOf<K> } = {
  role_changed: ({ from, to }) => {
    if (from === null) return info(to === 'primary' ? 'this server is a primary' : 'this server is a standby');
    return warn(to === 'primary' ? 'this server was promoted to primary' : 'this server became a standby');
  },
  leader_changed: ({ to }) => (to === null ? warn('nobody holds the leader key') : info('leader key taken')),
  server_managed: ({ action }) => warn(managedWords[action]),
  lifeline_said: ({ text }) => warn(`lifeline: ${text}`),
  callback_ended: ({ trouble }) =>
    trouble === null ? info('a callback has run') : warn('a callback did not do its work'),
  member_joined: () => info('a member joined the cluster'),
  member_left: () => info('a member left the cluster'),

  session_acquired: () => info('got a Consul session'),
  session_lost: () => warn('lost the Consul session'),
  session_clamped: () =>
    warn('Consul does not take the TTL that ttl asks for: a dead member is noticed later or sooner than configured'),
  consul_unreachable: ({ ageMs }) => aging(ageMs, 'Consul cannot be reached'),
  consul_reachable: () => info('Consul answers'),
  server_unreachable: ({ ageMs }) => aging(ageMs, 'the PostgreSQL server cannot be asked'),
  server_reachable: () => info('the PostgreSQL server answers'),

  slot_verdict_changed: ({ from, to }) => verdictWords(from, to?.kind ?? null),
  slot_lost: () => error('changes are lost to the consumer of a slot: it cannot get this range of WAL from it'),
  slots_copied: ({ skipped }) =>
    skipped.length === 0 ? info('slots copied from the primary') : warn('some slots could not be copied'),
  slot_created: () => info('slot created'),
  slot_dropped: () => info('slot dropped'),
  template_created: () => info('template slot created: slots of its database can be made here without a restart'),
  template_dropped: () => info('template slot dropped'),
  slot_made_from_template: () => info('slot made from its template, without a restart'),
  failover_mark_set: ({ failover }) =>
    failover
      ? info('slot marked for the synchronisation by PostgreSQL')
      : info('mark for the synchronisation taken off the slot'),
  idle_slot_moved: () => info('idle slot moved past WAL that holds nothing for its consumer'),
  settings_changed: () => info('settings changed, by reload'),
  promoted: ({ unready }) =>
    unready.length === 0
      ? info('promoted with all slots ready')
      : warn('promoted while slots were not ready: their consumers may miss changes'),
  feedback_set: () => info('hot_standby_feedback changed'),
  gate_changed: ({ from, to }) => {
    if (to === null) return info('consumers are not held back for standbys any more');
    const isTakenOut = (from ?? []).some((slot) => !to.includes(slot));
    return isTakenOut
      ? warn('consumers do not wait for a standby any more that they have waited for')
      : info('consumers wait for these standbys');
  },

  action_done: () => debug('action done'),
  action_refused: () => debug('action refused by Consul: something changed meanwhile'),
  action_failed: ({ ageMs }) => (loudnessOf(ageMs) === 'error' ? error('action fails') : warn('action failed')),
  action_recovered: () => info('action works again'),
  held: () => debug('held back'),
  released: () => debug('not held back any more'),

  problem_appeared: ({ problem }) => (problem.severity === 'error' ? error('problem') : warn('problem')),
  problem_cleared: () => info('problem is over'),
  config_accepted: ({ adjusted }) =>
    adjusted === null
      ? info('cluster configuration read')
      : warn('cluster configuration read, with values that had to be put right'),
  config_refused: () => error('cluster configuration refused: the last good one stays in force'),
  config_removed: () => warn('cluster configuration removed from Consul: the last good one stays in force'),
  config_written: () => info('cluster configuration written over REST'),
  file_read_again: ({ isTaken }) =>
    isTaken
      ? info("the agent's file was read again")
      : error("the agent's file was read again and is wrong: nothing changes"),
  command_answered: ({ status }) =>
    status < 400 ? info('command over REST done') : warn('command over REST not done'),

  rest_listening: () => info('REST server listens'),
  rest_access_refused: () =>
    warn('REST request refused: not from there, or not without the right certificate, user name and password'),
  rest_request_failed: () => error('this is a bug in slotkeeper: a REST request failed'),
};

function verdictWords(from: VerdictKind | null, to: VerdictKind | null): Words {
  switch (to) {
    case null:
      return debug('nothing is known of the slot any more');
    case 'ready':
      return from === null ? debug('slot is ready') : info('slot became ready');
    case 'not_ready':
      return from === 'ready' ? warn('slot is not ready any more') : info('slot is not ready');
    case 'ahead':
      return warn('slot is ahead of the primary');
    case 'orphan':
      return warn('slot is left over: nobody follows it');
    case 'lost':
      return error('slot is lost');
  }
}

/** How loud and in which words an event is logged. */
export function wordsOf<K extends EventKind>(event: EventOf<K>): Words {
  const words: WordsOf<K> = table[event.kind];
  return words(event);
}

/** An event as the fields of a log line: positions as PostgreSQL prints them, what is not known left out. */
export function fieldsOf(event: AgentEvent): Readonly<Record<string, unknown>> {
  const { kind, ...fields } = event;
  return { event: kind, ...plainObject(fields) };
}
