import process from 'node:process';
import { describe, expect, test } from 'vitest';
import { slotkeeperScript } from '../../src/sandbox/cluster.ts';
import { run } from '../../src/sandbox/run.ts';
import { nativeSince } from '../../src/view/method.ts';
import { memberSlots, slotkeeper, useCluster } from '../support/cluster.ts';
import { untilAllRun, untilLeads, untilNoProblem, untilProblem } from '../support/cluster-state.ts';
import { eventually } from '../support/eventually.ts';
import { postgresMajorsBefore } from '../support/majors.ts';

/** Physical before logical where PostgreSQL has no setting for it and pg_failover_slots is not loaded: nobody is to rely on it. */
describe.each(postgresMajorsBefore(nativeSince))('a gate that nothing enforces, PostgreSQL %i', (major) => {
  const cluster = useCluster({
    major,
    members: [
      { name: 'alpha', upstream: null },
      { name: 'beta', upstream: 'alpha' },
    ],
  });
  const alpha = () => cluster().member('alpha');
  const configure = (failoverSlots: Record<string, unknown>): Promise<void> =>
    cluster().configure({ loop_wait: 2, slots: memberSlots(cluster()), failover_slots: failoverSlots });

  test('is said by the agent, its log, the status, slots and doctor', async () => {
    await cluster().startAgents();
    await untilLeads(cluster(), 'alpha');
    await untilAllRun(cluster());
    await configure({ standby_slot_names: 'all' });
    await untilProblem(alpha(), 'gate_not_enforced', new RegExp(`PostgreSQL ${major}.* has no such setting`));
    expect(await alpha().agent.log()).toContain('gate_not_enforced');
    await eventually(async () => (await cluster().read()).status?.value?.extras?.gate?.enforcedBy === null, {
      what: 'the status to say that nothing enforces it',
    });
    expect(await slotkeeper(alpha(), 'slots')).toContain('Gate: not enforced: the primary has neither');
    const doctor = await run(process.execPath, [slotkeeperScript(), 'doctor', alpha().agent.configFile]);
    expect(doctor).toMatch(
      /warning gate: not enforced: .*\n *fix: upgrade to PostgreSQL 17, or load pg_failover_slots/,
    );
  });

  test('is no problem any more when it is not asked for', async () => {
    await configure({});
    await untilNoProblem(alpha(), 'gate_not_enforced');
  });
});
