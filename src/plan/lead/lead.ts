import { leadingTerm } from '../../view/lease.ts';
import { freshLook, holdsLeader, sessionId } from '../../view/select.ts';
import type { View } from '../../view/view.ts';
import type { Intent } from '../intent.ts';
import { act, hold } from '../intent.ts';
import { isTakenByAnother } from '../leadership.ts';
import { planPrimaryAcquires } from './acquire.ts';
import { planFailsafeKey } from './failsafe.ts';
import { planFormerRun } from './former-run.ts';
import { planPromotion } from './promote.ts';
import { planRace } from './race.ts';
import { planRelease } from './release.ts';
import { missingConfig } from './saved-config.ts';
import { planSwitchover } from './switchover.ts';
import { planSync } from './sync-mode.ts';
import { planTermRecord, planTerms } from './terms.ts';
import { beingMade } from './stopped.ts';
import { isInitializing, isMadeElsewhere } from './upstream.ts';

/**
 * `ha: manage`: who leads, and what a leader says of it before and after its server accepts writes. What is to become of
 * the server otherwise is in `server.ts`. The order is that of the writes to the leader's keys (C2).
 */
export function planLead(view: View): readonly Intent[] {
  const { keys } = view.consul;
  if (keys === null) return [hold('leader key', 'Consul has not answered yet')];
  const session = sessionId(view);
  if (session === null) return [hold('leader key', 'there is no Consul session')];
  const former = planFormerRun(view, session);
  if (former.length > 0 || isTakenByAnother(view)) return former;
  if (!holdsLeader(view)) {
    if (keys.leader?.session != null) return [hold('leader key', `${keys.leader.value ?? 'somebody'} holds it`)];
    if (isMadeElsewhere(view)) return [hold('leader key', beingMade)];
    return freshLook(view)?.role === 'primary' ? planPrimaryAcquires(view) : planRace(view);
  }
  const release = planRelease(view);
  if (leadingTerm(view) === null || release.length > 0) return release;
  return [
    ...planTerms(view),
    ...planSync(view),
    ...planFailsafeKey(view),
    ...planPromotion(view),
    ...planTermRecord(view),
    ...planInitialize(view, session),
    ...planSwitchover(view),
  ];
}

/** What the others need of whoever made the cluster, or found it: its system identifier, and a configuration. */
function planInitialize(view: View, session: string): readonly Intent[] {
  const look = freshLook(view);
  const text = missingConfig(view);
  // First the configuration: whoever sees that there is a cluster may want to change it.
  if (text !== null) return [act({ kind: 'publish_config', session, text })];
  if (look === null || !isInitializing(view)) return [];
  return [act({ kind: 'finish_initialize', session, systemIdentifier: look.systemIdentifier })];
}
