import { leaderName } from '../../domain/cluster.ts';
import type { ServerPlan } from '../../domain/managed.ts';
import { leadingTerm, mayWrite } from '../../view/lease.ts';
import { isServerAskedFor, startTimeoutSecondsOf } from '../../view/requests.ts';
import { configOf, freshLook } from '../../view/select.ts';
import { standbyClusterOf } from '../../view/standby-cluster.ts';
import type { View } from '../../view/view.ts';
import type { Intent } from '../intent.ts';
import { act, hold } from '../intent.ts';
import { isTakenByAnother } from '../leadership.ts';
import { foreignBecause } from '../refusal.ts';
import { planConfiguration } from './configure.ts';
import { isMendable } from './diverged.ts';
import { planFence, planLateStop } from './fence.ts';
import { planFollow } from './follow.ts';
import { furthest } from './fitness.ts';
import { conflictOfStandby, standingOfStandby } from './line.ts';
import { isInDoubt, isLongStreamless, planRemoteLine } from './remote-line.ts';
import { planRequests } from './requests.ts';
import { wantedServerPlan } from './server-plan.ts';
import { hasOnlyBootstrapped, planStopped, vain } from './stopped.ts';
import { isHandingOver } from './switchover.ts';

/**
 * `ha: manage`: what is to be done to the server itself, from what it is now (running, down, empty, …) and who leads. One
 * step at a time: whatever it does is looked at before the next.
 */
export function planServer(view: View): readonly Intent[] {
  if (isTakenByAnother(view)) return [hold('server', `another agent runs under the name ${view.self.name}`)];
  const late = planLateStop(view);
  const fence = late.length > 0 ? late : planFence(view);
  if (fence.length > 0) return fence;
  // Of a switchover the leader's part says what happens to the server (`switchover.ts`).
  if (isHandingOver(view)) return [];
  const plan = wantedServerPlan(view);
  const asked = planRequests(view, plan);
  // Whoever takes the data away starts nothing on it between two attempts.
  if (view.memory.requests.reinitialize?.step === 'remove') return asked;
  const look = freshLook(view);
  return [...asked, ...(look === null ? planDown(view, plan) : planRunning(view, plan)), ...planRemoteLine(view)];
}

function planRunning(view: View, plan: ServerPlan): readonly Intent[] {
  const why = stopBecause(view);
  if (why !== null && !configOf(view).pause) return [act({ kind: 'stop_server', mode: 'fast', why })];
  const conflict = conflictOfStandby(view);
  const follow = conflict === null ? planFollow(view, plan) : [hold('follow', conflict)];
  return [...follow, ...planConfiguration(view, plan)];
}

/** Why a server that runs has to be stopped although nobody needs to be kept from writing; null = it has not. */
function stopBecause(view: View): string | null {
  const look = freshLook(view);
  if (look?.role === 'primary') {
    return leadingTerm(view) !== null && standbyClusterOf(view) !== null ? 'this is a standby cluster' : null;
  }
  const { keys } = view.consul;
  if (look !== null && hasOnlyBootstrapped(view) && foreignBecause(view, look.systemIdentifier) !== null) return vain;
  const leader = keys === null ? null : leaderName(keys);
  const isStandbyCluster = standbyClusterOf(view) !== null;
  if (look === null || leader === null || (leader === view.self.name && !isStandbyCluster)) return null;
  const conflict = conflictOfStandby(view);
  if (conflict !== null) return conflict;
  // A standby cluster is read from also where nothing brings it back to the remote primary.
  if (isStandbyCluster ? !isInDoubt(view) || !isMendable(view) : !isLongStreamless(view)) return null;
  const standing = standingOfStandby(view, look.timeline, look.replayedLsn ?? furthest(look));
  return standing.kind === 'diverged' ? standing.why : null;
}

/** A server that does not answer: only one that is known not to run is done anything to, but for one that takes too long. */
function planDown(view: View, plan: ServerPlan): readonly Intent[] {
  const { trouble, disk, contact, copyInterrupted } = view.local;
  if (contact.kind === 'never' || view.running.has('server')) return [];
  const { pause } = configOf(view);
  if (trouble !== 'not_running') {
    const downMs = view.nowMs - (view.memory.lead.downSinceMs ?? view.nowMs);
    const isGivenUp = leadingTerm(view) !== null && downMs >= startTimeoutSecondsOf(view) * 1_000 && !pause;
    const why = 'it has not answered for as long as primary_start_timeout allows';
    return isGivenUp && mayWrite(view) ? [act({ kind: 'stop_server', mode: 'immediate', why })] : [];
  }
  if (disk === null) return [hold('server', 'its data directory has not been looked at yet')];
  // Stopped for a copy of slots: whoever stopped it starts it.
  if (copyInterrupted) return [];
  // Whoever asks for a switchover asks for the former leader to become a standby, too.
  const isAskedFor = isServerAskedFor(view) || view.memory.lead.handover !== null;
  if (pause && !isAskedFor) return [hold('server', 'it does not run, and the cluster is paused')];
  return planStopped(view, disk, plan);
}
