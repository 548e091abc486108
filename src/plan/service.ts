import { equal } from '../base/equal.ts';
import { checkStateOf } from '../domain/check.ts';
import type { ServiceState } from '../domain/service.ts';
import { freshLook, holdsLeader } from '../view/select.ts';
import { standbyClusterOf } from '../view/standby-cluster.ts';
import type { View } from '../view/view.ts';
import type { Intent } from './intent.ts';
import { act } from './intent.ts';

/** The TTL check `slots` is reported at least this often; Consul takes it for dead after three times as long. */
export const checkEveryMs = 20_000;
/** Words that change while the state stays (a moving xid, say) are not worth a call each. */
const rewordEveryMs = 5_000;

/** The service named after the scope: who is the primary, and which slots are not usable here, in Consul's own views. */
export function planService(view: View): readonly Intent[] {
  if (!view.self.registerService || view.local.contact.kind === 'never') return [];
  const wanted = wantedService(view);
  const { service, checkReportedAtMs } = view.memory;
  if (service === null || !equal({ ...service.state, slots: null }, { ...wanted, slots: null })) {
    return [act({ kind: 'register_service', service: wanted })];
  }
  const sinceMs = view.nowMs - (checkReportedAtMs ?? -Infinity);
  const isOther = service.state.slots.status !== wanted.slots.status;
  const isReworded = service.state.slots.output !== wanted.slots.output && sinceMs >= rewordEveryMs;
  return isOther || isReworded || sinceMs >= checkEveryMs ? [act({ kind: 'report_check', check: wanted.slots })] : [];
}

function wantedService(view: View): ServiceState {
  const role = holdsLeader(view) ? roleOfHolder(view) : 'replica';
  return {
    tags: [role],
    checkPath: `/${role}`,
    slots: checkStateOf(view.verdicts),
  };
}

/** Patroni's words, for tags and REST alike. */
function roleOfHolder(view: View): 'primary' | 'standby-leader' | 'replica' {
  const look = freshLook(view);
  if (look?.role === 'primary') return 'primary';
  const isStandbyCluster = view.self.ha === 'manage' && standbyClusterOf(view) !== null;
  return look !== null && isStandbyCluster ? 'standby-leader' : 'replica';
}
