import { describeError } from '../base/errors.ts';
import type { Key, Member } from '../domain/cluster.ts';
import type { Problem } from '../domain/problem.ts';
import { versionText } from '../domain/version.ts';
import { redact } from '../report/redact.ts';
import { findingOf, slotFinding, type Finding } from './checkup.ts';

/** A member that does not answer must not keep a person waiting. */
const answerTimeoutMs = 3_000;
const mostProblems = 100;

/**
 * What is known of a member from its key. The key has only the codes of its problems; their words are asked of its REST
 * interface. Never rejects: a member that does not answer is a finding.
 */
export async function memberFindings(name: string, key: Key<Member>, signal: AbortSignal): Promise<readonly Finding[]> {
  const about = (subject: string, state: Finding['state'], found: string, fix: string | null = null): Finding => ({
    ...{ member: name, subject, state, found, fix },
  });
  const { value: member, problem } = key;
  if (member === null) return [about('key', 'error', problem ?? 'the key cannot be read')];
  if (member.extras === null) {
    const fix = 'start slotkeeper agent there; until then its slots are not kept';
    return [about('agent', 'warning', 'no slotkeeper agent: another tool wrote its key', fix)];
  }
  const { agentVersion, serverVersionNum, upstream, primarySlotName, problems } = member.extras;
  const version =
    serverVersionNum === null ? 'PostgreSQL of unknown version' : `PostgreSQL ${versionText(serverVersionNum)}`;
  const runs = member.state === 'running';
  return [
    key.session === null
      ? about('agent', 'error', 'its session has run out', 'start the agent there')
      : about('agent', 'ok', `slotkeeper ${agentVersion}`),
    about('server', runs ? 'ok' : 'error', `${version}, ${member.role}, ${member.state}`, runs ? null : 'see its log'),
    ...(member.role === 'replica' && runs ? [streamFinding(name, upstream, primarySlotName)] : []),
    ...(await reportedFindings(name, member, problems, signal)),
    slotFinding(name, [...member.slots.values()]),
  ];
}

function streamFinding(member: string, upstream: string | null, slot: string | null): Finding {
  const through = slot === null ? 'without a physical slot' : `through the slot ${slot}`;
  const found = upstream === null ? `it is not known from which member it streams` : `from ${upstream}, ${through}`;
  const fix =
    upstream === null ? 'see primary_conninfo there: it must name a member by the address in its member key' : null;
  return { member, subject: 'stream', state: upstream === null ? 'warning' : 'ok', found, fix };
}

/** What the member's agent reports under these codes, or anything else that is news by now, in its own words. */
export async function reportedFindings(
  name: string,
  { apiUrl }: Member,
  codes: readonly string[],
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  if (codes.length === 0) return [];
  try {
    if (apiUrl === null) throw new Error('its key has no api_url');
    const problems = await askForProblems(apiUrl, signal);
    return problems.map((problem) => findingOf(name, problem));
  } catch (error) {
    // How bad it is only the words would tell: better an error too many than one that is passed over.
    return codes.map((code) => ({
      member: name,
      subject: code,
      state: 'error',
      found: `its agent reports ${code}, and could not be asked for more: ${redact(describeError(error))}`,
      fix: `slotkeeper doctor <its configuration file>, on the host of ${name}`,
    }));
  }
}

/** The problems in a member's own words (`GET /patroni`). Rejects when it does not answer, or with something else. */
async function askForProblems(apiUrl: string, signal: AbortSignal): Promise<readonly Problem[]> {
  const response = await fetch(apiUrl, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(answerTimeoutMs)]),
    redirect: 'error',
  });
  const body = (await response.json()) as { readonly slotkeeper?: { readonly problems?: unknown } } | null;
  const problems = body?.slotkeeper?.problems;
  if (!Array.isArray(problems) || !problems.every(isProblem)) throw new Error(`no slotkeeper answers at ${apiUrl}`);
  return problems.slice(0, mostProblems);
}

function isProblem(value: unknown): value is Problem {
  if (typeof value !== 'object' || value === null) return false;
  const { code, severity, what, fix } = value as Readonly<Record<string, unknown>>;
  const isWord = typeof code === 'string' && typeof what === 'string';
  return isWord && (severity === 'error' || severity === 'warning') && (fix === null || typeof fix === 'string');
}
