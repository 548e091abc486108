import { answerCluster, answerHistory } from './cluster.ts';
import { answerConfig, patchConfig, putConfig, type ConfigStore } from './config.ts';
import type { Answer, Moment } from './answer.ts';
import { answerHealth, answerProbe, healthChecks, probes, type HealthCheck } from './health.ts';
import { memberStatus } from './member-status.ts';
import { answerSlots } from './slots.ts';

export type WritingMethod = 'PATCH' | 'PUT';

/** What a path can be asked for. Reading is answered from the moment alone, at once. */
export interface Resource {
  readonly read: (moment: Moment, query: URLSearchParams) => Answer | Promise<Answer>;
  readonly write?: Readonly<Record<WritingMethod, (moment: Moment, body: string) => Promise<Answer>>>;
}

export interface RouteOptions {
  readonly config: ConfigStore;
  /** The Prometheus page. */
  readonly metrics: (moment: Moment) => Promise<{ readonly contentType: string; readonly text: string }>;
}

/** Paths of Patroni at which it does something to the cluster, which is not slotkeeper's to do while it observes. */
export const commandPaths: readonly string[] = ['/switchover', '/failover', '/restart', '/reload', '/reinitialize'];

/** Every path that answers, without a slash at its end. */
export function routes({ config, metrics }: RouteOptions): ReadonlyMap<string, Resource> {
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
          PATCH: (moment, body) => patchConfig(config, moment, body),
          PUT: (moment, body) => putConfig(config, moment, body),
        },
      },
    ],
    [
      '/metrics',
      {
        read: async (moment) => {
          const { contentType, text } = await metrics(moment);
          return { status: 200, body: text, contentType };
        },
      },
    ],
  ];
  return new Map([...health, ...resources(probes, answerProbe), ...rest]);
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
