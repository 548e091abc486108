import { json, type Answer, type Moment } from './answer.ts';
import { memberStatus } from './member-status.ts';
import { hasTags, isAlive, isPrimary, isReady, isReplica, no, runs, yes, type Standing } from './standing.ts';

/** A health check: 200 or 503 by what it finds, with the member's status as the body. */
export type HealthCheck = (moment: Moment, query: URLSearchParams) => Standing;

/** Checks that look for standbys also take Patroni's tag filters; those that look for the leader do not. */
function tagged(check: HealthCheck): HealthCheck {
  return (moment, query) => {
    const standing = check(moment, query);
    return standing.kind === 'no' ? standing : hasTags(moment.turn.view, query);
  };
}

function either(first: HealthCheck, second: HealthCheck): HealthCheck {
  return (moment, query) => (first(moment, query).kind === 'yes' ? yes : second(moment, query));
}

const replica = tagged(isReplica);
const readable = tagged(either(isPrimary, isReplica));
/** slotkeeper runs no synchronous mode, so no standby is a synchronous one by its word. */
const noSynchronousMode: HealthCheck = () => no('synchronous mode is not managed by slotkeeper');
const noStandbyCluster: HealthCheck = () => no('standby clusters are not led by slotkeeper');

/** Patroni's paths (`docs/rest_api` of Patroni 4), with every alias that its router takes. */
export const healthChecks: Readonly<Record<string, HealthCheck>> = {
  '/': isPrimary,
  '/primary': isPrimary,
  '/master': isPrimary,
  '/read-write': isPrimary,
  '/leader': isPrimary,
  '/standby-leader': noStandbyCluster,
  '/standby_leader': noStandbyCluster,
  '/replica': replica,
  '/read-only': readable,
  '/sync': noSynchronousMode,
  '/synchronous': noSynchronousMode,
  '/quorum': noSynchronousMode,
  '/async': replica,
  '/asynchronous': replica,
  '/read-only-sync': tagged(isPrimary),
  '/read-only-synchronous': tagged(isPrimary),
  '/read-only-quorum': tagged(isPrimary),
  '/health': tagged(runs),
};

/** Checks of the agent rather than of the server; Patroni answers them without a body. */
export const probes: Readonly<Record<string, HealthCheck>> = { '/liveness': isAlive, '/readiness': isReady };

export function answerHealth(check: HealthCheck, moment: Moment, query: URLSearchParams): Answer {
  const standing = check(moment, query);
  const status = memberStatus(moment);
  return standing.kind === 'yes' ? json(200, status) : json(503, { ...status, reason: standing.why });
}

export function answerProbe(check: HealthCheck, moment: Moment, query: URLSearchParams): Answer {
  const standing = check(moment, query);
  return standing.kind === 'yes' ? json(200, {}) : json(503, { reason: standing.why });
}
