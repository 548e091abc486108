import type { AgentPorts, AgentSettings } from './agent.ts';
import type { AgentConfig } from './config/agent.ts';
import { decodeKeys } from './consul/codec.ts';
import type { Turn } from './plan/plan.ts';
import { plan } from './plan/plan.ts';
import { agentSettings, openPorts } from './ports.ts';
import { ServerError } from './postgres/port.ts';
import { fold, initialView } from './view/fold.ts';
import type { Observation } from './view/observation.ts';
import type { View } from './view/view.ts';
import { clampProblem, createSession } from './watch/session-creation.ts';
import { sessionSpec } from './watch/session-spec.ts';
import { describeError } from './base/errors.ts';

type Learnt = Observation extends infer O ? (O extends Observation ? Omit<O, 'atMs' | 'wallMs'> : never) : never;

/** A person is waiting. */
const sessionLimitMs = 10_000;

/**
 * One turn without consequences: reads Consul, looks at the server once, and plans. What only the holder of a session may
 * do is shown as the running agent would do it, with the session in its member key; without one a session is assumed.
 * `session: 'tried'` makes one in Consul and destroys it at once, to see whether Consul gives it and with which TTL.
 * Throws ConsulError; a server that does not answer is part of the turn.
 */
export async function dryTurn(
  config: AgentConfig,
  agentVersion: string,
  session: 'assumed' | 'tried',
  signal: AbortSignal,
): Promise<Turn> {
  const ports = openPorts(config);
  const { consul, server, managed, clock } = ports;
  const settings = agentSettings(config, agentVersion);
  const { self, keys: names, decodeConfig } = settings;
  const now = (): { atMs: number; wallMs: number } => ({ atMs: clock.monotonicMs(), wallMs: clock.wallMs() });
  let view = initialView(self, clock.monotonicMs(), clock.wallMs());
  const learn = (learnt: Learnt): void => {
    view = fold(view, { ...learnt, ...now() });
  };
  try {
    const read = await consul.readPrefix(names.prefix, { index: 0, waitMs: 0, signal });
    const { keys } = decodeKeys(names, read, decodeConfig);
    learn({ kind: 'keys', keys });
    const id = keys.members.get(self.name)?.session ?? 'assumed';
    const { ttlSeconds } = sessionSpec(settings, view);
    const held = { kind: 'held', id, ttlSeconds, clampedFrom: null, renewedAtMs: now().atMs } as const;
    learn({ kind: 'session', session: held });
    if (session === 'tried') for (const learnt of await trySession(settings, ports, view, id, signal)) learn(learnt);
    try {
      const startedAtMs = clock.monotonicMs();
      learn({ kind: 'look', startedAtMs, look: await server.look(signal) });
      learn({ kind: 'ledger', ledger: await server.readLedger() });
    } catch (error) {
      const trouble = error instanceof ServerError ? error.trouble : 'other';
      const copyInterrupted = await server.copyWasInterrupted().catch(() => false);
      learn({ kind: 'server_trouble', trouble, why: describeError(error), copyInterrupted });
      if (managed !== null && trouble === 'not_running') {
        learn({ kind: 'disk', startedAtMs: clock.monotonicMs(), disk: await managed.inspect(signal) });
      }
    }
    return { view, plan: plan(view) };
  } finally {
    await server.close();
  }
}

/** What is learnt from making a session; `id` is the one that the turn goes on with. */
async function trySession(
  settings: AgentSettings,
  { consul, clock }: AgentPorts,
  view: View,
  id: string,
  signal: AbortSignal,
): Promise<readonly Learnt[]> {
  const { made } = await createSession({ consul, clock }, sessionSpec(settings, view), null, sessionLimitMs, signal);
  if (typeof made === 'string') return [{ kind: 'session', session: { kind: 'none', why: made } }];
  await consul.destroySession(made.id, signal);
  const { ttlSeconds, clampedFrom, renewedAtMs } = made;
  return [
    { kind: 'session', session: { kind: 'held', id, ttlSeconds, clampedFrom, renewedAtMs } },
    ...(clampedFrom === null ? [] : [{ kind: 'problem', problem: clampProblem(made), present: true } as const]),
  ];
}
