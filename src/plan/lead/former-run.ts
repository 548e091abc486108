import { mayWrite } from '../../view/lease.ts';
import { freshLook } from '../../view/select.ts';
import type { View } from '../../view/view.ts';
import type { Intent } from '../intent.ts';
import { act, hold } from '../intent.ts';
import { isTakenByAnother, keepsTurn } from '../leadership.ts';
import { refusalOf } from '../refusal.ts';

/**
 * What an earlier run of this agent has left in Consul under a session that nobody renews. The leader key changes over to
 * the present session while the server beside it is a primary that may go on, and is given back otherwise; both before the
 * session is ended, since an end with the key would keep everybody from it for the lock delay.
 */
export function planFormerRun(view: View, session: string): readonly Intent[] {
  const { keys } = view.consul;
  const own = keys?.members.get(view.self.name) ?? null;
  const former = own?.session != null && own.session !== session ? own.session : null;
  if (isTakenByAnother(view)) return [hold('member key', `another agent runs under the name ${view.self.name}`)];
  const leader = keys?.leader ?? null;
  const holder = leader?.value === view.self.name ? leader.session : null;
  if (holder !== null && holder !== session) return leaderKey(view, session, holder);
  if (former === null) return [];
  return keepsTurn(view, former)
    ? [hold('former session', 'it has the turn to restart, and the server that was stopped in it is not up yet')]
    : [hold('former session', 'the member key changes over from it')];
}

/** Whether nothing but the member key is still needed of the former session: it changes over, and the session is ended. */
export function isFormerRunOver(view: View, session: string, former: string): boolean {
  const leader = view.consul.keys?.leader ?? null;
  const isLeaders = leader?.value === view.self.name && leader.session !== null && leader.session !== session;
  return !isLeaders && !keepsTurn(view, former);
}

function leaderKey(view: View, session: string, former: string): readonly Intent[] {
  const look = freshLook(view);
  if (look === null && view.local.disk === null) return [hold('leader key', 'the server has not been looked at yet')];
  const last = view.consul.keys?.terms?.value?.at(-1) ?? null;
  const isNewest = last === null || last.leader === view.self.name;
  if (look?.role === 'primary' && refusalOf(view) === null && isNewest)
    return [act({ kind: 'take_over_leader', session, former })];
  if (mayWrite(view)) return [hold('leader key', 'an earlier run held it, and the server may still accept writes')];
  return [act({ kind: 'release_leader', session: former })];
}
