import { asyncScheduler, NEVER } from 'rxjs';
import type { AgentPorts, AgentSettings } from './agent.ts';
import type { Clock } from './base/clock.ts';
import type { AgentConfig } from './config/agent.ts';
import { decodeDynamicConfig } from './config/dynamic.ts';
import { plainBootstrap } from './config/sections/bootstrap.ts';
import { createConsulClient } from './consul/client.ts';
import { memberKey, scopeKeys } from './consul/keys.ts';
import { createLifeline } from './lifeline/lifeline.ts';
import { createLocalServer } from './postgres/local-server.ts';
import { createManagedServer } from './postgres/managed/managed-server.ts';
import { createPeers } from './peer/client.ts';
import type { Lifeline } from './postgres/managed-port.ts';
import { needsNoLeader, type ManagedServerSettings } from './postgres/managed/settings.ts';
import { defaultTimeouts, type ServerTimeouts } from './postgres/settings.ts';

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

/**
 * The real Consul and the real server that the configuration names. Nothing is connected before it is used. `latest`: the
 * configuration as it is by now; what of it changes while the agent runs (`config/reload.ts`) is asked for with each use.
 */
export function openPorts(config: AgentConfig, latest: () => AgentConfig = () => config): AgentPorts {
  const { postgresql } = config;
  const managedSettings = managedServerSettings(config);
  return {
    consul: createConsulClient({
      ...config.consul,
      get token() {
        return latest().consul.token;
      },
      requestTimeoutMs: consulTimeoutMs,
    }),
    server: createLocalServer({
      member: config.name,
      address: postgresql.address,
      get credentials() {
        return latest().postgresql.credentials;
      },
      get replicationCredentials() {
        return latest().postgresql.replicationCredentials;
      },
      dataDir: postgresql.dataDir,
      control: postgresql.control,
      timeouts: timeoutsOf(config),
      clock: systemClock,
    }),
    managed:
      managedSettings === null
        ? null
        : createManagedServer(managedSettings, () => managedServerSettings(latest()) ?? managedSettings),
    lifeline: null,
    peers: config.managed === null ? null : createPeers(config.managed.peers),
    requests$: NEVER,
    reloads$: NEVER,
    clock: systemClock,
    random: Math.random,
  };
}

function timeoutsOf({ postgresql }: AgentConfig): ServerTimeouts {
  const controlMs = postgresql.pgCtlTimeoutSeconds * 1_000;
  return { ...defaultTimeouts, stopMs: controlMs, startMs: controlMs };
}

/** The process that guards the server of a managed member; null = slotkeeper does not manage it. Starts it. */
export function openLifeline(
  config: AgentConfig,
  latest: () => AgentConfig,
  report: (text: string) => void,
): Lifeline | null {
  const { managed, consul, postgresql } = config;
  if (managed === null) return null;
  const keys = scopeKeys(config.namespace, config.scope);
  return createLifeline({
    dataDir: postgresql.dataDir,
    leaderKey: keys.leader,
    memberKey: memberKey(keys, config.name),
    consul: {
      ...consul,
      get token() {
        return latest().consul.token;
      },
    },
    fastFailover: consul.fastFailover,
    watchdog: managed.watchdog,
    clock: systemClock,
    report,
  });
}

/** What is known of the server whose whole life slotkeeper manages; null = it does not. */
export function managedServerSettings(config: AgentConfig): ManagedServerSettings | null {
  if (config.managed === null) return null;
  const { scope, name, postgresql, managed } = config;
  const { address, dataDir, control, credentials, replicationCredentials } = postgresql;
  const { configDir, binNames, user, pgpass, rewind, customConf, recoveryConf } = managed.postgresql;
  const { replicaMethods, remoteMethods, prePromote, beforeStop } = managed.postgresql;
  return {
    scope,
    member: name,
    address,
    dataDir,
    configDir,
    binDir: control.kind === 'pg_ctl' ? control.binDir : null,
    binNames,
    user,
    credentials,
    replication: replicationCredentials,
    rewind: rewind === null ? null : { ...rewind, passfile: credentials.passfile },
    pgpass,
    customConf,
    recoveryConf,
    bootstrap: managed.bootstrap?.settings ?? plainBootstrap,
    replicaMethods,
    remoteMethods,
    prePromote,
    beforeStop,
    timeouts: timeoutsOf(config),
    clock: systemClock,
  };
}

/** What the decisions need to know of the server that slotkeeper manages; null = it does not. */
export function managedSelf({ postgresql, managed }: AgentConfig): AgentSettings['self']['managed'] {
  if (managed === null) return null;
  const { parameters, hba, ident, useSlots, usePgRewind } = managed.postgresql;
  const { removeDataOnRewindFailure, removeDataOnDivergedTimelines } = managed.postgresql;
  return {
    listen: postgresql.listen.hosts.join(','),
    port: postgresql.listen.port,
    parameters,
    hba,
    ident,
    useSlots,
    usePgRewind,
    removeDataOnRewindFailure,
    removeDataOnDivergedTimelines,
    canBootstrap: managed.bootstrap !== null,
    canRestore: managed.postgresql.replicaMethods.some(needsNoLeader),
    bootstrapDcs: managed.bootstrap?.dcs ?? null,
    bootstrapConfig:
      managed.bootstrap?.dcs == null ? null : decodeDynamicConfig(managed.bootstrap.dcs, 'manage').config,
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
      managed: managedSelf(config),
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
    decodeConfig: (raw) => decodeDynamicConfig(raw, config.ha),
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
