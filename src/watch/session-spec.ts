import type { SessionSpec } from '../consul/port.ts';
import { configOf } from '../view/select.ts';
import type { Self, View } from '../view/view.ts';

/** What an agent's Consul session is to be. `sessionChecks`: the node checks that it is bound to besides its TTL. */
export function sessionSpec(
  { self, sessionChecks }: { readonly self: Self; readonly sessionChecks: readonly string[] },
  view: View,
): SessionSpec {
  if (self.ha === 'manage') return managedSpec(self, sessionChecks, configOf(view).ttl);
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

/**
 * Where the leader key guards writes. Consul ends a session between once and twice its TTL after the last renewal, and at
 * once when somebody destroys it or its checks fail; the lock delay, as long as the TTL, then keeps the key free until the
 * lease has run out by the leader's own clock. So a leader that is gone without a word is followed after `ttl` at most.
 */
function managedSpec(self: Self, sessionChecks: readonly string[], ttl: number): SessionSpec {
  const ttlSeconds = Math.max(1, Math.floor(ttl / 3));
  return {
    name: `${self.scope}-${self.name}`,
    ttlSeconds,
    lockDelaySeconds: ttlSeconds,
    behavior: 'delete',
    nodeChecks: sessionChecks,
    serviceChecks: [],
  };
}
