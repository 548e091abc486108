import type { Clock } from '../base/clock.ts';
import type { ScopeKeys } from '../consul/keys.ts';
import type { ConsulPort } from '../consul/port.ts';
import type { LocalServer } from '../postgres/port.ts';
import { answerWithin } from '../watch/patience.ts';
import { holdsLeader, sessionId } from '../view/select.ts';
import type { View } from '../view/view.ts';
import { handBack } from './executors.ts';

/** How long each step of leaving may take: an agent that stops must not hang on a Consul that does not answer. */
const stepMs = 3_000;

/**
 * Leaves in order: hands the leader key over by releasing it (no lock delay follows), ends the session, which takes the
 * member key along, takes the service out of the catalogue and closes the connections. PostgreSQL is left as it is. A
 * step that fails does not keep the next from being done: what is left behind expires with the session.
 */
export async function farewell(
  view: View,
  {
    keys,
    service,
    self,
  }: {
    readonly keys: ScopeKeys;
    readonly service: { readonly id: string };
    readonly self: { readonly registerService: boolean };
  },
  { consul, server, clock }: { readonly consul: ConsulPort; readonly server: LocalServer; readonly clock: Clock },
): Promise<void> {
  const session = sessionId(view);
  const steps: ((signal: AbortSignal) => Promise<unknown>)[] = [];
  if (session !== null && holdsLeader(view)) {
    steps.push((signal) => consul.transact(handBack(keys.leader, session), signal));
  }
  if (session !== null) steps.push((signal) => consul.destroySession(session, signal));
  if (self.registerService) steps.push((signal) => consul.deregisterService(service.id, signal));
  const never = new AbortController().signal;
  for (const step of steps) await answerWithin(clock, stepMs, never, step).catch(() => undefined);
  await server.close();
}
