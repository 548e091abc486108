import { expect, test } from 'vitest';
import { createExecutors, type ExecutorDeps, RefusedError } from '../../../src/act/executors.ts';
import type { SyncState } from '../../../src/domain/lead.ts';
import type { ManagedServer } from '../../../src/postgres/managed-port.ts';
import { ConsulState } from '../../sim/consul-state.ts';
import { agentSettings, simKeys } from '../../sim/sim-agent.ts';
import { healthyLink } from '../../sim/link.ts';
import { Random } from '../../sim/random.ts';
import { SimConsul } from '../../sim/sim-consul.ts';
import { VirtualTime } from '../../sim/virtual-time.ts';

const { signal } = new AbortController();

/** The executors of a leader; what they ask of Consul takes effect at once. */
function leader() {
  const state = new ConsulState(
    () => 0,
    () => 0,
    () => undefined,
  );
  const spec = { name: 's', ttlSeconds: 10, lockDelaySeconds: 10, nodeChecks: [], serviceChecks: [] } as const;
  const session = state.createSession('alpha', { ...spec, behavior: 'delete' });
  state.transact('alpha', [{ verb: 'lock', key: simKeys.leader, value: 'alpha', session }]);
  const time = new VirtualTime();
  const port = new SimConsul(time, new Random(1), () => undefined).connect('alpha', { alive: true }, healthyLink());
  const deps: ExecutorDeps = {
    consul: { ...port, transact: (operations) => Promise.resolve(state.transact('alpha', operations)) },
    server: {} as ExecutorDeps['server'],
    managed: null,
    peers: null,
    keys: simKeys,
    member: 'alpha',
    service: agentSettings('alpha', {}).service,
  };
  const opened: string[] = [];
  const bootstrap: ManagedServer['bootstrap'] = async (_plan, mayOpen) => {
    await mayOpen();
    opened.push('opened');
  };
  const executors = createExecutors({ ...deps, managed: { bootstrap } as ManagedServer });
  const { publish_sync, publish_terms, publish_slot_history } = executors;
  const indexOf = (key: string): number => state.keys.get(key)?.modifyIndex ?? 0;
  return {
    state,
    session,
    indexOf,
    opened,
    publish_sync,
    publish_terms,
    publish_slot_history,
    make: executors.bootstrap,
  };
}

test('what was asked of the key sync earlier, and comes late or twice, does not go over what it says since', async () => {
  const { session, state, indexOf, publish_sync } = leader();
  const write = (standby: string, index: number) => {
    const sync: SyncState = { leader: 'alpha', standbys: [standby] };
    return publish_sync({ kind: 'publish_sync', session, sync, index, settles: false }, signal);
  };
  await write('beta', 0);
  const read = indexOf(simKeys.sync);
  await write('gamma', read);
  await expect(write('beta', 0)).rejects.toThrow(RefusedError);
  await expect(write('beta', read)).rejects.toThrow(RefusedError);
  expect(state.keys.get(simKeys.sync)?.value).toContain('gamma');
});

test('the same for the list of terms and for what is on record of slots', async () => {
  const { session, indexOf, publish_terms, publish_slot_history } = leader();
  await publish_terms({ kind: 'publish_terms', session, terms: [], index: 0 }, signal);
  await publish_slot_history({ kind: 'publish_slot_history', session, slotHistory: [], index: 0 }, signal);
  expect([indexOf(simKeys.terms), indexOf(simKeys.slotHistory)]).not.toContain(0);
  await expect(publish_terms({ kind: 'publish_terms', session, terms: [], index: 0 }, signal)).rejects.toThrow();
  const again = { kind: 'publish_slot_history', session, slotHistory: [], index: 0 } as const;
  await expect(publish_slot_history(again, signal)).rejects.toThrow(RefusedError);
});

test('a cluster that was made is opened only while the lock on initialize is held', async () => {
  const { session, state, opened, make } = leader();
  const plan = { parameters: {}, hba: null, ident: null, upstream: null, synchronousStandbyNames: null };
  const action = { kind: 'bootstrap', session, plan } as const;
  await expect(make(action, signal)).rejects.toThrow(RefusedError);
  expect(opened).toEqual([]);
  state.transact('alpha', [{ verb: 'lock', key: simKeys.initialize, value: '', session }]);
  await make(action, signal);
  expect(opened).toEqual(['opened']);
});
