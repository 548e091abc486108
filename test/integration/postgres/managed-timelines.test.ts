import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findPostgres } from '../../../src/sandbox/locate.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { eventually } from '../../support/eventually.ts';
import { allowed, type ManagedMember, managedMember, upstreamOf } from './managed-members.ts';
import { never } from './servers.ts';

const postgres = await findPostgres(15);

/** A number is taken that nobody wrote on: an earlier leader may have been promoted to it, and nobody heard of it. */
describe('timelines with a number left out', () => {
  let sandbox: Sandbox;
  let one: ManagedMember;
  let two: ManagedMember;
  let three: ManagedMember;

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    one = await managedMember(sandbox, postgres, 'one');
    two = await managedMember(sandbox, postgres, 'two');
    three = await managedMember(sandbox, postgres, 'three');
    await one.server.bootstrap(one.plan(), allowed, never);
    await one.query('create table t (i int)');
    for (const standby of [two, three]) {
      await standby.server.clone(upstreamOf(one), one.url, never);
      await standby.server.start(standby.plan(one), null, never);
    }
  });
  afterAll(() => sandbox.close());

  const histories = async (member: ManagedMember): Promise<readonly string[]> =>
    (await readdir(join(member.dataDir, 'pg_wal'))).filter((name) => name.endsWith('.history')).sort();
  const count = async (member: ManagedMember): Promise<number> => {
    const [row] = await member.query<{ count: number }>('select count(*)::int from t');
    return row?.count ?? 0;
  };

  test('a standby that crashes on the new timeline comes back with all that it had received', async () => {
    await one.server.stop('fast', never);
    await two.server.promote(9, 2, never);
    expect(await histories(two)).toEqual(['00000002.history', '00000003.history']);
    await three.server.follow(three.plan(two), never);
    await two.query('insert into t select generate_series(1, 100)');
    await eventually(async () => (await count(three)) === 100, { what: 'the rows on the new timeline' });
    await three.server.stop('immediate', never);
    // on its own, as when it has taken the lead and then crashed
    await three.server.start(three.plan(), null, never);
    await eventually(async () => (await count(three)) === 100, { what: 'the rows to be there again' });
    await three.server.promote(12, 3, never);
    expect(await count(three)).toBe(100);
  });

  test('what was taken in vain, above every timeline that there is, is given back', async () => {
    await one.server.start(one.plan(), null, never);
    await one.server.stop('fast', never);
    expect(await histories(one)).toEqual([]);
    await expect(one.server.promote(13, 4, never)).rejects.toThrow();
    expect(await histories(one)).toEqual(['00000002.history', '00000003.history', '00000004.history']);
    await one.server.start(one.plan(three), null, never);
    await eventually(async () => (await count(one)) === 100, { what: 'the rows of the others' });
    expect(await histories(one)).toEqual(await histories(three));
  });
});
