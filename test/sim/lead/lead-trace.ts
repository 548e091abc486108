import type { Action } from '../../../src/domain/action.ts';
import type { AgentRun } from '../sim-agent.ts';
import type { Trace } from '../trace.ts';

const frequent: ReadonlySet<Action['kind']> = new Set([
  'publish_member',
  'publish_status',
  'report_check',
  'save_ledger',
  'advance_logical_slot',
  'advance_physical_slot',
  'log_standby_snapshot',
]);

/** Puts into the trace what is new in an agent's turn: actions begun, refusals to act, failures. `told`: what was said last. */
export function traceLead(trace: Trace, told: Map<string, string>, run: AgentRun): void {
  if (run.turn === null) return;
  const { view, plan } = run.turn;
  const tell = (subject: string, text: string): void => {
    const key = `${run.name} ${subject}`;
    if (told.get(key) === text) return;
    told.set(key, text);
    if (text !== '') trace.add(run.name, text);
  };
  tell('contact', `Consul ${view.consul.contact.kind}, session ${view.session.kind}`);
  tell('deposed', view.memory.lead.deposed === null ? '' : `deposed: ${JSON.stringify(view.memory.lead.deposed)}`);
  const actions = plan.actions.filter(({ kind }) => !frequent.has(kind)).map(described);
  tell('actions', actions.length === 0 ? '' : `plans ${actions.join(', ')}`);
  const holds = plan.holds.filter(({ subject }) => !/slot|publish|status|ledger/.test(subject));
  for (const { subject, why } of holds)
    tell(`hold ${subject}`, `waits with ${subject}: ${why.replaceAll(/[\d.]+ s/g, 'a while')}`);
  for (const [key, failure] of view.failures) tell(`failure ${key}`, `${key} failed: ${failure.message}`);
}

function described(action: Action): string {
  if (action.kind === 'start_server' || action.kind === 'promote')
    return `${action.kind} (term ${String(action.term)})`;
  if (action.kind === 'stop_server') return `stop_server ${action.mode} (${action.why})`;
  if (action.kind === 'follow') return `follow ${action.plan.upstream?.member ?? 'nobody'}`;
  if (action.kind === 'clone' || action.kind === 'rewind') return `${action.kind} from ${action.source.member}`;
  if (action.kind === 'publish_sync') return `publish_sync ${JSON.stringify(action.sync)}`;
  if (action.kind === 'configure_server')
    return `configure_server (sync: ${String(action.plan.synchronousStandbyNames)})`;
  return action.kind;
}
