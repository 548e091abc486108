import { onTestFinished } from 'vitest';
import { decodeDynamicConfig } from '../../src/config/dynamic.ts';
import type { ConsulPort } from '../../src/consul/port.ts';
import type { AgentEvent } from '../../src/report/event.ts';
import { metricsPage, outcomeTally } from '../../src/report/metrics.ts';
import type { Access } from '../../src/report/rest/access.ts';
import { openRest, type RestOptions, type RestServer } from '../../src/report/rest.ts';
import { ConsulState } from '../sim/consul-state.ts';
import { aKey, aView, nowMs, nowWallMs, someKeys } from './turns.ts';

export const configKey = 'service/demo/config';

export interface RestUnderTest {
  readonly server: RestServer;
  readonly url: string;
  /** How far the server's clock is past the moment of the turns that it is shown. */
  readonly clock: { aheadMs: number };
  readonly events: AgentEvent[];
  readonly get: (path: string, init?: RequestInit) => Promise<Reply>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON. */
  readonly body: Record<string, unknown>;
}

/** Anybody may change something. */
export const openAccess: Access = {
  credentials: null,
  allowlist: { entries: [], includeMembers: false },
  needsCertificate: false,
};

const noConsul: Pick<ConsulPort, 'transact'> = {
  transact: () => Promise.reject(new Error('this test writes nothing')),
};

/** A REST server on a free port of the loopback, closed when the test is over. */
export async function startRest(over: Partial<RestOptions> = {}): Promise<RestUnderTest> {
  const clock = { aheadMs: 0 };
  const events: AgentEvent[] = [];
  const tally = outcomeTally();
  const server = await openRest({
    listen: { host: '127.0.0.1', port: 0 },
    tls: null,
    access: openAccess,
    extraHeaders: {},
    commands: null,
    reload: () => undefined,
    clock: { monotonicMs: () => nowMs + clock.aheadMs, wallMs: () => nowWallMs + clock.aheadMs },
    report: (event) => events.push(event),
    config: { consul: noConsul, key: configKey },
    metrics: (moment) => metricsPage(moment, tally),
    ...over,
  });
  onTestFinished(() => server.close());
  return { server, url: server.url, clock, events, get: (path, init) => ask(`${server.url}${path}`, init) };
}

async function ask(url: string, init: RequestInit = {}): Promise<Reply> {
  const response = await fetch(url, init);
  const text = await response.text();
  const isJson = response.headers.get('content-type') === 'application/json' && text !== '';
  const body = (isJson ? JSON.parse(text) : {}) as Record<string, unknown>;
  return { status: response.status, headers: response.headers, text, body };
}

/** A Consul of its own with a cluster configuration in it, and the View of `alpha` that has just read it. */
export function consulWithConfig(text: string | null) {
  const state = new ConsulState(
    () => 0,
    () => 0,
    () => undefined,
  );
  if (text !== null) state.transact('somebody', [{ verb: 'set', key: configKey, value: text }]);
  return {
    stored: (): string | null => state.keys.get(configKey)?.value ?? null,
    overwrite: (value: string): void => void state.transact('somebody', [{ verb: 'set', key: configKey, value }]),
    port: { transact: (operations) => Promise.resolve(state.transact('rest', operations)) } satisfies Pick<
      ConsulPort,
      'transact'
    >,
    view: () => {
      const entry = state.keys.get(configKey) ?? null;
      const config = entry === null ? null : aKey(decodeDynamicConfig(entry.value ?? '').config, entry);
      const keys = someKeys({ config, configText: entry?.value ?? null });
      return aView('alpha', { consul: { contact: { kind: 'good', atMs: nowMs }, keys } });
    },
  };
}
