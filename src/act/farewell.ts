import type { Clock } from '../base/clock.ts';
import { memberKey, type ScopeKeys } from '../consul/keys.ts';
import type { ConsulPort } from '../consul/port.ts';
import type { Lifeline, ManagedServer } from '../postgres/managed-port.ts';
import type { LocalServer } from '../postgres/port.ts';
import { answerWithin, within } from '../watch/patience.ts';
import { leaseDeadlineMs, lifelineGraceMs, mayWrite } from '../view/lease.ts';
import { configOf, holdsLeader, sessionId } from '../view/select.ts';
import type { Self, View } from '../view/view.ts';
import { handBack } from './executors.ts';

interface FarewellPorts {
  readonly consul: ConsulPort;
  readonly server: LocalServer;
  readonly managed: ManagedServer | null;
  readonly lifeline: Lifeline | null;
  readonly clock: Clock;
}

/** How long each step of leaving may take: an agent that stops must not hang on a Consul that does not answer. */
const stepMs = 3_000;

/** How long a standby may take to stop. */
const standbyStopMs = 60_000;

/**
 * Leaves in order: hands the leader key over by releasing it (no lock delay follows), ends the session, which takes the
 * member key along, takes the service out of the catalogue and closes the connections. PostgreSQL is left as it is where
 * somebody else manages it, or the cluster is paused; else it is stopped first, so that nobody writes without a lease. A
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
    readonly self: Pick<Self, 'registerService'>;
  },
  { consul, server, managed, lifeline, clock }: FarewellPorts,
): Promise<void> {
  const session = sessionId(view);
  const isPaused = configOf(view).pause;
  // In pause the server runs on without a lease, as its operator wants it.
  let isGuarded = false;
  if (managed !== null && !isPaused) {
    isGuarded = !(await isStopped(view, managed, clock));
  }
  const steps: ((signal: AbortSignal) => Promise<unknown>)[] = [];
  // A server that could not be stopped still may accept writes: nobody else may lead before its lease is over.
  if (session !== null && holdsLeader(view) && !isGuarded) {
    steps.push((signal) => consul.transact(handBack(keys.leader, session), signal));
  }
  if (session !== null) {
    // Before the session ends: what it holds then could not be locked by the next run for the lock delay.
    const own = memberKey(keys, view.self.name);
    steps.push((signal) => consul.transact(handBack(own, session), signal));
    steps.push((signal) => consul.destroySession(session, signal));
  }
  // Its server is stopped, or left alone: whoever takes the data away next finds nobody at work there.
  if (lifeline !== null && !isGuarded) steps.push(() => lifeline.guard({ kind: 'none' }));
  if (self.registerService) steps.push((signal) => consul.deregisterService(service.id, signal));
  const never = new AbortController().signal;
  for (const step of steps) await answerWithin(clock, stepMs, never, step).catch(() => undefined);
  await server.close();
  await lifeline?.close().catch(() => undefined);
}

/**
 * Stops the server: in order while there is time, at once after that. Resolves to whether it is stopped; where it is not, the
 * lifeline goes on guarding until the lease's end, and then does what this could not.
 */
async function isStopped(view: View, managed: ManagedServer, clock: Clock): Promise<boolean> {
  const never = new AbortController().signal;
  const givenUp = (): Error => new Error('the server takes too long to stop');
  const stop = (signal: AbortSignal): Promise<void> => managed.stop('fast', signal);
  return within(clock, stopMs(view, clock), never, stop, givenUp)
    .catch(() => managed.stop('immediate', never))
    .then(
      () => true,
      () => false,
    );
}

/** A primary may stop for as long as its lease lasts, which nobody renews any more. */
function stopMs(view: View, clock: Clock): number {
  const { guard } = view.memory.lead;
  const deadlineMs = guard === null ? leaseDeadlineMs(view) : guard.deadlineMs - lifelineGraceMs;
  return mayWrite(view) && deadlineMs !== null ? deadlineMs - clock.monotonicMs() : standbyStopMs;
}
