import { describe, expect, test } from 'vitest';
import { leaderName } from '../../src/domain/cluster.ts';
import { askAgent, patienceMs } from '../support/cluster-state.ts';
import { type ClusterUnderTest, useCluster } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { completePostgres } from '../support/majors.ts';
import { untilWhole } from '../support/managed-cluster.ts';

/** Two clusters, each with a Consul of its own: at any time one of them follows the other. */
describe.each(await completePostgres())(
  'two data centres, PostgreSQL $version',
  { timeout: 4 * patienceMs },
  ({ major }) => {
    const east = useCluster({
      ha: 'manage',
      major,
      members: [
        { name: 'alpha', upstream: null },
        { name: 'beta', upstream: 'alpha' },
      ],
    });
    const west = useCluster(async () => {
      await east().startAgents();
      return {
        ha: 'manage',
        major,
        members: [
          { name: 'gamma', upstream: null },
          { name: 'delta', upstream: 'gamma' },
        ],
        dynamicConfig: { standby_cluster: await placeOf(east()) },
      };
    });

    async function placeOf(cluster: ClusterUnderTest): Promise<{ readonly host: string; readonly port: number }> {
      return { host: '127.0.0.1', port: cluster.member(await untilWhole(cluster)).server.port };
    }

    async function patchConfig(cluster: ClusterUnderTest, patch: Readonly<Record<string, unknown>>): Promise<void> {
      const [member] = cluster.members.values();
      const answer = await fetch(`${member!.agent.restUrl}/config`, { method: 'PATCH', body: JSON.stringify(patch) });
      expect(answer.status).toBe(200);
    }

    async function write(cluster: ClusterUnderTest, row: string): Promise<void> {
      await cluster.member(await untilWhole(cluster)).server.query(`insert into place values ('${row}')`);
    }

    async function timelineOf(cluster: ClusterUnderTest): Promise<string> {
      const { server } = cluster.member(await untilWhole(cluster));
      const [row] = await server.query<{ file: string }>('select pg_walfile_name(pg_current_wal_lsn()) as file');
      return row?.file.slice(0, 8) ?? '';
    }

    const rowsOf = async (cluster: ClusterUnderTest, name: string): Promise<readonly string[]> =>
      (await cluster.member(name).server.query<{ row: string }>('select row from place order by row')).map(
        ({ row }) => row,
      );

    /** Resolves when every member is a standby that has just these rows, one of them streams from outside, and the others from it. */
    async function untilFollows(cluster: ClusterUnderTest, rows: readonly string[]): Promise<string> {
      return eventually(
        async () => {
          const leader = leaderName(await cluster.read());
          if (leader === null) throw new Error('nobody leads');
          for (const [name, { server }] of cluster.members) {
            if (!(await server.isInRecovery())) throw new Error(`${name} is a primary`);
            expect(await rowsOf(cluster, name)).toEqual(rows);
          }
          const fed = await cluster
            .member(leader)
            .server.query<{ name: string }>(
              `select application_name as name from pg_stat_replication where state = 'streaming'`,
            );
          const names = fed.map(({ name }) => name).filter((name) => cluster.members.has(name));
          expect(names).toHaveLength(cluster.members.size - 1);
          expect(await askAgent(cluster.member(leader), '/standby-leader')).toMatchObject({ role: 'standby_leader' });
          return leader;
        },
        { what: `a standby cluster with ${rows.join(', ')}`, timeoutMs: 2 * patienceMs },
      );
    }

    test('one is a copy of the other, and follows it', async () => {
      await east()
        .member(await untilWhole(east()))
        .server.query('create table place (row text)');
      await write(east(), 'a');
      await west().startAgents();
      await untilFollows(west(), ['a']);
      await write(east(), 'b');
      await untilFollows(west(), ['a', 'b']);
    });

    test('the former primary cluster goes over to the other, without what only it has', async () => {
      await patchConfig(west(), { standby_cluster: null });
      await write(west(), 'west');
      // Nobody has told the east yet.
      await write(east(), 'east');
      const before = await untilWhole(east());
      await patchConfig(east(), { standby_cluster: await placeOf(west()) });
      const leader = await untilFollows(east(), ['a', 'b', 'west']);
      expect(leader).toBe(before);
      await write(west(), 'x');
      await untilFollows(east(), ['a', 'b', 'west', 'x']);
      for (const name of east().members.keys())
        expect(await east().member(name).agent.log()).toContain('the server was rewound');
    });

    test('and back in the right order, with nothing to rewind', async () => {
      const leader = leaderName(await east().read())!;
      const { port } = east().member(leader).server;
      await patchConfig(west(), { standby_cluster: { host: '127.0.0.1', port } });
      await untilFollows(west(), ['a', 'b', 'west', 'x']);
      await patchConfig(east(), { standby_cluster: null });
      await write(east(), 'y');
      await untilFollows(west(), ['a', 'b', 'west', 'x', 'y']);
      for (const { agent } of west().members.values())
        expect(await agent.log()).not.toContain('the server was rewound');
    });

    test('also where both have gone on under the same number of a timeline, with fresh copies', async () => {
      await patchConfig(west(), { standby_cluster: null });
      await write(west(), 'z');
      await write(east(), 'lost');
      const old = await untilWhole(east());
      const { agent, server } = east().member(old);
      await Promise.all([agent.kill(), server.kill()]);
      await untilWhole(
        east(),
        [...east().members.keys()].filter((name) => name !== old),
      );
      await agent.start();
      await write(east(), 'lost too');
      await eventually(async () => expect(await timelineOf(east())).toBe(await timelineOf(west())), {
        what: 'one number for two timelines',
        timeoutMs: patienceMs,
      });
      await patchConfig(east(), { standby_cluster: await placeOf(west()) });
      await untilFollows(east(), ['a', 'b', 'west', 'x', 'y', 'z']);
    });
  },
);
