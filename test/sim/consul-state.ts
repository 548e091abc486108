import type { KvEntry, SessionSpec, TxnOperation, TxnResult } from '../../src/consul/port.ts';

interface Session {
  readonly id: string;
  /** The agent that made it. */
  readonly owner: string;
  readonly spec: SessionSpec;
  /** When Consul ends it unless it is renewed: between once and twice its TTL after the last renewal (FACTS 5). */
  expiresAtMs: number;
}

/** A write that took effect: what the checks look at. `entries` holds null for a key that was deleted. */
export interface Commit {
  readonly index: number;
  /** The agent whose request it was; null = Consul itself (a session ended) or a person. */
  readonly by: string | null;
  readonly entries: ReadonlyMap<string, KvEntry | null>;
}

/**
 * Consul's state machine: keys with Raft indexes, tombstones, sessions, lock delays. Everything here happens at one
 * moment; the way to it is `sim-consul.ts`.
 */
export class ConsulState {
  readonly keys = new Map<string, KvEntry>();
  readonly sessions = new Map<string, Session>();
  /** Index of the last deletion of each key: what makes a recursed read wake when a key goes away. */
  readonly #tombstones = new Map<string, number>();
  readonly #lockFreeAtMs = new Map<string, number>();
  readonly #nowMs: () => number;
  readonly #random: () => number;
  readonly #committed: (commit: Commit) => void;
  #index = 10;
  #sessionCount = 0;

  constructor(nowMs: () => number, random: () => number, committed: (commit: Commit) => void) {
    this.#nowMs = nowMs;
    this.#random = random;
    this.#committed = committed;
  }

  /** A Consul that starts again without its data: indexes start low. */
  wipe(): void {
    this.keys.clear();
    this.sessions.clear();
    this.#tombstones.clear();
    this.#lockFreeAtMs.clear();
    this.#index = 5;
  }

  /** All below `prefix` and the index of the newest change there; the store's own index when nothing ever was there. */
  list(prefix: string): { index: number; entries: readonly KvEntry[] } {
    const entries: KvEntry[] = [];
    let index = 0;
    for (const entry of this.keys.values()) {
      if (!entry.key.startsWith(prefix)) continue;
      entries.push(entry);
      index = Math.max(index, entry.modifyIndex);
    }
    for (const [key, deletedAt] of this.#tombstones) if (key.startsWith(prefix)) index = Math.max(index, deletedAt);
    entries.sort((a, b) => (a.key < b.key ? -1 : 1));
    return { index: index === 0 ? this.#index : index, entries };
  }

  /** `session` of `leader`-like keys: who made the session that holds `key`. */
  ownerOf(session: string | null): string | null {
    return session === null ? null : (this.sessions.get(session)?.owner ?? null);
  }

  createSession(owner: string, spec: SessionSpec): string {
    this.#sessionCount += 1;
    this.#index += 1;
    const id = `session-${String(this.#sessionCount)}-${owner}`;
    this.sessions.set(id, { id, owner, spec, expiresAtMs: this.#expiry(spec) });
    return id;
  }

  renew(id: string): boolean {
    const session = this.sessions.get(id);
    if (session === undefined) return false;
    session.expiresAtMs = this.#expiry(session.spec);
    return true;
  }

  /** After a restart with its data Consul gives every session its whole time again. */
  renewAll(): void {
    for (const session of this.sessions.values()) session.expiresAtMs = this.#expiry(session.spec);
  }

  expireDue(): readonly string[] {
    const due = [...this.sessions.values()].filter((session) => session.expiresAtMs <= this.#nowMs());
    for (const session of due) this.endSession(session.id);
    return due.map((session) => session.id);
  }

  endSession(id: string): void {
    const session = this.sessions.get(id);
    if (session === undefined) return;
    this.sessions.delete(id);
    this.#index += 1;
    const changed = new Map<string, KvEntry | null>();
    for (const entry of [...this.keys.values()].filter((held) => held.session === id)) {
      const delayMs = session.spec.lockDelaySeconds * 1000;
      if (delayMs > 0) this.#lockFreeAtMs.set(entry.key, this.#nowMs() + delayMs);
      if (session.spec.behavior === 'delete') {
        this.keys.delete(entry.key);
        this.#tombstones.set(entry.key, this.#index);
        changed.set(entry.key, null);
      } else {
        const freed = { ...entry, session: null, modifyIndex: this.#index };
        this.keys.set(entry.key, freed);
        changed.set(entry.key, freed);
      }
    }
    if (changed.size > 0) this.#committed({ index: this.#index, by: null, entries: changed });
  }

  /** `/v1/txn`: all or nothing, at one Raft index. */
  transact(by: string | null, operations: readonly TxnOperation[]): TxnResult {
    const index = this.#index + 1;
    const draft = new Map<string, KvEntry | null>();
    const read = (key: string): KvEntry | null =>
      draft.get(key) ?? (draft.has(key) ? null : (this.keys.get(key) ?? null));
    for (const operation of operations) {
      const refusal = this.#refusal(operation, read(operation.key));
      if (refusal !== null) return { kind: 'refused', ...refusal };
      const written = effectOf(operation, read(operation.key), index);
      if (written !== undefined) draft.set(operation.key, written);
    }
    return { kind: 'done', entries: this.#apply(by, index, draft) };
  }

  #apply(by: string | null, index: number, draft: ReadonlyMap<string, KvEntry | null>): KvEntry[] {
    const changed = new Map<string, KvEntry | null>();
    const entries: KvEntry[] = [];
    for (const [key, entry] of draft) {
      const existing = this.keys.get(key);
      if (entry === null) {
        if (existing === undefined) continue;
        this.keys.delete(key);
        this.#tombstones.set(key, index);
        changed.set(key, null);
      } else if (existing !== undefined && sameContent(existing, entry)) {
        // An equal value does not move ModifyIndex (FACTS 5).
        entries.push(existing);
      } else {
        this.keys.set(key, entry);
        changed.set(key, entry);
        entries.push(entry);
      }
    }
    if (changed.size > 0) {
      this.#index = index;
      this.#committed({ index, by, entries: changed });
    }
    return entries;
  }

  #refusal(operation: TxnOperation, entry: KvEntry | null): { why: string; dead: boolean } | null {
    const stale = (why: string) => ({ why, dead: false });
    switch (operation.verb) {
      case 'set':
      case 'delete':
        return null;
      case 'cas':
        return (entry?.modifyIndex ?? 0) === operation.index ? null : stale('index is stale');
      case 'delete-cas':
      case 'check-index':
        return entry?.modifyIndex === operation.index ? null : stale('index is stale');
      case 'check-not-exists':
        return entry === null ? null : stale('key exists');
      case 'check-session':
        return entry?.session === operation.session ? null : stale('key is not held by this session');
      case 'unlock':
        return entry?.session === operation.session ? null : stale('key is not locked by this session');
      case 'lock': {
        if (!this.sessions.has(operation.session)) return { why: `invalid session "${operation.session}"`, dead: true };
        if (entry !== null && entry.session !== null && entry.session !== operation.session)
          return stale('lock is held');
        return (this.#lockFreeAtMs.get(operation.key) ?? 0) > this.#nowMs() ? stale('lock delay') : null;
      }
    }
  }

  #expiry(spec: SessionSpec): number {
    return this.#nowMs() + spec.ttlSeconds * 1000 * (1 + this.#random());
  }
}

/** What an operation that is not refused writes: undefined = nothing, null = the key goes away. */
function effectOf(operation: TxnOperation, entry: KvEntry | null, index: number): KvEntry | null | undefined {
  const written = (value: string, session: string | null): KvEntry => ({
    key: operation.key,
    value,
    createIndex: entry?.createIndex ?? index,
    modifyIndex: index,
    session,
  });
  switch (operation.verb) {
    case 'set':
    case 'cas':
      return written(operation.value, entry?.session ?? null);
    case 'lock':
      return written(operation.value, operation.session);
    case 'unlock':
      return written(operation.value, null);
    case 'delete':
    case 'delete-cas':
      return null;
    case 'check-session':
    case 'check-index':
    case 'check-not-exists':
      return undefined;
  }
}

function sameContent(a: KvEntry, b: KvEntry): boolean {
  return a.value === b.value && a.session === b.session;
}
