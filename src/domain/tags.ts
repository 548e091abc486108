import type { Tags } from './config.ts';

/**
 * What the tags of a member mean, by Patroni's rules: any true-like `nofailover` counts, and without it a
 * `failover_priority` of 0 or less says the same; so with `nosync` and `sync_priority`. `raw` keeps every tag as it was
 * given.
 */
export function tagsFrom(raw: Readonly<Record<string, unknown>>): Tags {
  const own = (name: string): unknown => (Object.hasOwn(raw, name) ? raw[name] : undefined);
  const nofailover = own('nofailover') ?? null;
  const priority = own('failover_priority');
  const nosync = own('nosync') ?? null;
  const replicatefrom = own('replicatefrom');
  return {
    nofailover: nofailover === null ? isAtMostZero(priority) : Boolean(nofailover),
    nostream: isSwitchedOn(own('nostream')),
    nosync: nosync === null ? isAtMostZero(own('sync_priority')) : Boolean(nosync),
    clonefrom: isSwitchedOn(own('clonefrom')),
    failoverPriority: priorityOf(nofailover, priority),
    syncPriority: priorityOf(nosync, own('sync_priority')),
    replicatefrom: typeof replicatefrom === 'string' && replicatefrom !== '' ? replicatefrom : null,
    raw,
  };
}

/** `excluded`: the older tag that says the same, and counts more. */
function priorityOf(excluded: unknown, priority: unknown): number {
  if (excluded !== null) return Boolean(excluded) ? 0 : 1;
  const given = typeof priority === 'string' ? Number.parseInt(priority, 10) : priority;
  return typeof given === 'number' && Number.isFinite(given) ? Math.max(0, Math.trunc(given)) : 1;
}

function isAtMostZero(priority: unknown): boolean {
  if (typeof priority === 'number') return priority <= 0;
  return typeof priority === 'string' && /^\s*-?[0-9]+\s*$/.test(priority) && Number(priority) <= 0;
}

function isSwitchedOn(value: unknown): boolean {
  if (typeof value === 'string') return ['on', 'true', 'yes', '1'].includes(value.toLowerCase());
  return value === true || value === 1;
}
