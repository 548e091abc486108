import { asyncScheduler } from 'rxjs';
import type { AgentPorts, AgentSettings } from './agent.ts';
import type { Clock } from './base/clock.ts';
import type { AgentConfig } from './config/agent.ts';
import { decodeDynamicConfig } from './config/dynamic.ts';
import { createConsulClient } from './consul/client.ts';
import { scopeKeys } from './consul/keys.ts';
import { createLocalServer } from './postgres/local-server.ts';
import { defaultTimeouts } from './postgres/settings.ts';

/** The machine's own clock. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  scheduler: {
    now: () => performance.now(),
    schedule: asyncScheduler.schedule.bind(asyncScheduler),
  },
};

/** Any request to Consul but a blocking read may take this long. */
const consulTimeoutMs = 10_000;

/** The real Consul and the real server that the configuration names. Nothing is connected before it is used. */
export function openPorts(config: AgentConfig): AgentPorts {
  const { postgresql } = config;
  return {
    consul: createConsulClient({ ...config.consul, requestTimeoutMs: consulTimeoutMs }),
    server: createLocalServer({
      member: config.name,
      address: postgresql.address,
      credentials: postgresql.credentials,
      replicationCredentials: postgresql.replicationCredentials,
      dataDir: postgresql.dataDir,
      control: postgresql.control,
      timeouts: {
        ...defaultTimeouts,
        stopMs: postgresql.pgCtlTimeoutSeconds * 1_000,
        startMs: postgresql.pgCtlTimeoutSeconds * 1_000,
      },
      clock: systemClock,
    }),
    managed: null,
    lifeline: null,
    clock: systemClock,
    random: Math.random,
  };
}

/** What the loop needs to know of the configuration. */
export function agentSettings(config: AgentConfig, agentVersion: string): AgentSettings {
  const { consul, postgresql, restapi } = config;
  return {
    self: {
      scope: config.scope,
      name: config.name,
      connUrl: postgresql.connUrl,
      apiUrl: restapi.apiUrl,
      tags: config.tags,
      agentVersion,
      canRestart: true,
      registerService: consul.registerService,
      ha: config.ha,
    },
    keys: scopeKeys(config.namespace, config.scope),
    service: {
      id: `${config.scope}/${config.name}`,
      name: serviceName(config.scope),
      tags: consul.serviceTags,
      address: postgresql.connectAddress.host,
      port: postgresql.connectAddress.port,
      restUrl: new URL('/', restapi.apiUrl).href.replace(/\/$/, ''),
      checkIntervalSeconds: consul.serviceCheckIntervalSeconds,
      tlsSkipVerify: true,
      tlsServerName: consul.serviceCheckTlsServerName,
    },
    decodeConfig: decodeDynamicConfig,
    sessionChecks: consul.checks,
  };
}

/** A service name that DNS can answer for: Patroni's rule, lower case with `-` for what a label cannot have. */
function serviceName(scope: string): string {
  return scope
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
}
