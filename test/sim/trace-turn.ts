import type { AgentRun } from './sim-agent.ts';
import type { Trace } from './trace.ts';

const frequent = new Set(['publish_member', 'publish_status', 'report_check', 'save_ledger', 'advance_logical_slot']);

/** Puts into the trace what is new in an agent's turn: verdicts, actions begun, failures. `told`: what was said last. */
export function traceTurn(trace: Trace, told: Map<string, string>, run: AgentRun): void {
  if (run.turn === null) return;
  const { view, plan } = run.turn;
  const tell = (subject: string, text: string): void => {
    const key = `${run.name} ${subject}`;
    if (told.get(key) === text) return;
    told.set(key, text);
    if (text !== '') trace.add(run.name, text);
  };
  const verdicts = view.verdicts.map(({ slot, verdict }) =>
    verdict.kind === 'ready' ? `${slot} ready` : `${slot} ${verdict.kind} (${verdict.reason})`,
  );
  tell('verdicts', verdicts.join('; '));
  const actions = plan.actions
    .filter(({ kind }) => !frequent.has(kind))
    .map((action) => ('slot' in action ? `${action.kind} ${action.slot}` : action.kind));
  tell('actions', actions.length === 0 ? '' : `plans ${actions.join(', ')}`);
  for (const [key, failure] of view.failures) tell(`failure ${key}`, `${key} failed: ${failure.message}`);
}
