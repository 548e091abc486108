import type { AgentConfig } from './config/agent.ts';
import { decodeKeys } from './consul/codec.ts';
import type { Turn } from './plan/plan.ts';
import { plan } from './plan/plan.ts';
import { agentSettings, openPorts } from './ports.ts';
import { ServerError } from './postgres/port.ts';
import { fold, initialView } from './view/fold.ts';
import type { Observation } from './view/observation.ts';
import { describeError } from './base/errors.ts';

type Learnt = Observation extends infer O ? (O extends Observation ? Omit<O, 'atMs' | 'wallMs'> : never) : never;

/**
 * One turn without consequences: reads Consul, looks at the server once, and plans. The session is taken from the
 * running agent's member key, so that what only its holder may do is shown as the agent would do it; without a running
 * agent a session is assumed. Throws ConsulError; a server that does not answer is part of the turn.
 */
export async function dryTurn(config: AgentConfig, agentVersion: string, signal: AbortSignal): Promise<Turn> {
  const { consul, server, clock } = openPorts(config);
  const { self, keys: names, decodeConfig } = agentSettings(config, agentVersion);
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
    learn({
      kind: 'session',
      session: { kind: 'held', id, ttlSeconds: 0, clampedFrom: null, renewedAtMs: now().atMs },
    });
    try {
      const startedAtMs = clock.monotonicMs();
      learn({ kind: 'look', startedAtMs, look: await server.look(signal) });
      learn({ kind: 'ledger', ledger: await server.readLedger() });
    } catch (error) {
      const trouble = error instanceof ServerError ? error.trouble : 'other';
      const copyInterrupted = await server.copyWasInterrupted().catch(() => false);
      learn({ kind: 'server_trouble', trouble, why: describeError(error), copyInterrupted });
    }
    return { view, plan: plan(view) };
  } finally {
    await server.close();
  }
}
