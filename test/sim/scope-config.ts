/** The cluster configuration as an operator of the simulated cluster writes it. */
export interface ScopeConfig {
  readonly logical: ReadonlyMap<string, { readonly database: string; readonly plugin: string }>;
  readonly physical: readonly string[];
  readonly pause: boolean;
  readonly restart: 'allow' | 'never';
  readonly recreateLost: boolean;
  readonly filter: string;
  readonly ignored: readonly string[];
}

export const firstConfig: ScopeConfig = {
  logical: new Map([['orders', { database: 'app', plugin: 'pgoutput' }]]),
  physical: [],
  pause: false,
  restart: 'allow',
  recreateLost: false,
  filter: 'name_like:found%',
  ignored: [],
};

/** The value of the key `config`. */
export function configJson(config: ScopeConfig): string {
  const slots: Record<string, unknown> = {};
  for (const [name, slot] of config.logical) slots[name] = { type: 'logical', ...slot };
  for (const name of config.physical) slots[name] = { type: 'physical' };
  return JSON.stringify({
    ttl: 20,
    loop_wait: 5,
    retry_timeout: 3,
    pause: config.pause,
    slots,
    ignore_slots: config.ignored.map((name) => ({ name })),
    failover_slots: {
      synchronize_slot_names: config.filter,
      restart: config.restart,
      recreate_lost: config.recreateLost,
    },
  });
}

/** Values that must change nothing and be reported. */
export const badConfigs: readonly string[] = [
  '{"slots": ',
  '[]',
  '{"slots": {"Bad-Name": {"type": "logical", "database": "app", "plugin": "pgoutput"}}}',
  '{"slots": {"orders": {"type": "logical", "database": "app"}}}',
  '{"slots": {"orders": {"type": "odd"}}}',
  '{"ttl": "soon", "slots": {}}',
  'null',
];

/** Whether standbys are to have this logical slot of the primary. Another slot under a declared name is a conflict. */
export function isFollowed(config: ScopeConfig, slot: { readonly name: string; readonly plugin: string }): boolean {
  if (config.ignored.includes(slot.name)) return false;
  const declared = config.logical.get(slot.name);
  return declared === undefined ? slot.name.startsWith('found') : declared.plugin === slot.plugin;
}
