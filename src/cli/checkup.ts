import { checkStateOf } from '../domain/check.ts';
import { leaderName, type ClusterKeys, type GateReport } from '../domain/cluster.ts';
import { formatLsn } from '../domain/lsn.ts';
import type { Problem } from '../domain/problem.ts';
import type { ServerLook, ServerTrouble } from '../domain/server.ts';
import { slotNameFromMemberName, type SlotVerdict } from '../domain/slot.ts';
import { versionText } from '../domain/version.ts';
import type { Turn } from '../plan/plan.ts';
import { describeGate } from '../report/explain.ts';
import { currentStatus, freshLook } from '../view/select.ts';
import type { View } from '../view/view.ts';

/** One prerequisite: whether it is there, what was found, and what mends it. */
export interface Finding {
  /** Null = the cluster as a whole. */
  readonly member: string | null;
  readonly subject: string;
  readonly state: 'ok' | Problem['severity'];
  readonly found: string;
  readonly fix: string | null;
}

export function findingOf(member: string | null, { code, severity, what, fix }: Problem): Finding {
  return { member, subject: code, state: severity, found: what, fix };
}

/** What holds for the cluster as a whole: its leader, its configuration, the gate, what is lost. */
export function clusterFindings(keys: ClusterKeys): readonly Finding[] {
  const about = (subject: string, state: Finding['state'], found: string, fix: string | null = null): Finding => ({
    ...{ member: null, subject, state, found, fix },
  });
  const leader = leaderName(keys);
  const status = currentStatus(keys);
  const toMendGate = gateFix(keys, status?.extras?.gate ?? null);
  return [
    leader === null
      ? about('leader', 'error', 'nobody holds the leader key', 'start the agent beside the primary')
      : about('leader', 'ok', leader),
    ...(leader !== null && status === null
      ? [about('status', 'error', `${leader} has not published its slots`, `see what ${leader} says below`)]
      : []),
    // A configuration that is wrong is among the problems of every agent.
    ...(keys.config === null
      ? [about('configuration', 'ok', 'none in Consul: everything has its default')]
      : keys.config.value === null
        ? []
        : [about('configuration', 'ok', `read, version ${keys.config.modifyIndex}`)]),
    about('gate', toMendGate === null ? 'ok' : 'warning', describeGate(keys), toMendGate),
    ...[...(status?.extras?.lost ?? [])].map(([slot, { from, why }]) =>
      about(
        'lost slot',
        'error',
        `${slot}: changes from ${formatLsn(from)} on are lost to its consumer (${why})`,
        'load the consumer anew, then slotkeeper edit-config --set failover_slots.recreate_lost=true, or take the slot out of the configuration',
      ),
    ),
  ];
}

/** Null = the gate is whole, or none is asked for. Consumers never wait for a cascade itself: that is as it should be. */
function gateFix(keys: ClusterKeys, gate: GateReport | null): string | null {
  if (gate === null) return null;
  if (gate.enforcedBy === null) return 'upgrade to PostgreSQL 17, or load pg_failover_slots on every member';
  const cascades = new Set(
    [...keys.members]
      .filter(([, { value }]) => ![null, leaderName(keys)].includes(value?.extras?.upstream ?? null))
      .map(([name]) => slotNameFromMemberName(name)),
  );
  const isWhole = [...gate.leftOut.keys()].every((slot) => cascades.has(slot));
  return isWhole ? null : 'start the standbys that are left out, or see why they are behind';
}

const troubleFixes: Readonly<Record<ServerTrouble, string | null>> = {
  not_running: 'start the server',
  starting: 'wait until the server has started',
  stopping: null,
  refused: 'correct postgresql.authentication in the configuration file, or pg_hba.conf on the server',
  timeout: 'see whether the server hangs, and whether postgresql.listen is right',
  other: null,
};

/** What one look here has found: each prerequisite that is there, and everything that is wrong. */
export function localFindings({ view, plan }: Turn): readonly Finding[] {
  const member = view.self.name;
  const look = freshLook(view);
  const wrong = plan.problems.map((problem) => findingOf(member, problem));
  const codes = new Set(plan.problems.map(({ code }) => code));
  const met = (look === null ? [] : prerequisites(look))
    .filter(({ unless }) => ![...codes].some((code) => unless.test(code)))
    .map(({ subject, found }): Finding => ({ member, subject, state: 'ok', found, fix: null }));
  return [
    ...agentFindings(view),
    ...sessionFindings(view),
    ...(look === null ? [unreachable(view)] : met),
    ...wrong,
    ...(look?.role === 'standby' && look.settings.conninfoHasPassword ? [passwordFinding(member)] : []),
    ...(look === null ? [] : [slotFinding(member, view.verdicts)]),
  ];
}

function passwordFinding(member: string): Finding {
  return {
    member,
    subject: 'primary_conninfo',
    state: 'warning',
    found: 'it holds a password, which PostgreSQL writes into its log whenever a reload changes the setting',
    fix: 'put the password into a file in the format of .pgpass that only the server can read, and passfile=<that file> instead of it into primary_conninfo',
  };
}

interface Prerequisite {
  readonly subject: string;
  /** The codes of problems that say otherwise. */
  readonly unless: RegExp;
  readonly found: string;
}

function prerequisites(look: ServerLook): readonly Prerequisite[] {
  const { settings, role, slots } = look;
  const common: readonly Prerequisite[] = [
    { subject: 'server', unless: /^server_too_old$/, found: `PostgreSQL ${versionText(look.versionNum)}, ${role}` },
    { subject: 'wal_level', unless: /^wal_level$/, found: settings.walLevel },
    {
      subject: 'max_replication_slots',
      unless: /^max_replication_slots/,
      found: `${slots.length} of ${settings.maxReplicationSlots} are used`,
    },
    {
      subject: 'max_slot_wal_keep_size',
      unless: /^wal_retention$/,
      found: settings.maxSlotWalKeepBytes === null ? 'unlimited' : `${settings.maxSlotWalKeepBytes} bytes`,
    },
    { subject: 'privileges', unless: /^privilege_/, found: 'all that are needed' },
  ];
  if (role === 'primary') return common;
  return [
    ...common,
    {
      subject: 'primary_slot_name',
      unless: /^primary_slot_name$/,
      found: settings.primarySlotName === '' ? 'none; not needed without logical slots' : settings.primarySlotName,
    },
    {
      subject: 'hot_standby_feedback',
      unless: /^hot_standby_feedback$/,
      found: settings.hotStandbyFeedback ? 'on' : 'off; slotkeeper switches it on where slots need it',
    },
  ];
}

function unreachable({ self, local }: View): Finding {
  const found = local.contact.kind === 'broken' ? local.contact.why : 'it has not been asked';
  const fix = local.trouble === null ? null : troubleFixes[local.trouble];
  return { member: self.name, subject: 'server', state: 'error', found: `PostgreSQL cannot be asked: ${found}`, fix };
}

function agentFindings({ self, consul }: View): readonly Finding[] {
  const runs = (consul.keys?.members.get(self.name)?.session ?? null) !== null;
  const finding = { member: self.name, subject: 'agent', fix: null };
  return runs
    ? [{ ...finding, state: 'ok', found: 'an agent runs under this name' }]
    : [{ ...finding, state: 'warning', found: 'no agent runs under this name', fix: 'slotkeeper agent <this file>' }];
}

/** A TTL that had to be changed is a problem of its own, in the agent's words. */
function sessionFindings({ self, session }: View): readonly Finding[] {
  const finding = { member: self.name, subject: 'Consul session' };
  if (session.kind === 'none') {
    const fix = 'give the token session:write for this node (consul/policy.hcl), and see consul.checks';
    return [{ ...finding, state: 'error', found: `Consul gives none: ${session.why}`, fix }];
  }
  if (session.clampedFrom !== null) return [];
  return [{ ...finding, state: 'ok', found: `TTL ${session.ttlSeconds} s, half of ttl as it should be`, fix: null }];
}

const slotStates = { passing: 'ok', warning: 'warning', critical: 'error' } as const;

export function slotFinding(member: string, verdicts: readonly SlotVerdict[]): Finding {
  const { status, output } = checkStateOf(verdicts);
  const fix = status === 'passing' ? null : 'slotkeeper slots';
  return { member, subject: 'slots', state: slotStates[status], found: output.replaceAll('\n', '; '), fix };
}

/** What several members say in the same words is said once, of the cluster. */
export function merged(findings: readonly Finding[]): readonly Finding[] {
  const sayers = new Map<string, Set<string | null>>();
  const keyOf = ({ subject, found, state }: Finding): string => [subject, state, found].join('\n');
  for (const finding of findings) {
    if (finding.state === 'ok') continue;
    sayers.set(keyOf(finding), (sayers.get(keyOf(finding)) ?? new Set()).add(finding.member));
  }
  const common = new Map<string, Finding>();
  const single = findings.filter((finding) => {
    if ((sayers.get(keyOf(finding))?.size ?? 0) < 2) return true;
    common.set(keyOf(finding), { ...finding, member: null });
    return false;
  });
  return [...common.values(), ...single];
}
