import type { SessionSpec } from '../consul/port.ts';
import { configOf } from '../view/select.ts';
import type { Self, View } from '../view/view.ts';

/** What an agent's Consul session is to be. `sessionChecks`: the node checks that it is bound to besides its TTL. */
export function sessionSpec(
  { self, sessionChecks }: { readonly self: Self; readonly sessionChecks: readonly string[] },
  view: View,
): SessionSpec {
  return {
    name: `${self.scope}-${self.name}`,
    // Consul doubles a session's TTL before it acts on it, so half of the configured one is asked for, as Patroni does.
    ttlSeconds: Math.max(1, Math.floor(configOf(view).ttl / 2)),
    // Here the leader key guards no writes, so a successor need not wait for a predecessor to fence itself.
    lockDelaySeconds: 0,
    behavior: 'delete',
    nodeChecks: sessionChecks,
    serviceChecks: [],
  };
}
