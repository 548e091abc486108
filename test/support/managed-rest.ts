import type { ConsulPort } from '../../src/consul/port.ts';
import { decodeKeys } from '../../src/consul/codec.ts';
import { decodeDynamicConfig } from '../../src/config/dynamic.ts';
import { scopeKeys } from '../../src/consul/keys.ts';
import { encodeMember } from '../../src/consul/codec/member.ts';
import type { Member } from '../../src/domain/cluster.ts';
import type { AgentRequest } from '../../src/domain/request.ts';
import { plan } from '../../src/plan/plan.ts';
import { fold } from '../../src/view/fold.ts';
import type { View } from '../../src/view/view.ts';
import { ConsulState } from '../sim/consul-state.ts';
import type { Undated } from './situations.ts';
import type { Credentials } from '../../src/report/rest/access.ts';
import { openAccess, startRest } from './rest.ts';
import { aMember, aView, nowMs, nowWallMs, systemIdentifier } from './turns.ts';

const names = scopeKeys('service', 'demo');

/** What the cluster's keys say at first, besides that `alpha` leads and `beta` follows. */
export interface ManagedCluster {
  /** The member that answers. */
  readonly name?: string;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly members?: Readonly<Record<string, Partial<Member>>>;
  readonly leader?: string | null;
  readonly credentials?: Credentials | null;
  readonly keys?: Readonly<Record<string, string>>;
}

/**
 * The REST server of a member whose cluster slotkeeper leads, on a Consul of its own. What is asked of it goes through
 * the real `fold`; what the other agents would do to the keys a test does itself, with `write` and `remove`.
 */
export async function managedRest({
  name = 'alpha',
  config = {},
  members = {},
  leader = 'alpha',
  credentials = null,
  keys,
}: ManagedCluster) {
  const state = new ConsulState(
    () => 0,
    () => 0,
    () => undefined,
  );
  const sessions = new Map<string, string>();
  const set = (path: string, value: string): void =>
    void state.transact('somebody', [{ verb: 'set', key: names.prefix + path, value }]);
  set('initialize', systemIdentifier);
  set('config', JSON.stringify(config));
  for (const [path, value] of Object.entries(keys ?? {})) set(path, value);
  for (const member of new Set(['alpha', 'beta', ...Object.keys(members)])) {
    set(`members/${member}`, encodeMember(aMember(member, members[member] ?? {})));
    sessions.set(`members/${member}`, `session-${member}`);
  }
  if (leader !== null) lead(leader);

  function lead(member: string): void {
    set('leader', member);
    sessions.set('leader', `session-${member}`);
  }

  function read() {
    const entries = [...state.keys.entries()].map(([key, entry]) => ({
      key,
      value: entry.value,
      createIndex: entry.createIndex,
      modifyIndex: entry.modifyIndex,
      session: sessions.get(key.slice(names.prefix.length)) ?? null,
    }));
    const index = Math.max(...entries.map(({ modifyIndex }) => modifyIndex));
    return decodeKeys(names, { index: index + 100, entries }, decodeDynamicConfig).keys;
  }

  // The plan is of no account here: what is asked for is in the View.
  const planned = plan(aView(name));
  const usual = aView(name);
  let view: View = {
    ...usual,
    self: { ...usual.self, ha: 'manage' },
    consul: { contact: { kind: 'good', atMs: nowMs }, keys: read() },
  };
  view = { ...view, config: view.consul.keys?.config?.value ?? view.config };
  const port: Pick<ConsulPort, 'transact'> = {
    transact: (operations) => {
      const result = state.transact('rest', operations);
      if (result.kind === 'done') learn({ kind: 'keys', keys: read() });
      return Promise.resolve(result);
    },
  };
  const asked: AgentRequest[] = [];
  let reloads = 0;
  const rest = await startRest({
    config: { consul: port, key: names.config },
    access: { ...openAccess, credentials },
    // The file says what it said.
    reload: () => {
      reloads += 1;
      learn({ kind: 'reloaded', self: view.self, problems: [] });
    },
    commands: {
      failoverKey: names.failover,
      ask: (request) => {
        asked.push(request);
        learn({ kind: 'request', request });
      },
    },
  });

  function learn(observation: Undated, laterMs = 0): void {
    view = fold(view, { ...observation, atMs: view.nowMs + laterMs, wallMs: nowWallMs + laterMs });
    rest.server.show({ view, plan: planned });
  }
  rest.server.show({ view, plan: planned });

  return {
    ...rest,
    asked,
    reloads: () => reloads,
    learn,
    view: () => view,
    stored: (path: string): string | null => state.keys.get(names.prefix + path)?.value ?? null,
    write: (path: string, value: string): void => {
      set(path, value);
      learn({ kind: 'keys', keys: read() });
    },
    remove: (path: string): void => {
      state.transact('somebody', [{ verb: 'delete', key: names.prefix + path }]);
      learn({ kind: 'keys', keys: read() });
    },
    /** The server here is looked at, so that it is known for what it is. */
    look: (): void => {
      const { look } = view.local;
      if (look !== null) learn({ kind: 'look', startedAtMs: view.nowMs + 1, look }, 2);
    },
    lead: (member: string): void => {
      lead(member);
      learn({ kind: 'keys', keys: read() });
    },
    send: (method: string, path: string, body?: unknown) =>
      rest.get(
        path,
        body === undefined ? { method } : { method, body: typeof body === 'string' ? body : JSON.stringify(body) },
      ),
  };
}
