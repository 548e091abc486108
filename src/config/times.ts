import type { Place } from './field.ts';
import { child, describeValue, isAbsent, ownValue, readInteger, refuse, wrong } from './field.ts';

export interface Times {
  readonly ttl: number;
  readonly loopWait: number;
  readonly retryTimeout: number;
}

const defaults = { ttl: 30, loop_wait: 10, retry_timeout: 10 };
const least = { ttl: 20, loop_wait: 1, retry_timeout: 3 };
/** Consul keeps a session for a day at most, and doubles what it is asked for. */
const most = 2 * 24 * 60 * 60;

/**
 * `ttl`, `loop_wait` and `retry_timeout`, in seconds. Like Patroni this raises what is too small and keeps
 * `loop_wait + 2 * retry_timeout <= ttl` by making `loop_wait` smaller first; each change is reported as adjusted.
 */
export function readTimes(document: Readonly<Record<string, unknown>>, place: Place): Times | typeof wrong {
  const ttl = readTime(document, place, 'ttl');
  const loopWait = readTime(document, place, 'loop_wait');
  const retryTimeout = readTime(document, place, 'retry_timeout');
  if (ttl === wrong || loopWait === wrong || retryTimeout === wrong) return wrong;

  const fitting = {
    ttl,
    retryTimeout: Math.min(retryTimeout, Math.floor((ttl - least.loop_wait) / 2)),
    loopWait,
  };
  fitting.loopWait = Math.max(least.loop_wait, Math.min(loopWait, ttl - 2 * fitting.retryTimeout));
  const rule = `loop_wait + 2 * retry_timeout must not exceed ttl (${ttl})`;
  adjusted(place, 'retry_timeout', retryTimeout, fitting.retryTimeout, rule);
  adjusted(place, 'loop_wait', loopWait, fitting.loopWait, rule);
  return fitting;
}

function readTime(
  document: Readonly<Record<string, unknown>>,
  place: Place,
  key: keyof typeof defaults,
): number | typeof wrong {
  const value = ownValue(document, key);
  if (isAbsent(value)) return defaults[key];
  const seconds = readInteger(value);
  const allowed = `a whole number of seconds, ${least[key]} to ${most}`;
  if (seconds === undefined) return refuse(child(place, key), 'type', value, allowed);
  if (seconds > most) return refuse(child(place, key), 'value', value, allowed);
  const raised = Math.max(least[key], seconds);
  adjusted(place, key, seconds, raised, `it must be at least ${least[key]}`);
  return raised;
}

function adjusted(place: Place, key: string, found: number, used: number, why: string): void {
  if (found === used) return;
  place.report({
    kind: 'adjusted',
    path: child(place, key).path,
    found: describeValue(found),
    allowed: String(used),
    note: why,
  });
}
