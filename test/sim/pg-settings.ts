import type { AlterableSetting } from '../../src/domain/server.ts';

/** The settings that agents change, besides hot_standby_feedback: what the files say, and what ALTER SYSTEM says over them. */
export class PgSettings {
  readonly configured = new Map<AlterableSetting, string>();
  readonly altered = new Map<AlterableSetting, string>();
  /** What agents have set and not taken back, here or where the data was copied from. */
  readonly setByAgents = new Set<AlterableSetting>();

  get(name: AlterableSetting): string {
    return this.altered.get(name) ?? this.configured.get(name) ?? '';
  }

  get syncOn(): boolean {
    return this.get('sync_replication_slots') === 'on';
  }

  /** The physical slots without which consumers of failover slots get nothing. */
  get gate(): readonly string[] {
    return listed(this.get('synchronized_standby_slots'));
  }
}

export function listed(value: string): readonly string[] {
  return value
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
