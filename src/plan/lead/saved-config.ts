import { configOf, freshLook } from '../../view/select.ts';
import type { View } from '../../view/view.ts';
import type { Intent } from '../intent.ts';
import { act } from '../intent.ts';
import { refusalOf } from '../refusal.ts';
import { isInitializing } from './upstream.ts';

/** The cluster's configuration is kept beside the data as it was last right, on every member. */
export function planSavedConfig(view: View): readonly Intent[] {
  const { keys } = view.consul;
  const { savedConfig } = view.memory.lead;
  const text = keys?.config?.value == null ? null : keys.configText;
  if (freshLook(view) === null || refusalOf(view) !== null || view.running.has('server')) return [];
  return text === null || savedConfig === null || savedConfig.text === text ? [] : [act({ kind: 'save_config', text })];
}

/**
 * What a leader puts into Consul where there is no configuration; null = nothing, or it is not known yet. A new cluster gets
 * what the agent's file gives it. One that is there already had a configuration, which Consul has lost: that counts first.
 */
export function missingConfig(view: View): string | null {
  if (view.consul.keys?.config !== null) return null;
  const { savedConfig } = view.memory.lead;
  const given = view.self.managed?.bootstrapDcs ?? null;
  if (isInitializing(view)) return given;
  if (savedConfig === null || savedConfig.text !== null) return savedConfig?.text ?? null;
  // It does not say that the cluster is paused.
  return configOf(view).pause ? null : given;
}
