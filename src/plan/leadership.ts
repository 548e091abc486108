import type { ServerTrouble } from '../domain/server.ts';
import { leadingTerm } from '../view/lease.ts';
import { freshLook, holdsLeader, primaries, sessionId } from '../view/select.ts';
import { standbyClusterOf } from '../view/standby-cluster.ts';
import type { View } from '../view/view.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';
import { refusalOf } from './refusal.ts';

/** Troubles that say that the server does not accept writes; the others (too many connections, say) leave that open. */
const downTroubles: ReadonlySet<ServerTrouble> = new Set(['not_running', 'starting', 'stopping']);

/**
 * `ha: observe`: whichever server is the primary has its agent take the leader key, so that one member publishes. The
 * key decides nothing about writes here; two primaries at once are an error on which nobody publishes.
 */
export function planLeadership(view: View): readonly Intent[] {
  const { keys } = view.consul;
  if (keys === null) return [hold('leader key', 'Consul has not answered yet')];
  const session = sessionId(view);
  if (session === null) return [hold('leader key', 'there is no Consul session')];
  const former = formerSession(view, session);
  if (former !== null) return [former];
  const look = freshLook(view);
  if (holdsLeader(view)) {
    if (isDeposed(view)) return [act({ kind: 'release_leader', session })];
    // Somebody wrote over the key by hand; the lock is still ours.
    const isOverwritten = look?.role === 'primary' && keys.leader?.value !== view.self.name;
    return isOverwritten ? [acquireLeader(view, session)] : [];
  }
  if (look?.role !== 'primary') return [];
  const refusal = refusalOf(view);
  if (refusal !== null) return [hold('leader key', refusal)];
  const rivals = rivalsOf(view);
  if (rivals.length > 0) return [hold('leader key', `${rivals.join(', ')} also says to be the primary`)];
  if (keys.leader?.session != null) return [hold('leader key', `${keys.leader.value ?? 'somebody'} still holds it`)];
  return [acquireLeader(view, session)];
}

/** The lock is taken only while nobody has begun to make the cluster, or has finished with it, since the keys were read. */
export function acquireLeader(view: View, session: string): Intent {
  return act({ kind: 'acquire_leader', session, initialize: view.consul.keys?.initialize?.modifyIndex ?? null });
}

/** The server is not a primary any more, or does not answer while another one says to be the primary. */
function isDeposed(view: View): boolean {
  const look = freshLook(view);
  if (look !== null) return look.role === 'standby';
  const { trouble } = view.local;
  return (trouble !== null && downTroubles.has(trouble)) || rivalsOf(view).length > 0;
}

/** Whether this member may write what only the leader writes (S6); the transaction checks the lock once more. */
export function mayPublish(view: View): boolean {
  // Where slotkeeper manages the servers the lease says who is the primary, whatever the key of a member says that is gone.
  const isManaged = view.self.ha === 'manage';
  const isLeader = isManaged ? leadingTerm(view) !== null : holdsLeader(view) && isAlone(view);
  // A standby cluster has no primary: its leader speaks for it.
  const role = isManaged && standbyClusterOf(view) !== null ? 'standby' : 'primary';
  return isLeader && freshLook(view)?.role === role && refusalOf(view) === null;
}

function isAlone(view: View): boolean {
  return rivalsOf(view).length === 0;
}

export function rivalsOf(view: View): readonly string[] {
  return primaries(view).filter((name) => name !== view.self.name);
}

/** Why nothing may be changed on account of the primary: there is more than one. A lease lets nobody else be one. */
export function severalPrimaries(view: View): string | null {
  if (view.self.ha === 'manage') return null;
  const names = primaries(view);
  return names.length > 1 ? `several servers say to be the primary: ${names.join(', ')}` : null;
}

/**
 * An earlier run of this agent left a session that still holds our keys: it is ended, since names are unique. When the
 * member key is of another server or another program, somebody else runs under our name, and nothing of theirs is
 * touched.
 */
function formerSession(view: View, session: string): Intent | null {
  const keys = view.consul.keys;
  const own = keys?.members.get(view.self.name) ?? null;
  if (own?.session != null && own.session !== session) {
    if (isTakenByAnother(view)) return hold('member key', `another agent runs under the name ${view.self.name}`);
    if (keepsTurn(view, own.session))
      return hold('former session', 'it has the turn to restart, and the server that was stopped in it is not up yet');
    return act({ kind: 'end_former_session', session: own.session });
  }
  const leader = keys?.leader ?? null;
  const isNameOurs = own?.session === session;
  if (isNameOurs && leader?.value === view.self.name && leader.session !== null && leader.session !== session) {
    return act({ kind: 'end_former_session', session: leader.session });
  }
  return null;
}

/**
 * The earlier run may have been killed during a file copy. Its session, which nobody renews, still keeps the others from
 * restarting: ended now, a second standby would be down beside this one.
 */
export function keepsTurn(view: View, former: string): boolean {
  return view.consul.keys?.restartTurn?.session === former && freshLook(view) === null;
}

/** Whether our member key is alive and speaks of another server, or was not written by a slotkeeper. */
export function isTakenByAnother(view: View): boolean {
  const own = view.consul.keys?.members.get(view.self.name) ?? null;
  if (own?.session == null || own.session === sessionId(view)) return false;
  const connUrl = own.value?.connUrl ?? null;
  return own.value?.extras == null || (connUrl !== null && connUrl !== view.self.connUrl);
}
