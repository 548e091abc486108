import { randomUUID } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import { asyncScheduler, filter, take, timeout, type Observable } from 'rxjs';
import type { Clock } from '../../../src/base/clock.ts';
import { createConsulClient, type ConsulClient, type ConsulClientConfig } from '../../../src/consul/client.ts';
import { scopeKeys, type ScopeKeys } from '../../../src/consul/keys.ts';
import type { SessionSpec } from '../../../src/consul/port.ts';
import type { Observation } from '../../../src/view/observation.ts';

export const realClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  scheduler: asyncScheduler,
};

/** For calls that are never given up. */
export const never = new AbortController().signal;

/** A client of that address with the defaults of the configuration. */
export function clientOf(
  address: { readonly host: string; readonly port: number },
  over: Partial<ConsulClientConfig> = {},
): ConsulClient {
  return createConsulClient({
    ...address,
    scheme: 'http',
    token: null,
    tokenFile: null,
    dc: null,
    consistency: 'default',
    verify: true,
    cacert: null,
    cert: null,
    key: null,
    requestTimeoutMs: 5_000,
    ...over,
  });
}

/** A scope of its own for each test, so that tests of one Consul do not meet. */
export function freshScope(): ScopeKeys {
  return scopeKeys('service', `t-${randomUUID()}`);
}

export function sessionSpec(over: Partial<SessionSpec> = {}): SessionSpec {
  return {
    name: 'test',
    ttlSeconds: 10,
    lockDelaySeconds: 0,
    behavior: 'delete',
    nodeChecks: [],
    serviceChecks: [],
    ...over,
  };
}

/** The first observation that satisfies `is`, from now on: ask before doing what brings it about. */
export function next<K extends Observation['kind']>(
  stream$: Observable<Observation>,
  kind: K,
  is: (observation: Observation & { readonly kind: K }) => boolean = () => true,
  withinMs = 20_000,
): Promise<Observation & { readonly kind: K }> {
  const isWanted = (one: Observation): one is Observation & { readonly kind: K } => one.kind === kind;
  return new Promise((resolve, reject) => {
    const wanted$ = stream$.pipe(filter(isWanted), filter(is), take(1), timeout(withinMs));
    wanted$.subscribe({ next: resolve, error: reject, complete: () => reject(new Error(`no ${kind} came`)) });
  });
}

/** A web server that is not Consul, or is Consul on a bad day. */
export async function serve(listener: RequestListener): Promise<Server> {
  const rest = createServer(listener);
  await new Promise<void>((resolve) => rest.listen(0, '127.0.0.1', resolve));
  return rest;
}
