import type { ServerPlan } from '../../domain/managed.ts';
import { hasLeaseLeft, leadingTerm, mayWrite } from '../../view/lease.ts';
import { cannotReinitialize } from '../../view/requests.ts';
import type { View } from '../../view/view.ts';
import { act, hold, type Intent } from '../intent.ts';
import { upstreamMissing } from './upstream.ts';

/**
 * What an operator asked of this server (restart, reload, a fresh copy), as far as it is one step from now. Where it gives
 * something for the server's lane nothing else is planned for that: the operator's word comes first. A server that does
 * not run is started, and removed data copied, by the same rules as always (`server.ts`), also in pause
 * (`isServerAskedFor`).
 */
export function planRequests(view: View, plan: ServerPlan): readonly Intent[] {
  return [...planReload(view, plan), ...(planReinitialize(view) ?? planRestart(view, plan))];
}

function planReload({ memory }: View, plan: ServerPlan): readonly Intent[] {
  return memory.requests.reload === null ? [] : [act({ kind: 'configure_server', plan })];
}

/** Stops the server and takes its data away; null = nobody asked for that, or it is done and the copy comes. */
function planReinitialize(view: View): readonly Intent[] | null {
  if (view.memory.requests.reinitialize?.step !== 'remove') return null;
  // Asked once more: the only copy of the data must not go.
  const why = cannotReinitialize(view);
  if (why !== null) return [hold('reinitialize', why)];
  const running = view.running.get('server')?.action.kind;
  const isCopying = running === 'clone' || running === 'restore_data' || running === 'rewind';
  if (view.memory.requests.reinitialize.force && isCopying) return [act({ kind: 'end_copy' })];
  const isDown = view.local.contact.kind !== 'good' && view.local.trouble === 'not_running';
  if (!isDown) return [act({ kind: 'stop_server', mode: 'immediate', why: 'it is to be reinitialized' })];
  switch (view.local.disk?.kind) {
    case undefined:
      return [hold('reinitialize', 'the data directory has not been looked at yet')];
    case 'foreign':
      return [hold('reinitialize', 'what is in the data directory is not of PostgreSQL')];
    case 'empty':
      return [];
    case 'unfinished':
    case 'cluster':
      return [act({ kind: 'remove_data', why: 'it is to be reinitialized' })];
  }
}

function planRestart(view: View, plan: ServerPlan): readonly Intent[] {
  const { restart } = view.memory.requests;
  const isDown = view.local.contact.kind !== 'good' && view.local.trouble === 'not_running';
  if (restart === null || restart.isBegun || isDown) return [];
  const why = { kind: 'operator' } as const;
  if (!mayWrite(view)) {
    const missing = upstreamMissing(view, plan);
    return missing === null ? [act({ kind: 'restart_server', plan, term: null, why })] : [hold('restart', missing)];
  }
  const term = leadingTerm(view);
  if (term === null) return [hold('restart', 'the server may accept writes, and this member does not lead')];
  if (!hasLeaseLeft(view)) return [hold('restart', 'too little is left of the lease')];
  return [act({ kind: 'restart_server', plan, term, why })];
}
