import { decodeDynamicConfig } from '../../../src/config/dynamic.ts';
import { noKeys, type ClusterKeys, type Key, type Member, type Status } from '../../../src/domain/cluster.ts';
import { noTags } from '../../../src/domain/config.ts';
import type { SlotVerdict, Verdict } from '../../../src/domain/slot.ts';

/** As wide as it gets, without colours. */
export const plain = { columns: null, colour: false };

export function key<T>(value: T | null, more: Partial<Key<T>> = {}): Key<T> {
  return { createIndex: 1, modifyIndex: 1, session: null, problem: null, value, ...more };
}

export function member(more: Partial<Member>): Member {
  return {
    connUrl: 'postgres://10.0.0.1:5432/postgres',
    apiUrl: null,
    state: 'running',
    role: 'replica',
    version: null,
    xlogLocation: null,
    receiveLsn: null,
    replayLsn: null,
    replicationState: null,
    timeline: 3,
    tags: noTags,
    pendingRestart: false,
    pendingRestartReason: new Map(),
    scheduledRestart: null,
    pause: false,
    slots: new Map(),
    extras: null,
    ...more,
  };
}

export function verdicts(
  ...list: readonly (readonly [string, Verdict, bigint | null])[]
): ReadonlyMap<string, SlotVerdict> {
  return new Map(
    list.map(([slot, verdict, position]) => [slot, { slot, type: 'logical', verdict, position, method: 'template' }]),
  );
}

export const megabyte = 1024n * 1024n;

const behind = member({
  replicationState: 'streaming',
  connUrl: 'postgres://10.0.0.2:5432/postgres',
  xlogLocation: 18n * megabyte,
  slots: verdicts(
    ['orders', { kind: 'not_ready', reason: 'waits for a restart' }, 28n * megabyte],
    ['audit', { kind: 'ready' }, null],
  ),
});

/** A cluster of three: the leader pg1, pg2 with its slots, and pg3, whose key cannot be read. */
export const keys: ClusterKeys = {
  ...noKeys,
  initialize: key('7123'),
  config: key(
    decodeDynamicConfig('{"pause": true, "slots": {"orders": {"database": "shop", "plugin": "pgoutput"}}}').config,
  ),
  leader: key('pg1', { session: 's' }),
  status: key<Status>({
    optime: 30n * megabyte,
    slots: new Map([['orders', 29n * megabyte]]),
    retainSlots: [],
    extras: {
      term: 1,
      membersIndex: 1,
      timeline: 3,
      logical: new Map(),
      physical: new Map(),
      lost: new Map([['gone', { from: 1n, why: 'it was dropped', atWallMs: 0 }]]),
      templateLsn: 30n * megabyte,
      gate: null,
    },
  }),
  members: new Map([
    ['pg3', key<Member>(null, { problem: 'service/main/members/pg3 is not JSON' })],
    ['pg2', key(behind)],
    ['pg1', key(member({ state: 'running', role: 'primary', xlogLocation: 30n * megabyte }))],
  ]),
};
