import type { ReplicationClient, ServerLook } from '../../../src/domain/server.ts';
import type { Host } from './host.ts';
import type { LeadCluster } from './lead-cluster.ts';
import { parsedNames } from './writers.ts';

/** What a look shows besides what the server itself knows: who streams from it, and of which cluster it is. */
export function withClients(look: ServerLook, host: Host, cluster: LeadCluster): ServerLook {
  return { ...look, systemIdentifier: host.systemIdentifier, replication: clientsOf(host, cluster) };
}

function clientsOf(host: Host, cluster: LeadCluster): readonly ReplicationClient[] {
  const text = host.synchronousStandbyNames ?? '';
  const { count, names } = parsedNames(text);
  const isQuorum = /^\s*any\b/i.test(text);
  let chosen = 0;
  const streaming = [...cluster.hosts.values()].filter(
    ({ server }) => server.streaming && server.upstream === host.server,
  );
  return streaming.map(({ name, server }) => {
    const isNamed = names.includes('*') || names.includes(name);
    const isChosen = isNamed && (isQuorum || chosen < count);
    if (isChosen) chosen += 1;
    return {
      applicationName: name,
      clientAddress: name,
      state: 'streaming',
      syncState: isChosen ? (isQuorum ? 'quorum' : 'sync') : isNamed ? 'potential' : 'async',
      sentLsn: server.received,
      replayLsn: server.replayed,
      slotName: server.primarySlotName === '' ? null : server.primarySlotName,
    };
  });
}
