import { answerCluster, answerHistory } from './cluster.ts';
import type { CommandTools } from './command.ts';
import { answerConfig, patchConfig, putConfig, type ConfigStore } from './config.ts';
import type { Answer, Moment } from './answer.ts';
import { answerFailsafe, postFailsafe } from './failsafe.ts';
import { answerHealth, answerProbe, healthChecks, probes, type HealthCheck } from './health.ts';
import { memberStatus } from './member-status.ts';
import { deleteRestart, postRestart } from './restart.ts';
import { postReinitialize, postReload } from './server-commands.ts';
import { answerSlots } from './slots.ts';
import { deleteSwitchover, postSwitchover } from './switchover.ts';

export type WritingMethod = 'PATCH' | 'PUT' | 'POST' | 'DELETE';

/** How a request that changes something is answered. */
export interface Change {
  readonly needsBody: boolean;
  /** Another agent asks, not an operator: `allowlist_include_members` is no help against a member. */
  readonly isForAgents?: boolean;
  readonly make: (moment: Moment, body: string) => Answer | Promise<Answer>;
}

/** What a path can be asked for. Reading is answered from the moment alone, at once. */
export interface Resource {
  readonly read?: (moment: Moment, query: URLSearchParams) => Answer | Promise<Answer>;
  readonly write?: Readonly<Partial<Record<WritingMethod, Change>>>;
}

export interface RouteOptions {
  readonly config: ConfigStore;
  /** Has the agent read its file again. */
  readonly reload: () => void;
  /** Null = slotkeeper observes: commands are for whatever manages the cluster. */
  readonly commands: CommandTools | null;
  /** The Prometheus page. */
  readonly metrics: (moment: Moment) => Promise<{ readonly contentType: string; readonly text: string }>;
}

/** Paths of Patroni at which it does something to the cluster, which is not slotkeeper's to do while it observes. */
export const commandPaths: readonly string[] = ['/switchover', '/failover', '/restart', '/reinitialize'];

/** Every path that answers, without a slash at its end. */
export function routes({ config, reload, commands, metrics }: RouteOptions): ReadonlyMap<string, Resource> {
  const health = resources(healthChecks, answerHealth);
  const rest: readonly (readonly [string, Resource])[] = [
    ['/patroni', { read: (moment) => ({ status: 200, body: memberStatus(moment) }) }],
    ['/cluster', { read: answerCluster }],
    ['/history', { read: answerHistory }],
    ['/slots', { read: answerSlots }],
    [
      '/config',
      {
        read: answerConfig,
        write: {
          PATCH: { needsBody: true, make: (moment, body) => patchConfig(config, moment, body) },
          PUT: { needsBody: true, make: (moment, body) => putConfig(config, moment, body) },
        },
      },
    ],
    ['/failsafe', { read: answerFailsafe, ...(commands === null ? {} : { write: { POST: failsafe(commands) } }) }],
    [
      '/metrics',
      {
        read: async (moment) => {
          const { contentType, text } = await metrics(moment);
          return { status: 200, body: text, contentType };
        },
      },
    ],
    ['/reload', { write: { POST: { needsBody: false, make: () => postReload(reload) } } }],
    ...(commands === null ? [] : commandResources(commands)),
  ];
  return new Map([...health, ...resources(probes, answerProbe), ...rest]);
}

function failsafe(tools: CommandTools): Change {
  return { needsBody: true, isForAgents: true, make: (moment, body) => postFailsafe(tools, moment, body) };
}

function commandResources(tools: CommandTools): readonly (readonly [string, Resource])[] {
  const switchover = (path: 'switchover' | 'failover'): Change => ({
    needsBody: true,
    make: (moment, body) => postSwitchover(tools, path, moment, body),
  });
  const restart: Change = { needsBody: false, make: (moment, body) => postRestart(tools, moment, body) };
  const takeBack: Change = { needsBody: false, make: (moment) => deleteSwitchover(tools, moment) };
  return [
    ['/switchover', { write: { POST: switchover('switchover'), DELETE: takeBack } }],
    ['/failover', { write: { POST: switchover('failover') } }],
    ['/restart', { write: { POST: restart, DELETE: { needsBody: false, make: () => deleteRestart(tools) } } }],
    [
      '/reinitialize',
      { write: { POST: { needsBody: false, make: (_moment, body) => postReinitialize(tools, body) } } },
    ],
  ];
}

function resources(
  checks: Readonly<Record<string, HealthCheck>>,
  answer: (check: HealthCheck, moment: Moment, query: URLSearchParams) => Answer,
): readonly (readonly [string, Resource])[] {
  return Object.entries(checks).map(([path, check]) => [
    path,
    { read: (moment, query) => answer(check, moment, query) },
  ]);
}
