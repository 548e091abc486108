/**
 * What slotkeeper needs of Consul, in Consul's words. `client.ts` is the real one; the simulator has its own. Every
 * call takes an AbortSignal and is over soon after it is aborted.
 */
export interface ConsulPort {
  /**
   * One blocking read of everything below `prefix`. `index` 0 answers at once; otherwise the answer comes when
   * something below the prefix is newer than `index`, or after `waitMs` (plus up to a sixteenth). A missing prefix is
   * an empty list. Throws ConsulError.
   */
  readPrefix(prefix: string, options: ReadOptions): Promise<PrefixRead>;
  /** All operations or none (`/v1/txn`, at most 64). A refusal is a result, not an error. Throws ConsulError. */
  transact(operations: readonly TxnOperation[], signal: AbortSignal): Promise<TxnResult>;
  /** Creates a session and resolves to its id. Throws TtlRefusedError when Consul does not take the TTL, ConsulError. */
  createSession(spec: SessionSpec, signal: AbortSignal): Promise<string>;
  /** `gone` = Consul does not know the session (any more). Throws ConsulError. */
  renewSession(id: string, signal: AbortSignal): Promise<'renewed' | 'gone'>;
  /** Destroying a session that does not exist is no error. */
  destroySession(id: string, signal: AbortSignal): Promise<void>;
  /** Registers with the local agent, or replaces what is registered under the id. */
  registerService(service: ServiceSpec, signal: AbortSignal): Promise<void>;
  deregisterService(id: string, signal: AbortSignal): Promise<void>;
  /** `unknown` = the local agent does not know the check (it lost its registration): register the service again. */
  updateTtlCheck(
    checkId: string,
    status: CheckStatus,
    output: string,
    signal: AbortSignal,
  ): Promise<'updated' | 'unknown'>;
}

export interface ReadOptions {
  readonly index: number;
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

export interface PrefixRead {
  /** The `X-Consul-Index` header. */
  readonly index: number;
  readonly entries: readonly KvEntry[];
}

export interface KvEntry {
  readonly key: string;
  /** UTF-8; null = a key without a value. */
  readonly value: string | null;
  readonly createIndex: number;
  readonly modifyIndex: number;
  readonly session: string | null;
}

/** The verbs of `/v1/txn` that slotkeeper uses. */
export type TxnOperation =
  | { readonly verb: 'set'; readonly key: string; readonly value: string }
  | { readonly verb: 'cas'; readonly key: string; readonly value: string; readonly index: number }
  | { readonly verb: 'lock'; readonly key: string; readonly value: string; readonly session: string }
  | { readonly verb: 'unlock'; readonly key: string; readonly value: string; readonly session: string }
  | { readonly verb: 'delete'; readonly key: string }
  | { readonly verb: 'delete-cas'; readonly key: string; readonly index: number }
  | { readonly verb: 'check-session'; readonly key: string; readonly session: string }
  | { readonly verb: 'check-index'; readonly key: string; readonly index: number }
  | { readonly verb: 'check-not-exists'; readonly key: string };

export type TxnResult =
  /** `entries`: the keys that were written, with their new indexes (values may be absent). */
  | { readonly kind: 'done'; readonly entries: readonly KvEntry[] }
  /** Nothing was changed. `dead` = the session in an operation does not exist. */
  | { readonly kind: 'refused'; readonly why: string; readonly dead: boolean };

export interface SessionSpec {
  readonly name: string;
  /** As asked of Consul; Consul expires the session between once and twice this time after the last renewal. */
  readonly ttlSeconds: number;
  /** Consul keeps a lock from being taken again for this long after its session was invalidated; 0 = at once. */
  readonly lockDelaySeconds: number;
  /** What happens to the session's keys when it ends. */
  readonly behavior: 'release' | 'delete';
  readonly nodeChecks: readonly string[];
  readonly serviceChecks: readonly string[];
}

export interface ServiceSpec {
  readonly id: string;
  readonly name: string;
  readonly tags: readonly string[];
  readonly address: string | null;
  readonly port: number;
  readonly checks: readonly CheckSpec[];
}

export type CheckSpec =
  | {
      readonly kind: 'http';
      readonly id: string;
      readonly name: string;
      readonly url: string;
      readonly method: string;
      readonly intervalSeconds: number;
      readonly timeoutSeconds: number;
      readonly tlsSkipVerify: boolean;
      readonly tlsServerName: string | null;
      readonly deregisterAfterSeconds: number | null;
    }
  | { readonly kind: 'ttl'; readonly id: string; readonly name: string; readonly ttlSeconds: number };

export type CheckStatus = 'passing' | 'warning' | 'critical';

/** Consul could not be reached, or answered with something that is not an answer to the question. */
export class ConsulError extends Error {
  override readonly name: string = 'ConsulError';
  /** HTTP status; null = no answer at all. */
  readonly statusCode: number | null;

  constructor(message: string, statusCode: number | null, options?: ErrorOptions) {
    super(message, options);
    this.statusCode = statusCode;
  }
}

/** Consul refused the session's TTL; the bounds are read from its answer. */
export class TtlRefusedError extends ConsulError {
  override readonly name = 'TtlRefusedError';
  readonly minSeconds: number;
  readonly maxSeconds: number;

  constructor(message: string, minSeconds: number, maxSeconds: number) {
    super(message, 500);
    this.minSeconds = minSeconds;
    this.maxSeconds = maxSeconds;
  }
}
