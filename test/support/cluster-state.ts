// What a cluster under test says of itself: in its keys, on its servers, and through its agents' REST interfaces.

import { leaderName, type ClusterKeys } from '../../src/domain/cluster.ts';
import type { Verdict } from '../../src/domain/slot.ts';
import type { SandboxCluster, SandboxMember } from '../../src/sandbox/cluster.ts';
import type { PostgresServer } from '../../src/sandbox/postgres-server.ts';
import { eventually } from './eventually.ts';

/** Generous: what is late on a busy machine is not wrong. A test that is about time measures it. */
export const patienceMs = 60_000;

export function verdictIn(keys: ClusterKeys, member: string, slot: string): Verdict | null {
  return keys.members.get(member)?.value?.slots.get(slot)?.verdict ?? null;
}

/** The slot's verdict on the member in words, for messages. */
export function describeVerdictOf(keys: ClusterKeys, member: string, slot: string): string {
  const verdict = verdictIn(keys, member, slot);
  if (verdict === null) return `${member} says nothing of ${slot}`;
  return `${member}: ${slot} ${verdict.kind}${verdict.kind === 'ready' ? '' : `, ${verdict.reason}`}`;
}

/** The member leads, and has published its slots in this term: what others say of theirs is about these. */
export async function untilLeads(cluster: SandboxCluster, name: string): Promise<ClusterKeys> {
  return eventually(
    async () => {
      const keys = await cluster.read();
      if (leaderName(keys) !== name) throw new Error(`the leader is ${leaderName(keys) ?? 'nobody'}`);
      const { term } = keys.status?.value?.extras ?? { term: null };
      if (term !== keys.leader?.modifyIndex) throw new Error(`it has not published its slots in this term`);
      return keys;
    },
    { what: `${name} to lead`, timeoutMs: patienceMs },
  );
}

/** Every member's agent says that its server runs. */
export async function untilAllRun(cluster: SandboxCluster): Promise<void> {
  await eventually(
    async () => {
      const { members } = await cluster.read();
      const down = [...cluster.members.keys()].filter((name) => members.get(name)?.value?.state !== 'running');
      if (down.length === 0) return true;
      throw new Error(`not yet ${down.join(', ')}`);
    },
    { what: 'every member to run', timeoutMs: patienceMs },
  );
}

/**
 * The slots are ready on each of the members, under the present leader and on its timeline. `intervalMs`: how often to
 * look, where the time until then is measured.
 */
export async function untilReady(
  cluster: SandboxCluster,
  slots: readonly string[],
  members: readonly string[],
  leader: string,
  intervalMs = 25,
): Promise<void> {
  await eventually(
    async () => {
      const keys = await untilLeads(cluster, leader);
      for (const member of members) {
        const { timeline } = keys.members.get(member)?.value ?? { timeline: null };
        if (timeline !== keys.status?.value?.extras?.timeline)
          throw new Error(`${member} is on timeline ${timeline ?? '?'}`);
        for (const slot of slots) {
          if (verdictIn(keys, member, slot)?.kind !== 'ready') throw new Error(describeVerdictOf(keys, member, slot));
        }
      }
      return true;
    },
    // PostgreSQL's own synchronisation sleeps for up to half a minute, and may need several rounds.
    { what: `${slots.join(', ')} to be ready on ${members.join(', ')}`, timeoutMs: 2 * patienceMs, intervalMs },
  );
}

/** Resolves to the reason with which the member gives the slot this verdict. */
export async function untilVerdict(
  cluster: SandboxCluster,
  member: string,
  slot: string,
  kind: Exclude<Verdict['kind'], 'ready'>,
  reason: RegExp = /./,
): Promise<string> {
  return eventually(
    async () => {
      const keys = await cluster.read();
      const verdict = verdictIn(keys, member, slot);
      if (verdict?.kind === kind && reason.test(verdict.reason)) return verdict.reason;
      throw new Error(describeVerdictOf(keys, member, slot));
    },
    { what: `${slot} to be ${kind} on ${member}`, timeoutMs: patienceMs },
  );
}

export interface SlotOnServer {
  readonly name: string;
  readonly type: 'logical' | 'physical';
  readonly plugin: string | null;
  readonly active: boolean;
  /** Positions as PostgreSQL prints them. */
  readonly restart: string | null;
  readonly confirmed: string | null;
}

/** What the server itself says, by name. */
export async function slotsOn(server: PostgresServer): Promise<ReadonlyMap<string, SlotOnServer>> {
  const rows = await server.query<SlotOnServer>(
    `select slot_name as name, slot_type as type, plugin, active,
            restart_lsn::text as restart, confirmed_flush_lsn::text as confirmed
       from pg_replication_slots`,
  );
  return new Map(rows.map((row) => [row.name, row]));
}

export async function untilSlots(
  server: PostgresServer,
  wanted: { has?: readonly string[]; lacks?: readonly string[] },
) {
  const { has = [], lacks = [] } = wanted;
  await eventually(
    async () => {
      const found = await slotsOn(server);
      if (has.every((name) => found.has(name)) && !lacks.some((name) => found.has(name))) return true;
      throw new Error(`it has ${[...found.keys()].join(', ')}`);
    },
    { what: `${server.name} to have [${has.join(', ')}] and not [${lacks.join(', ')}]`, timeoutMs: patienceMs },
  );
}

/** When the postmaster was started: changes with every restart. */
export async function startedAt(server: PostgresServer): Promise<string> {
  const [row] = await server.query<{ at: string }>('select pg_postmaster_start_time()::text as at');
  return row?.at ?? '';
}

/** The names of those that `synchronous_standby_names` waits for are streaming and wait for nothing. */
export async function untilSynchronous(primary: PostgresServer, names: readonly string[]): Promise<void> {
  await eventually(
    async () => {
      const rows = await primary.query<{ name: string }>(
        `select application_name as name from pg_stat_replication
          where state = 'streaming' and sync_state in ('sync', 'quorum')`,
      );
      const found = rows.map(({ name }) => name);
      if (names.every((name) => found.includes(name))) return true;
      throw new Error(`synchronous are ${found.join(', ')}`);
    },
    { what: `${names.join(', ')} to be synchronous`, timeoutMs: patienceMs },
  );
}

/** What an agent says of itself at `/patroni`, as far as tests look at it. */
export interface AgentStatus {
  readonly state: string;
  readonly role: string;
  readonly slotkeeper: {
    readonly consul: { readonly state: string; readonly why: string | null };
    readonly postgresql: { readonly state: string; readonly why: string | null };
    readonly session: { readonly held: boolean };
    readonly problems: readonly { readonly code: string; readonly what: string; readonly fix: string | null }[];
    readonly holds: readonly { readonly subject: string; readonly why: string }[];
  };
}

export async function askAgent<T>(member: SandboxMember, path: string): Promise<T> {
  const response = await fetch(member.agent.restUrl + path, { signal: AbortSignal.timeout(5_000) });
  return (await response.json()) as T;
}

/** Resolves when what the agent says of itself is as wanted. */
export function untilAgent(
  member: SandboxMember,
  what: string,
  isTrue: (status: AgentStatus) => boolean,
): Promise<AgentStatus> {
  return eventually(
    async () => {
      const status = await askAgent<AgentStatus>(member, '/patroni');
      if (isTrue(status)) return status;
      throw new Error(JSON.stringify(status.slotkeeper));
    },
    { what: `the agent of ${member.name} to say ${what}`, timeoutMs: patienceMs },
  );
}

/** Resolves when the agent names a problem of that code, in these words if any are given. */
export function untilProblem(member: SandboxMember, code: string, words: RegExp = /./): Promise<AgentStatus> {
  return untilAgent(member, `the problem ${code} ${String(words)}`, ({ slotkeeper }) =>
    slotkeeper.problems.some((problem) => problem.code === code && words.test(problem.what)),
  );
}

export function untilNoProblem(member: SandboxMember, code: string): Promise<AgentStatus> {
  return untilAgent(
    member,
    `nothing of the problem ${code}`,
    ({ slotkeeper }) => !slotkeeper.problems.some((problem) => problem.code === code),
  );
}
