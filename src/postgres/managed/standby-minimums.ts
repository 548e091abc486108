import type { PendingRestart, ServerPlan, SettingChangeAhead } from '../../domain/managed.ts';

/**
 * Settings of which a standby needs at least what its primary had when it wrote the WAL, or it does not start: name → what
 * pg_controldata calls it. `max_wal_senders` is among them since PostgreSQL 12.
 */
const labels: Readonly<Record<string, string>> = {
  max_connections: 'max_connections setting',
  max_worker_processes: 'max_worker_processes setting',
  max_wal_senders: 'max_wal_senders setting',
  max_prepared_transactions: 'max_prepared_xacts setting',
  max_locks_per_transaction: 'max_locks_per_xact setting',
};

export interface StartablePlan {
  readonly plan: ServerPlan;
  /** The settings that are higher than they were planned: they wait for WAL that says less, and a restart. */
  readonly raised: PendingRestart;
}

/** The plan with which a standby starts. `controlText`: what pg_controldata prints of its data. */
export function startableAsStandby(plan: ServerPlan, controlText: string): StartablePlan {
  const said = new Map(
    controlText.split('\n').map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
  const raised = new Map(
    Object.entries(labels).flatMap(([name, label]): readonly (readonly [string, SettingChangeAhead])[] => {
      const least = said.get(label) ?? '';
      const planned = plan.parameters[name];
      return planned !== undefined && Number(planned) < Number(least) ? [[name, { from: least, to: planned }]] : [];
    }),
  );
  const startable = Object.fromEntries([...raised].map(([name, { from }]) => [name, from]));
  return { plan: raised.size === 0 ? plan : { ...plan, parameters: { ...plan.parameters, ...startable } }, raised };
}
