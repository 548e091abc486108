import type { Random } from '../random.ts';

/** The cluster configuration as far as leadership depends on it. */
export interface LeadScopeConfig {
  readonly ttl: number;
  readonly pause: boolean;
  readonly synchronousMode: 'off' | 'on' | 'strict';
  readonly synchronousNodeCount: number;
  readonly primaryStartTimeout: number;
  readonly promotionGuard: 'prefer' | 'require' | 'off';
  readonly checkTimeline: boolean;
  readonly withSlots: boolean;
  /** PostgreSQL 17 and later: the slot is one that PostgreSQL synchronises itself. */
  readonly failoverMark: boolean;
  readonly recreateLost: boolean;
  readonly failsafeMode: boolean;
}

export function someConfig(random: Random): LeadScopeConfig {
  return {
    ttl: random.pick([20, 20, 30]),
    pause: false,
    synchronousMode: random.pick(['off', 'on', 'on', 'strict']),
    synchronousNodeCount: random.chance(0.2) ? 2 : 1,
    primaryStartTimeout: random.pick([0, 10, 300]),
    promotionGuard: random.pick(['prefer', 'prefer', 'off']),
    checkTimeline: random.chance(0.3),
    withSlots: random.chance(0.4),
    failoverMark: false,
    recreateLost: false,
    failsafeMode: random.chance(0.4),
  };
}

/** The value of the key `config`. */
export function configJson(config: LeadScopeConfig): string {
  const marked = config.failoverMark ? { failover: true } : {};
  return JSON.stringify({
    ttl: config.ttl,
    loop_wait: 10,
    retry_timeout: 10,
    pause: config.pause,
    maximum_lag_on_failover: 1_048_576,
    primary_start_timeout: config.primaryStartTimeout,
    synchronous_mode: config.synchronousMode !== 'off',
    synchronous_mode_strict: config.synchronousMode === 'strict',
    synchronous_node_count: config.synchronousNodeCount,
    check_timeline: config.checkTimeline,
    promotion_guard: config.promotionGuard,
    failsafe_mode: config.failsafeMode,
    slots: config.withSlots ? { orders: { type: 'logical', database: 'app', plugin: 'pgoutput', ...marked } } : {},
    failover_slots: { recreate_lost: config.recreateLost },
    postgresql: {
      use_pg_rewind: true,
      remove_data_directory_on_rewind_failure: true,
      remove_data_directory_on_diverged_timelines: true,
    },
  });
}
