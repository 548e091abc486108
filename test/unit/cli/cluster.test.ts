import { describe, expect, it } from 'vitest';
import { summarize } from '../../../src/cli/cluster-summary.ts';
import { historyLines } from '../../../src/cli/history.ts';
import { listLines } from '../../../src/cli/list.ts';
import { decodeDynamicConfig } from '../../../src/config/dynamic.ts';
import { noKeys } from '../../../src/domain/cluster.ts';
import { key, keys, member, plain } from './some-cluster.ts';

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
