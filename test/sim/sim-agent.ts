import { Subject, type Subscription } from 'rxjs';
import { agent, type AgentPorts, type AgentSettings, type LearntTurn } from '../../src/agent.ts';
import { decodeDynamicConfig } from '../../src/config/dynamic.ts';
import { scopeKeys } from '../../src/consul/keys.ts';
import type { Tags } from '../../src/domain/config.ts';
import { tagsFrom } from '../../src/domain/tags.ts';

export const simKeys = scopeKeys('service', 'sim');

/** One run of an agent's process. */
export interface AgentRun {
  readonly name: string;
  readonly life: { alive: boolean };
  readonly startedAtMs: number;
  /** What it last planned. */
  turn: LearntTurn | null;
  /** Asks it to stop in an orderly way. */
  readonly stop: () => void;
  /** Ends it as SIGKILL does: nothing more is sent, nothing that is under way is heard of. */
  readonly kill: () => void;
}

export function agentSettings(name: string, tags: Partial<Tags>): AgentSettings {
  return {
    self: {
      scope: 'sim',
      name,
      connUrl: `postgres://${name}:5432/postgres`,
      apiUrl: `http://${name}:8008/patroni`,
      tags: tagsFrom(tags),
      agentVersion: '0.0.0',
      canRestart: true,
      registerService: true,
      ha: 'observe',
      managed: null,
    },
    keys: simKeys,
    service: {
      id: `sim/${name}`,
      name: 'sim',
      tags: [],
      address: name,
      port: 5432,
      restUrl: `http://${name}:8008`,
      checkIntervalSeconds: 10,
      tlsSkipVerify: false,
      tlsServerName: null,
    },
    decodeConfig: decodeDynamicConfig,
    sessionChecks: [],
  };
}

/** Runs the real agent on the simulator's ports. `onTurn` keeps each turn, `onBug` an error of the agent's stream. */
export function runAgent(
  settings: AgentSettings,
  life: { alive: boolean },
  ports: AgentPorts,
  startedAtMs: number,
  onTurn: (run: AgentRun, turn: LearntTurn) => void,
  onBug: (error: unknown) => void,
): AgentRun {
  const stop$ = new Subject<null>();
  const holder: { subscription: Subscription | null } = { subscription: null };
  const run: AgentRun = {
    name: settings.self.name,
    life,
    startedAtMs,
    turn: null,
    stop: () => {
      stop$.next(null);
    },
    kill: () => {
      life.alive = false;
      holder.subscription?.unsubscribe();
    },
  };
  holder.subscription = agent(settings, ports, stop$).subscribe({
    next: (turn) => {
      onTurn(run, turn);
    },
    error: onBug,
    complete: () => {
      life.alive = false;
    },
  });
  return run;
}
