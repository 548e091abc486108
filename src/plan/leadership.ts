import { leaderName } from '../domain/cluster.ts';
import type { ServerTrouble } from '../domain/server.ts';
import { freshLook, holdsLeader, primaries, sessionId } from '../view/select.ts';
import type { View } from '../view/view.ts';
import type { Intent } from './intent.ts';
import { act, hold } from './intent.ts';

/** Troubles that say that the server does not accept writes; the others (a timeout, say) leave that open. */
const downTroubles: ReadonlySet<ServerTrouble> = new Set(['not_running', 'starting', 'stopping', 'refused']);

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
    const { trouble } = view.local;
    const isDown = look?.role === 'standby' || (look === null && trouble !== null && downTroubles.has(trouble));
    return isDown ? [act({ kind: 'release_leader', session })] : [];
  }
  if (look?.role !== 'primary') return [];
  const rivals = rivalsOf(view);
  if (rivals.length > 0) return [hold('leader key', `${rivals.join(', ')} also says to be the primary`)];
  const leader = leaderName(keys);
  if (leader !== null) return [hold('leader key', `${leader} still holds it`)];
  return [act({ kind: 'acquire_leader', session })];
}

/** Whether this member may write what only the leader writes (S6); the transaction checks the lock once more. */
export function mayPublish(view: View): boolean {
  return holdsLeader(view) && freshLook(view)?.role === 'primary' && rivalsOf(view).length === 0;
}

export function rivalsOf(view: View): readonly string[] {
  return primaries(view).filter((name) => name !== view.self.name);
}

/** Why nothing may be changed on account of the primary: there is more than one. */
export function severalPrimaries(view: View): string | null {
  const names = primaries(view);
  return names.length > 1 ? `several servers say to be the primary: ${names.join(', ')}` : null;
}

/**
 * An earlier run of this agent left a session that still holds our keys: it is ended, since names are unique. When the
 * member key is of another server, somebody else runs under our name, and nothing of theirs is touched.
 */
function formerSession(view: View, session: string): Intent | null {
  const keys = view.consul.keys;
  const own = keys?.members.get(view.self.name) ?? null;
  if (own?.session != null && own.session !== session) {
    if (isTakenByAnother(view)) return hold('member key', `another agent runs under the name ${view.self.name}`);
    return act({ kind: 'end_former_session', session: own.session });
  }
  const leader = keys?.leader ?? null;
  if (leader?.value === view.self.name && leader.session !== null && leader.session !== session) {
    return act({ kind: 'end_former_session', session: leader.session });
  }
  return null;
}

/** Whether our member key is alive and speaks of another server. */
export function isTakenByAnother(view: View): boolean {
  const own = view.consul.keys?.members.get(view.self.name) ?? null;
  return (
    own?.session != null &&
    own.session !== sessionId(view) &&
    own.value?.connUrl != null &&
    own.value.connUrl !== view.self.connUrl
  );
}
