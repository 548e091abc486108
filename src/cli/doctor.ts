import { printable } from '../base/printable.ts';
import type { Turn } from '../plan/plan.ts';
import { agentConfig, type AgentFileOptions } from './agent.ts';
import { clusterFindings, localFindings, merged, type Finding } from './checkup.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';
import { toJson } from './json.ts';
import { memberFindings, reportedFindings } from './member-checkup.ts';
import { paint, type Colour, type Fitting } from './table.ts';
import type { Terminal } from './terminal.ts';
import { programVersion } from './version.ts';

/**
 * `slotkeeper doctor`: every prerequisite of every member, each with what was found and what mends it. Changes nothing
 * but that a Consul session is made and destroyed. Ends with 1 when anything is an error.
 */
export async function doctor(
  options: AgentFileOptions & { readonly json: boolean },
  terminal: Terminal,
): Promise<ExitCode> {
  const config = await agentConfig(options, terminal);
  const { dryTurn } = await import('../dry-turn.ts');
  const turn = await dryTurn(config, programVersion(), 'tried', terminal.stop);
  const findings = await examine(turn, terminal.stop);
  const { scope, name } = turn.view.self;
  const lines = options.json ? [toJson({ scope, findings })] : findingLines(findings, scope, name, terminal);
  for (const line of lines) terminal.out(line);
  return findings.some(({ state }) => state === 'error') ? exitCodes.failure : exitCodes.ok;
}

/** Everything that can be said of the cluster from one turn here and from what the other members say. Never rejects. */
export async function examine(turn: Turn, signal: AbortSignal): Promise<readonly Finding[]> {
  const { self, consul } = turn.view;
  if (consul.keys === null) return localFindings(turn);
  const here = localFindings(turn);
  const others = [...consul.keys.members].filter(([name]) => name !== self.name).sort(([a], [b]) => (a < b ? -1 : 1));
  const theirs = await Promise.all(others.map(([name, key]) => memberFindings(name, key, signal)));
  const remembered = await rememberedFindings(turn, here, signal);
  return merged([...clusterFindings(consul.keys), ...here, ...remembered, ...theirs.flat()]);
}

/** One look shows only what is so now; what was tried and failed, or has lasted too long, the running agent knows. */
async function rememberedFindings(
  { view: { self, consul } }: Turn,
  here: readonly Finding[],
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const own = consul.keys?.members.get(self.name)?.value ?? null;
  const seen = new Set(here.map(({ subject }) => subject));
  const codes = (own?.extras?.problems ?? []).filter((code) => !seen.has(code));
  if (own === null) return [];
  const reported = await reportedFindings(self.name, own, codes, signal);
  return reported.filter(({ subject }) => !seen.has(subject));
}

const marks: Readonly<Record<Finding['state'], { readonly text: string; readonly colour: Colour }>> = {
  ok: { text: 'ok     ', colour: 'green' },
  warning: { text: 'warning', colour: 'yellow' },
  error: { text: 'error  ', colour: 'red' },
};

/** Grouped by member, what is said of the cluster first; `here` is the member whose server was looked at. */
export function findingLines(
  findings: readonly Finding[],
  scope: string,
  here: string,
  fitting: Fitting,
): readonly string[] {
  const members = [...new Set(findings.map(({ member }) => member))].sort((a, b) => rank(a, here) - rank(b, here));
  const count = (state: Finding['state']): string => {
    const number = findings.filter((finding) => finding.state === state).length;
    return `${number} ${state}${number === 1 ? '' : 's'}`;
  };
  return [
    ...members.flatMap((member) => [
      member === null ? `Cluster ${printable(scope)}` : `${printable(member)}${member === here ? ' (here)' : ''}`,
      ...findings.filter((finding) => finding.member === member).flatMap((finding) => linesOf(finding, fitting)),
    ]),
    `${count('error')}, ${count('warning')}`,
  ];
}

function rank(member: string | null, here: string): number {
  if (member === null) return 0;
  return member === here ? 1 : 2;
}

function linesOf({ subject, state, found, fix }: Finding, fitting: Fitting): readonly string[] {
  const { text, colour } = marks[state];
  return [
    `  ${paint(text, colour, fitting)} ${printable(`${subject}: ${found}`)}`,
    ...(fix === null ? [] : [`          fix: ${printable(fix)}`]),
  ];
}
