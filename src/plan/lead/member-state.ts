import type { ActionKind } from '../../domain/action.ts';
import type { MemberRole } from '../../domain/cluster.ts';
import { leadingTerm } from '../../view/lease.ts';
import { freshLook } from '../../view/select.ts';
import { standbyClusterOf } from '../../view/standby-cluster.ts';
import type { View } from '../../view/view.ts';

/** What Patroni says of a server while something is done to it. */
const whileRunning: Readonly<Partial<Record<ActionKind, string>>> = {
  bootstrap: 'initializing new cluster',
  clone: 'creating replica',
  restore_data: 'creating replica',
  remove_data: 'stopped',
  rewind: 'running pg_rewind',
  start_server: 'starting',
  stop_server: 'stopping',
  restart_server: 'restarting',
  copy_slots: 'restarting',
  start_after_copy: 'starting',
};

/** Patroni's words for the state of a server that slotkeeper manages. */
export function managedState(view: View): string {
  // From the operator's word on: who waits for the copy to be there looks for this word.
  if (view.memory.requests.reinitialize !== null) return 'creating replica';
  const action = (view.running.get('fence') ?? view.running.get('server'))?.action.kind;
  const doing = action === undefined ? undefined : whileRunning[action];
  if (doing !== undefined) return doing;
  const { contact, trouble } = view.local;
  if (contact.kind === 'good') return 'running';
  switch (trouble) {
    case 'not_running':
      if (view.failures.has('start_server')) return 'start failed';
      return view.failures.has('bootstrap') ? 'initdb failed' : 'stopped';
    case 'stopping':
      return 'stopping';
    case 'starting':
    case null:
      return 'starting';
    case 'refused':
    case 'timeout':
    case 'other':
      return 'unknown';
  }
}

export function managedRole(view: View): MemberRole {
  const look = freshLook(view);
  const isLeading = leadingTerm(view) !== null;
  if (look?.role === 'primary') return 'primary';
  if (look?.role === 'standby') return isLeading && standbyClusterOf(view) !== null ? 'standby_leader' : 'replica';
  const { disk } = view.local;
  const isEmpty = disk === null ? view.local.look === null : disk.kind !== 'cluster';
  if (isEmpty) return 'uninitialized';
  const wasPrimary = view.local.look?.role === 'primary';
  if (wasPrimary && isLeading) return 'primary';
  return wasPrimary ? 'demoted' : 'replica';
}
