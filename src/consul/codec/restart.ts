import type { RestartRequest } from '../../domain/lead.ts';
import { readTimestamp } from '../../domain/timestamp.ts';
import { countField, describe, fieldOf, textField, type Complain, type JsonObject } from './reading.ts';
import { withoutNulls } from './writing.ts';

const place = 'scheduled_restart';
const roles: readonly RestartRequest['role'][] = ['primary', 'replica', 'standby_leader', 'any'];
const longestSeconds = 1_000_000_000;

/** `scheduled_restart` of a member key, as Patroni writes it; null = there is none, or it can't be read. */
export function readScheduledRestart(object: JsonObject | null, complain: Complain): RestartRequest | null {
  if (object === null) return null;
  const scheduledAt = textField(object, 'schedule', complain, place);
  if (scheduledAt === null || readTimestamp(scheduledAt) === null) {
    complain(`${place}.schedule`, describe(scheduledAt), 'a time in ISO 8601');
    return null;
  }
  const word = textField(object, 'role', complain, place) ?? 'any';
  const role = roles.find((known) => known === word);
  if (role === undefined) complain(`${place}.role`, describe(word), `one of ${roles.join(', ')}`);
  return {
    scheduledAt,
    role: role ?? 'any',
    postgresVersion: textField(object, 'postgres_version', complain, place),
    // Patroni counts the field, whatever is in it.
    onlyIfPending: fieldOf(object, 'restart_pending') !== undefined,
    timeoutSeconds: countField(object, 'timeout', [1, longestSeconds], complain, place),
  };
}

export function scheduledRestartToJson(request: RestartRequest): JsonObject {
  return {
    ...withoutNulls({
      schedule: request.scheduledAt,
      role: request.role === 'any' ? null : request.role,
      postgres_version: request.postgresVersion,
      timeout: request.timeoutSeconds,
    }),
    ...(request.onlyIfPending ? { restart_pending: true } : {}),
  };
}
