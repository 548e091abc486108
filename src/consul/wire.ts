import type { IncomingMessage } from 'node:http';
import {
  ConsulError,
  type CheckSpec,
  type KvEntry,
  type PrefixRead,
  type ServiceSpec,
  type SessionSpec,
  type TxnOperation,
  type TxnResult,
} from './port.ts';

/** The package's answer when it is asked for the response too; the data are absent after a 404. */
export type Answer = readonly [response: IncomingMessage, data?: unknown];

interface KvItem {
  readonly Key: string;
  readonly Value?: string | null;
  readonly CreateIndex: number;
  readonly ModifyIndex: number;
  readonly Session?: string;
}

/**
 * The answer to a recursed read. Whatever is not Consul's own "here they are" or "there are none" is an error: taken for
 * an empty prefix, a proxy's page would make every key of the cluster vanish.
 */
export function prefixRead([response, data]: Answer): PrefixRead {
  const index = Number(response.headers['x-consul-index']);
  if (!Number.isSafeInteger(index) || index < 0)
    throw new ConsulError('cannot read the keys: the answer has no X-Consul-Index, so it is not from Consul', null);
  if (response.headers['x-consul-results-filtered-by-acls'] === 'true')
    throw new ConsulError('cannot read the keys: the token may not read all of them (key_prefix read)', 403);
  if (response.statusCode === 404) return { index, entries: [] };
  if (!Array.isArray(data)) throw new ConsulError('cannot read the keys: the answer is not a list of keys', null);
  return { index, entries: (data as readonly KvItem[]).map(kvEntry) };
}

function kvEntry(item: KvItem): KvEntry {
  return {
    key: item.Key,
    value: item.Value ?? null,
    createIndex: item.CreateIndex,
    modifyIndex: item.ModifyIndex,
    session: item.Session ?? null,
  };
}

/** An operation as `/v1/txn` takes it: values in base64. The package's types want a form that Consul does not take. */
export function txnOperation(operation: TxnOperation): { readonly verb: string; readonly key: string } {
  const kv = {
    Verb: operation.verb,
    Key: operation.key,
    ...('value' in operation ? { Value: Buffer.from(operation.value, 'utf8').toString('base64') } : {}),
    ...('session' in operation ? { Session: operation.session } : {}),
    ...('index' in operation ? { Index: operation.index } : {}),
  };
  return { KV: kv } as unknown as { readonly verb: string; readonly key: string };
}

export function txnDone([, data]: Answer): TxnResult {
  const results = (data as { readonly Results?: readonly { readonly KV?: KvItem }[] | null } | undefined)?.Results;
  if (results === undefined)
    throw new ConsulError('cannot write to Consul: the answer is not that of a transaction', null);
  const items = (results ?? []).flatMap(({ KV }) => KV ?? []);
  return { kind: 'done', entries: items.map(kvEntry) };
}

/** Consul's "nothing was changed" (409); null when the error is another one. */
export function txnRefusal({ message, statusCode }: ConsulError): TxnResult | null {
  const dead = /invalid session/i.test(message);
  // A missing right comes as a 409 too, but looking again will not mend it.
  if (/permission denied/i.test(message)) return null;
  if (statusCode !== 409 && !(dead && statusCode === 500)) return null;
  return { kind: 'refused', why: message, dead };
}

/** `NodeChecks` and `ServiceChecks` (Consul 1.7+) instead of `Checks`: an empty list then means none, not serfHealth. */
export function sessionBody(spec: SessionSpec): object {
  return {
    Name: spec.name,
    TTL: `${spec.ttlSeconds}s`,
    LockDelay: `${spec.lockDelaySeconds}s`,
    Behavior: spec.behavior,
    NodeChecks: spec.nodeChecks,
    ServiceChecks: spec.serviceChecks.map((id) => ({ ID: id })),
  };
}

export function sessionId(response: IncomingMessage & { readonly body?: unknown }): string {
  const id = (response.body as { readonly ID?: unknown } | undefined)?.ID;
  if (typeof id !== 'string' || id === '') throw new ConsulError('cannot create a session: the answer has no ID', null);
  return id;
}

export function serviceBody(service: ServiceSpec): object {
  return {
    ID: service.id,
    Name: service.name,
    Tags: service.tags,
    Port: service.port,
    ...(service.address === null ? {} : { Address: service.address }),
    Checks: service.checks.map(checkBody),
  };
}

function checkBody(check: CheckSpec): object {
  if (check.kind === 'ttl') return { CheckID: check.id, Name: check.name, TTL: `${check.ttlSeconds}s` };
  return {
    CheckID: check.id,
    Name: check.name,
    HTTP: check.url,
    Method: check.method,
    Interval: `${check.intervalSeconds}s`,
    Timeout: `${check.timeoutSeconds}s`,
    TLSSkipVerify: check.tlsSkipVerify,
    ...(check.tlsServerName === null ? {} : { TLSServerName: check.tlsServerName }),
    ...(check.deregisterAfterSeconds === null
      ? {}
      : { DeregisterCriticalServiceAfter: `${check.deregisterAfterSeconds}s` }),
  };
}

/** Consul up to 1.8 answers 500 for a check that it does not know, later versions 404. */
export function isUnknownCheck({ message, statusCode }: ConsulError): boolean {
  if (statusCode === 404) return true;
  return statusCode === 500 && /does not have associated TTL|unknown check/i.test(message);
}
