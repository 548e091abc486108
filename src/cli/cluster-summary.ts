import { pendingRestartToJson } from '../consul/codec/pending-restart.ts';
import { leaderName, type ClusterKeys, type Key, type Member } from '../domain/cluster.ts';
import { describeVerdict } from '../domain/check.ts';
import { defaultConfig } from '../domain/default-config.ts';
import type { Lsn } from '../domain/lsn.ts';
import type { Problem } from '../domain/problem.ts';
import type { VerdictKind } from '../domain/slot.ts';
import { parseUrl } from '../postgres/conninfo.ts';
import { roleIn, scheduledSwitchover } from '../report/rest/cluster.ts';

/** One member as `list` shows it, under the field names of Patroni's `GET /cluster`. */
export interface MemberSummary {
  readonly name: string;
  /** The name as `topology` shows it; absent = as it is. */
  readonly label?: string;
  readonly role: 'leader' | 'standby_leader' | 'sync_standby' | 'replica';
  readonly state: string;
  readonly api_url: string | null;
  readonly host: string | null;
  readonly port: number | null;
  readonly timeline: number | null;
  /** Bytes behind the leader; absent on the leader. */
  readonly lag?: number | 'unknown';
  readonly tags: Readonly<Record<string, unknown>>;
  readonly pending_restart: boolean;
  readonly pending_restart_reason?: Readonly<
    Record<string, { readonly old_value: string; readonly new_value: string }>
  >;
  /** When an operator wants it restarted, in ISO 8601; absent = not asked for. */
  readonly scheduled_restart?: string;
  /** How many slots have which verdict. */
  readonly slots: Readonly<Partial<Record<VerdictKind, number>>>;
}

export interface ClusterSummary {
  readonly scope: string;
  /** The system identifier; null = nobody has bootstrapped the cluster, as far as Consul knows. */
  readonly system_identifier: string | null;
  readonly pause: boolean;
  /** Absent = none is asked for at a later time. */
  readonly scheduled_switchover?: { readonly at: string; readonly from?: string; readonly to?: string };
  readonly members: readonly MemberSummary[];
  /** Everything that is wrong, in words. */
  readonly problems: readonly string[];
}

/** `configProblems`: what is wrong with the key `config`, one by one. */
export function summarize(scope: string, keys: ClusterKeys, configProblems: readonly Problem[]): ClusterSummary {
  const leader = leaderName(keys);
  const optime = keys.status?.value?.optime ?? null;
  const config = keys.config?.value ?? defaultConfig;
  return {
    scope,
    system_identifier: keys.initialize?.value ?? null,
    pause: keys.config?.value?.pause ?? false,
    ...scheduledSwitchover(keys),
    members: byName(keys).map(([name, key]) =>
      summarizeMember(name, key.value, roleIn(keys, config.lead, name, key), name === leader ? null : { optime }),
    ),
    problems: [...configProblems.map(({ what }) => what), ...problemsOf(keys)],
  };
}

function byName(keys: ClusterKeys): readonly (readonly [string, Key<Member>])[] {
  return [...keys.members].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** `behind`: the leader's position; null = the member is the leader. */
function summarizeMember(
  name: string,
  member: Member | null,
  role: MemberSummary['role'],
  behind: { readonly optime: Lsn | null } | null,
): MemberSummary {
  const address = member?.connUrl == null ? undefined : parseUrl(member.connUrl);
  const slots: Partial<Record<VerdictKind, number>> = {};
  for (const { verdict } of member?.slots.values() ?? []) slots[verdict.kind] = (slots[verdict.kind] ?? 0) + 1;
  return {
    name,
    role,
    // As in patronictl: a standby that streams says so instead of that it runs.
    state: (role === 'leader' ? null : member?.replicationState) ?? member?.state ?? 'unknown',
    api_url: member?.apiUrl ?? null,
    host: address?.host ?? null,
    port: address?.port ?? null,
    timeline: member?.timeline ?? null,
    ...(behind === null ? {} : { lag: lagBytes(member?.xlogLocation ?? null, behind.optime) }),
    tags: member?.tags.raw ?? {},
    pending_restart: member?.pendingRestart ?? false,
    ...(member == null || member.pendingRestartReason.size === 0
      ? {}
      : { pending_restart_reason: pendingRestartToJson(member.pendingRestartReason) }),
    ...(member?.scheduledRestart?.scheduledAt == null
      ? {}
      : { scheduled_restart: member.scheduledRestart.scheduledAt }),
    slots,
  };
}

/** How far `position` is behind; a position beyond what was last published is not behind at all. */
export function lagBytes(position: Lsn | null, published: Lsn | null): number | 'unknown' {
  if (position === null || published === null) return 'unknown';
  return position >= published ? 0 : Number(published - position);
}

function problemsOf(keys: ClusterKeys): readonly string[] {
  const problems: string[] = [];
  const fixed = [keys.initialize, keys.leader, keys.status, keys.history, keys.slotHistory];
  for (const key of fixed) if (key !== null && key.problem !== null) problems.push(key.problem);
  if (leaderName(keys) === null) problems.push('no member holds the leader lock');
  const primaries = byName(keys)
    .filter(([, { value }]) => value?.role === 'primary')
    .map(([name]) => name);
  if (primaries.length > 1) problems.push(`more than one member says that it is the primary: ${primaries.join(', ')}`);
  for (const [name, { value, problem }] of byName(keys)) {
    if (problem !== null) problems.push(problem);
    for (const said of value?.extras?.problems ?? []) problems.push(`${name}: ${said}`);
    for (const slot of value?.slots.values() ?? []) {
      if (slot.verdict.kind !== 'ready') problems.push(`${name}: slot ${describeVerdict(slot)}`);
    }
  }
  return problems;
}
