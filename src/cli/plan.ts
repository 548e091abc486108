import { printable } from '../base/printable.ts';
import { describeVerdict } from '../domain/check.ts';
import type { Action } from '../domain/action.ts';
import { formatLsn } from '../domain/lsn.ts';
import type { Plan } from '../plan/plan.ts';
import { agentConfig, type AgentFileOptions } from './agent.ts';
import { exitCodes, type ExitCode } from './exit-code.ts';
import { problemLines } from './failure.ts';
import { toJson } from './json.ts';
import type { Terminal } from './terminal.ts';
import { programVersion } from './version.ts';

/** `slotkeeper plan`: one look at everything, and what the agent would do now. Nothing is changed. */
export async function plan(
  options: AgentFileOptions & { readonly json: boolean },
  terminal: Terminal,
): Promise<ExitCode> {
  const config = await agentConfig(options, terminal);
  const { dryTurn } = await import('../dry-turn.ts');
  const turn = await dryTurn(config, programVersion(), 'assumed', terminal.stop);
  for (const line of options.json ? [toJson(turn.plan)] : planLines(turn.plan)) terminal.out(line);
  return exitCodes.ok;
}

export function planLines({ actions, holds, member, problems }: Plan): readonly string[] {
  return [
    ...section('Would do now:', actions.map(describeAction), 'nothing'),
    ...section(
      'Would not do now:',
      holds.map(({ subject, why }) => `${subject}: ${why}`),
      'nothing is held back',
    ),
    ...section('Slots on this member:', [...member.slots.values()].map(describeVerdict), 'none'),
    ...(problems.length === 0 ? [] : ['Problems:', ...problemLines(problems).map(printable)]),
  ];
}

function section(title: string, lines: readonly string[], none: string): readonly string[] {
  return [title, ...(lines.length === 0 ? [none] : lines).map((line) => `  ${printable(line)}`)];
}

/** An action's name and what tells it from others of its kind; the contents of keys are left out. */
function describeAction(action: Action): string {
  const words = action.kind.replaceAll('_', ' ');
  const details = Object.entries(action).flatMap(([name, value]: [string, unknown]) => {
    if (name === 'kind') return [];
    if (typeof value === 'bigint') return [`${name} ${formatLsn(value)}`];
    return typeof value === 'string' || typeof value === 'boolean' ? [`${name} ${value}`] : [];
  });
  const slots = action.kind === 'copy_slots' ? action.request.slots.map(({ name }) => name) : [];
  return [words, ...details, ...(slots.length === 0 ? [] : [`slots ${slots.join(', ')}`])].join(', ');
}
