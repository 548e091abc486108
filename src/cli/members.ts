import { leaderName, type ClusterKeys, type Member } from '../domain/cluster.ts';
import type { ClusterReading } from './cluster.ts';
import { confirmed } from './confirmation.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';
import { UsageError } from './failure.ts';
import { askMember, MemberError, type MemberReply, type MemberRequest } from '../peer/member-rest.ts';
import type { Terminal } from './terminal.ts';

/** patronictl's words for whom a command is meant. */
export const roleWords = ['leader', 'primary', 'standby-leader', 'replica', 'standby', 'any'] as const;
export type RoleWord = (typeof roleWords)[number];

export interface ChosenMember {
  readonly name: string;
  readonly member: Member;
}

/** The members that are named, or all; of those the ones with the role. Throws UsageError for a name that nobody has. */
export function chooseMembers(keys: ClusterKeys, names: readonly string[], role: RoleWord): readonly ChosenMember[] {
  const unknown = names.filter((name) => !keys.members.has(name));
  if (unknown.length > 0) throw new UsageError(`no such member in the cluster: ${unknown.join(', ')}`);
  const wanted = names.length === 0 ? [...keys.members.keys()].sort() : [...new Set(names)];
  const chosen = wanted.flatMap((name): readonly ChosenMember[] => {
    const member = keys.members.get(name)?.value ?? null;
    return member !== null && hasRole(keys, name, member, role) ? [{ name, member }] : [];
  });
  if (chosen.length === 0) throw new UsageError(`no member ${role === 'any' ? 'can be asked' : `is a ${role}`}`);
  return chosen;
}

function hasRole(keys: ClusterKeys, name: string, member: Member, role: RoleWord): boolean {
  const leads = leaderName(keys) === name;
  const isStandbyLeader = leads && member.role === 'standby_leader';
  switch (role) {
    case 'any':
      return true;
    case 'leader':
      return leads;
    case 'primary':
      return leads && !isStandbyLeader;
    case 'standby-leader':
      return isStandbyLeader;
    case 'replica':
      return !leads;
    case 'standby':
      return member.role !== 'primary';
  }
}

/** Asks whether these members are meant; false = not. `action`: as in "restart". */
export async function meant(
  members: readonly ChosenMember[],
  action: string,
  force: boolean,
  terminal: Terminal,
): Promise<boolean> {
  const names = members.map(({ name }) => name).join(', ');
  return force || (await confirmed(terminal, `Are you sure you want to ${action} ${names}?`));
}

/**
 * Asks each member in turn, and tells what it says in patronictl's words; one that fails does not keep the others from
 * being asked. `success`: the words for a reply, null = it is a failure.
 */
export async function askEach(
  { access }: ClusterReading,
  members: readonly ChosenMember[],
  {
    action,
    request,
    success,
  }: {
    readonly action: string;
    readonly request: (member: ChosenMember) => MemberRequest;
    readonly success: (reply: MemberReply, name: string) => string | null;
  },
  terminal: Terminal,
): Promise<ExitCode> {
  let hasFailed = false;
  for (const member of members) {
    const { name } = member;
    const words = await told(member).catch((error: unknown) => {
      if (!(error instanceof MemberError)) throw error;
      return `Failed: ${action} for member ${name} (${error.message})`;
    });
    if (words.startsWith('Failed')) hasFailed = true;
    (words.startsWith('Failed') ? terminal.err : terminal.out)(words);
  }
  return hasFailed ? exitCodes.failure : exitCodes.ok;

  async function told(chosen: ChosenMember): Promise<string> {
    const { apiUrl } = chosen.member;
    if (apiUrl === null) throw new MemberError('its key does not say where its REST interface is');
    const reply = await askMember(access.rest, apiUrl, request(chosen), terminal.stop);
    return (
      success(reply, chosen.name) ??
      `Failed: ${action} for member ${chosen.name}, status code=${reply.status}, (${reply.text.trim()})`
    );
  }
}
