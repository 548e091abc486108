import type { ClusterPostgresConfig } from '../../domain/config.ts';
import { configOf } from '../../view/select.ts';
import type { View } from '../../view/view.ts';

/** What may be done to this server's data and how it streams: the agent's file counts more than the cluster's configuration. */
export function clusterPostgresOf(view: View): ClusterPostgresConfig {
  const cluster = configOf(view).lead.postgresql;
  const own = view.self.managed;
  return {
    ...cluster,
    hba: own?.hba ?? cluster.hba,
    ident: own?.ident ?? cluster.ident,
    useSlots: own?.useSlots ?? cluster.useSlots,
    usePgRewind: own?.usePgRewind ?? cluster.usePgRewind,
    removeDataOnRewindFailure: own?.removeDataOnRewindFailure ?? cluster.removeDataOnRewindFailure,
    removeDataOnDivergedTimelines: own?.removeDataOnDivergedTimelines ?? cluster.removeDataOnDivergedTimelines,
  };
}
