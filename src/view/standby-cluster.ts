import type { StandbyClusterConfig } from '../domain/config.ts';
import { defaultConfig } from '../domain/default-config.ts';
import type { View } from './view.ts';

/**
 * The remote primary, where this cluster is a standby cluster: nobody in it is promoted, and its leader streams from there.
 * Before there is a configuration in Consul, what the agent's file would make it.
 */
export function standbyClusterOf(view: View): StandbyClusterConfig | null {
  return (view.config ?? view.self.managed?.bootstrapConfig ?? defaultConfig).lead.standbyCluster;
}
