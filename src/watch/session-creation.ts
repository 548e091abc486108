import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import { TtlRefusedError, type ConsulPort, type SessionSpec } from '../consul/port.ts';
import { longestLockDelaySeconds } from '../domain/lead.ts';
import type { Problem } from '../domain/problem.ts';
import { answerWithin } from './patience.ts';

/** A session that Consul made for us. Times are monotonic milliseconds. */
export interface HeldSession {
  readonly id: string;
  /** What it was made from: another spec asks for another session. */
  readonly spec: SessionSpec;
  readonly ttlSeconds: number;
  readonly clampedFrom: number | null;
  /** Taken before the request was sent: Consul began to count later, never earlier. */
  readonly renewedAtMs: number;
}

/** The TTLs that Consul takes, as read from its last refusal. */
export interface TtlBounds {
  readonly minSeconds: number;
  readonly maxSeconds: number;
}

export interface Creation {
  /** The session, or why there is none. */
  readonly made: HeldSession | string;
  /** What is known of Consul's bounds now; null = it has never refused. */
  readonly bounds: TtlBounds | null;
}

/**
 * Creates a session. A TTL that Consul refuses is brought within the bounds that the refusal names and tried once more,
 * at once; a second refusal is an ordinary failure, so this never becomes a loop.
 */
export async function createSession(
  { consul, clock }: { readonly consul: Pick<ConsulPort, 'createSession'>; readonly clock: Clock },
  spec: SessionSpec,
  known: TtlBounds | null,
  limitMs: number,
  stop: AbortSignal,
): Promise<Creation> {
  let bounds = known;
  for (let attempt = 1; ; attempt += 1) {
    const ttlSeconds = clampTtl(spec.ttlSeconds, bounds);
    const renewedAtMs = clock.monotonicMs();
    try {
      const id = await answerWithin(clock, limitMs, stop, (signal) =>
        consul.createSession({ ...spec, ttlSeconds, lockDelaySeconds: lockDelay(spec, ttlSeconds) }, signal),
      );
      const clampedFrom = ttlSeconds === spec.ttlSeconds ? null : spec.ttlSeconds;
      return { made: { id, spec, ttlSeconds, clampedFrom, renewedAtMs }, bounds };
    } catch (error) {
      if (error instanceof TtlRefusedError) {
        bounds = { minSeconds: error.minSeconds, maxSeconds: error.maxSeconds };
        if (attempt === 1 && clampTtl(spec.ttlSeconds, bounds) !== ttlSeconds) continue;
      }
      return { made: describeError(error), bounds };
    }
  }
}

/** One that is to outlast the lease has to, also when Consul makes the lease longer. */
function lockDelay(spec: SessionSpec, ttlSeconds: number): number {
  return spec.lockDelaySeconds === 0
    ? 0
    : Math.min(longestLockDelaySeconds, Math.max(spec.lockDelaySeconds, ttlSeconds));
}

function clampTtl(ttlSeconds: number, bounds: TtlBounds | null): number {
  return bounds === null ? ttlSeconds : Math.min(bounds.maxSeconds, Math.max(bounds.minSeconds, ttlSeconds));
}

/** What is to be said of a session whose TTL is not the one that was asked for. */
export function clampProblem(session: HeldSession): Problem {
  const wanted = session.clampedFrom ?? session.ttlSeconds;
  return {
    code: 'session_ttl',
    severity: 'warning',
    what:
      `Consul does not take a session TTL of ${wanted} s (half of the configured ttl, since Consul doubles it): ` +
      `the session has ${session.ttlSeconds} s`,
    fix: `set ttl to ${Math.ceil(session.ttlSeconds * 2)} in the key config, or session_ttl_min on the Consul servers`,
  };
}
