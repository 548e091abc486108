import { json, type Answer, type Moment } from './answer.ts';
import { memberStatus } from './member-status.ts';
import {
  hasTags,
  isAlive,
  isPrimary,
  isReady,
  isReplica,
  isStandbyLeader,
  isSynchronous,
  no,
  runs,
  yes,
  type Standing,
} from './standing.ts';

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
const leader = either(isPrimary, isStandbyLeader);
/** A standby that clients may read from, and has every transaction that was acknowledged. */
const synchronous: HealthCheck = (moment, query) => {
  const standing = isSynchronous(moment);
  return standing.kind === 'no' ? standing : isReplica(moment, query);
};
/** A synchronous standby is none; where it is not known who is, nobody is taken for asynchronous either, as in Patroni. */
const asynchronous: HealthCheck = (moment, query) => {
  if (moment.turn.view.consul.contact.kind !== 'good')
    return no('Consul does not answer: who is synchronous is not known');
  return isSynchronous(moment).kind === 'yes' ? no('this member is a synchronous standby') : isReplica(moment, query);
};
/** `synchronous_mode: quorum` is refused as a configuration, so nobody is a member of a quorum. */
const noQuorum: HealthCheck = () => no('synchronous_mode: quorum is not supported');

/** Patroni's paths (`docs/rest_api` of Patroni 4), with every alias that its router takes. */
export const healthChecks: Readonly<Record<string, HealthCheck>> = {
  '/': isPrimary,
  '/primary': isPrimary,
  '/master': isPrimary,
  '/read-write': isPrimary,
  '/leader': leader,
  '/standby-leader': isStandbyLeader,
  '/standby_leader': isStandbyLeader,
  '/replica': replica,
  '/read-only': tagged(either(leader, isReplica)),
  '/sync': tagged(synchronous),
  '/synchronous': tagged(synchronous),
  '/quorum': noQuorum,
  '/async': tagged(asynchronous),
  '/asynchronous': tagged(asynchronous),
  '/read-only-sync': tagged(either(leader, synchronous)),
  '/read-only-synchronous': tagged(either(leader, synchronous)),
  '/read-only-quorum': tagged(leader),
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
