import { describe, expect, test } from 'vitest';
import type { StandbyClusterConfig } from '../../../../src/domain/config.ts';
import type { ClusterKeys } from '../../../../src/domain/cluster.ts';
import { wantedServerPlan } from '../../../../src/plan/lead/server-plan.ts';
import { wantedStatus } from '../../../../src/plan/status.ts';
import type { View } from '../../../../src/view/view.ts';
import { aRequest, leadConfig, managed, managedKeys, membersKey } from '../../../support/lead.ts';
import { actionsOf, holdOf, kindsOf } from '../../../support/situations.ts';
import { aKey, aLogicalSlot, aPhysicalSlot, aStandbyLook, aStatus, sessionOf } from '../../../support/turns.ts';

const remote: StandbyClusterConfig = {
  host: 'far.test',
  port: 5433,
  primarySlotName: 'here',
  recovery: { restore_command: 'cp /wal/%f %p' },
  createReplicaMethods: [],
};
const standbyCluster = leadConfig({ standbyCluster: remote });
const ledBy = (name: string): ClusterKeys['leader'] =>
  aKey(name, { createIndex: 20, modifyIndex: 30, session: sessionOf(name) });
const streaming = {
  applicationName: 'gamma',
  clientAddress: null,
  state: 'streaming',
  syncState: 'async',
  sentLsn: 0x4f00n,
  replayLsn: 0x4e00n,
  slotName: 'gamma',
};

/** `beta` leads the standby cluster, and `gamma` streams from it. */
function leading(keys: Partial<ClusterKeys> = {}, look = {}): View {
  const members = membersKey('beta', 'gamma');
  return managed('beta', {
    keys: managedKeys({ leader: ledBy('beta'), members, terms: null, status: null, ...keys }),
    config: standbyCluster,
    look: { ...aStandbyLook({ slots: [], replication: [streaming] }), ...look },
  });
}

describe('the leader of a standby cluster', () => {
  test('speaks for it: what it has received, and where its members are', () => {
    const look = { slots: [aPhysicalSlot({ name: 'gamma', restartLsn: 0x4e00n }), aLogicalSlot()] };
    const status = wantedStatus(leading({}, look))!;
    expect(status.optime).toBe(0x5000n);
    expect(status.slots).toEqual(new Map([['beta', 0x5000n], ['gamma', 0x4e00n]])); // prettier-ignore
    expect(status.extras?.logical.size).toBe(0);
    expect(kindsOf(leading())).toContain('publish_status');
    expect(kindsOf(leading({ initialize: null }))).toContain('publish_initialize');
  });

  test('keeps no logical slot, and says which ones that cost when it was a primary', () => {
    const slots = [aLogicalSlot()];
    expect(wantedStatus(leading({}, { slots }))?.extras?.lost).toEqual(new Map());
    const before = aKey(aStatus(), { modifyIndex: 60 });
    const usual = leading({ status: before }, { slots });
    const view = { ...usual, memory: { ...usual.memory, lastStatus: before.value } };
    expect(wantedStatus(view)?.extras?.lost.get('orders')).toMatchObject({
      from: 0x3000n,
      why: 'the cluster was made a standby cluster',
    });
    expect(actionsOf(view, 'drop_slot').map(({ slot }) => slot)).toEqual(['orders']);
    expect(holdOf(view, 'slots')).toBe('this is a standby cluster');
  });

  test('has the recovery settings that the others have not', () => {
    expect(wantedServerPlan(leading()).parameters).toMatchObject({ restore_command: 'cp /wal/%f %p' });
    const replica = managed('gamma', { keys: managedKeys({ leader: ledBy('beta') }), config: standbyCluster });
    expect(wantedServerPlan(replica).parameters).not.toHaveProperty('restore_command');
  });

  test('hands over without stopping its server', () => {
    const failover = aRequest({ leader: 'beta', candidate: null });
    expect(actionsOf(leading({ failover }), 'release_leader')).toHaveLength(1);
    expect(kindsOf(leading({ failover }))).not.toContain('stop_server');
    const alone = leading({ failover }, { replication: [] });
    expect(holdOf(alone, 'switchover')).toBe('gamma does not stream from this server');
    expect(kindsOf(leading({ failover: aRequest({ leader: 'alpha', candidate: 'beta' }) }))).toContain(
      'clear_failover',
    );
  });
});
