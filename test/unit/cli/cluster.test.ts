import { describe, expect, it } from 'vitest';
import { summarize } from '../../../src/cli/cluster-summary.ts';
import { historyLines } from '../../../src/cli/history.ts';
import { toJson } from '../../../src/cli/json.ts';
import { listLines } from '../../../src/cli/list.ts';
import { slotHistoryLines, slotLines, slotRows } from '../../../src/cli/slots.ts';
import { noKeys, type ClusterKeys, type Key, type Member, type Status } from '../../../src/domain/cluster.ts';
import { noTags } from '../../../src/domain/config.ts';
import { decodeDynamicConfig } from '../../../src/config/dynamic.ts';
import type { SlotVerdict, Verdict } from '../../../src/domain/slot.ts';

const plain = { columns: null, colour: false };

function key<T>(value: T | null, more: Partial<Key<T>> = {}): Key<T> {
  return { createIndex: 1, modifyIndex: 1, session: null, problem: null, value, ...more };
}

function member(more: Partial<Member>): Member {
  return {
    connUrl: 'postgres://10.0.0.1:5432/postgres',
    apiUrl: null,
    state: 'streaming',
    role: 'replica',
    version: null,
    xlogLocation: null,
    timeline: 3,
    tags: noTags,
    pendingRestart: false,
    slots: new Map(),
    extras: null,
    ...more,
  };
}

function verdicts(...list: readonly (readonly [string, Verdict, bigint | null])[]): ReadonlyMap<string, SlotVerdict> {
  return new Map(list.map(([slot, verdict, position]) => [slot, { slot, type: 'logical', verdict, position }]));
}

const megabyte = 1024n * 1024n;

const behind = member({
  connUrl: 'postgres://10.0.0.2:5432/postgres',
  xlogLocation: 18n * megabyte,
  slots: verdicts(
    ['orders', { kind: 'not_ready', reason: 'waits for a restart' }, 28n * megabyte],
    ['audit', { kind: 'ready' }, null],
  ),
});

const keys: ClusterKeys = {
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
    },
  }),
  members: new Map([
    ['pg3', key<Member>(null, { problem: 'service/main/members/pg3 is not JSON' })],
    ['pg2', key(behind)],
    ['pg1', key(member({ state: 'running', role: 'primary', xlogLocation: 30n * megabyte }))],
  ]),
};

describe('list', () => {
  it("looks like patronictl's, with the slots and what is wrong", () => {
    expect(listLines(summarize('main', keys, []), plain)).toEqual([
      '+ Cluster: main (7123) -------+-----------+----+-----------+----------------------+',
      '| Member | Host     | Role    | State     | TL | Lag in MB | Slots                |',
      '+--------+----------+---------+-----------+----+-----------+----------------------+',
      '| pg1    | 10.0.0.1 | Leader  | running   |  3 |           |                      |',
      '| pg2    | 10.0.0.2 | Replica | streaming |  3 |        12 | 1 not ready, 1 ready |',
      '| pg3    |          | Replica | unknown   |    |   unknown |                      |',
      '+--------+----------+---------+-----------+----+-----------+----------------------+',
      ' Maintenance mode: on',
      ' ! pg2: slot orders: not ready (waits for a restart)',
      ' ! service/main/members/pg3 is not JSON',
    ]);
  });

  it('shows ports where they tell something', () => {
    const other = new Map([...keys.members, ['pg2', key(member({ connUrl: 'postgres://10.0.0.1:5433/postgres' }))]]);
    const lines = listLines(summarize('main', { ...keys, members: other }, []), plain).join('\n');
    expect(lines).toContain('10.0.0.1:5432');
    expect(lines).toContain('10.0.0.1:5433');
  });

  it('tells what is wrong with the configuration, one by one', () => {
    const { problems } = decodeDynamicConfig('{"ttl": "x", "pause": "x"}');
    const lines = listLines(summarize('main', keys, problems), plain);
    expect(lines.filter((line) => line.startsWith(' ! cluster configuration: '))).toHaveLength(2);
  });

  it('tells that nobody leads, and that two think they do', () => {
    const two = new Map([
      ['a', key(member({ role: 'primary' }))],
      ['b', key(member({ role: 'primary' }))],
    ]);
    expect(summarize('main', { ...keys, members: two, leader: null }, []).problems).toEqual([
      'no member holds the leader lock',
      'more than one member says that it is the primary: a, b',
    ]);
  });

  it('shows an empty scope', () => {
    expect(listLines(summarize('main', noKeys, []), plain)[0]).toContain('Cluster: main (uninitialized)');
  });

  it("has Patroni's field names in JSON", () => {
    const [leader, standby] = summarize('main', keys, []).members;
    expect(leader).not.toHaveProperty('lag');
    expect(standby).toMatchObject({
      name: 'pg2',
      role: 'replica',
      host: '10.0.0.2',
      port: 5432,
      timeline: 3,
      lag: 12_582_912,
      slots: { ready: 1, not_ready: 1 },
    });
  });
});

describe('slots', () => {
  it('shows each slot on each member, the leader first', () => {
    const rows = slotRows(keys).map(({ slot, member, verdict, lag_bytes, reason }) => [
      slot,
      member,
      verdict,
      lag_bytes,
      reason,
    ]);
    expect(rows).toEqual([
      ['audit', 'pg1', 'not_ready', null, 'not on the primary yet'],
      ['audit', 'pg2', 'ready', null, ''],
      ['audit', 'pg3', 'unknown', null, 'the member does not say'],
      ['gone', 'pg1', 'lost', null, 'it was dropped'],
      ['gone', 'pg2', 'unknown', null, 'the member does not say'],
      ['gone', 'pg3', 'unknown', null, 'the member does not say'],
      ['orders', 'pg1', 'primary', null, ''],
      ['orders', 'pg2', 'not_ready', 1_048_576, 'waits for a restart'],
      ['orders', 'pg3', 'unknown', null, 'the member does not say'],
    ]);
  });

  it('prints positions as PostgreSQL does', () => {
    const line = slotLines(slotRows(keys), plain).find((it) => it.includes('waits'));
    expect(line).toBe('| orders | logical | pg2    | not ready | 0/1C00000 |      1048576 | waits for a restart     |');
    expect(toJson(slotRows(keys))).toContain('"position": "0/1C00000"');
  });

  it('says what to do where there are none', () => {
    expect(slotLines(slotRows(noKeys), plain)).toEqual([expect.stringContaining('edit-config')]);
  });

  it('shows what was lost at a promotion', () => {
    const lines = slotHistoryLines(
      [
        {
          timeline: 4,
          leader: 'pg2',
          timestamp: '2030-01-01T00:00:00Z',
          slots: [...verdicts(['orders', { kind: 'ready' }, 16n]).values()],
          gaps: [{ slot: 'audit', from: 16n, to: null, why: 'it had not been copied' }],
        },
      ],
      plain,
    ).join('\n');
    expect(lines).toContain('changes from 0/10 to an unknown position are lost: it had not been copied');
    expect(lines).toMatch(/orders \| ready +\| +0\/10/);
    expect(slotHistoryLines([], plain)).toEqual(['No promotion has been recorded.']);
  });
});

describe('history', () => {
  it("has Patroni's columns", () => {
    const entry = { timeline: 1, lsn: 50_331_744n, reason: 'no recovery target specified' };
    expect(
      historyLines(
        [
          { ...entry, timestamp: '2030-01-01T00:00:00+00:00', newLeader: 'pg2' },
          { ...entry, timeline: 2, timestamp: null, newLeader: null },
        ],
        plain,
      ),
    ).toEqual([
      '+----+----------+------------------------------+---------------------------+------------+',
      '| TL |      LSN | Reason                       | Timestamp                 | New Leader |',
      '+----+----------+------------------------------+---------------------------+------------+',
      '|  1 | 50331744 | no recovery target specified | 2030-01-01T00:00:00+00:00 | pg2        |',
      '|  2 | 50331744 | no recovery target specified |                           |            |',
      '+----+----------+------------------------------+---------------------------+------------+',
    ]);
  });
});
