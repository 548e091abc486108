import { tableSyncSlotPattern } from '../../src/domain/slot.ts';
import { isTemplateName } from '../../src/domain/template.ts';
import type { Random } from './random.ts';

/** The cluster configuration as an operator of the simulated cluster writes it. */
export interface ScopeConfig {
  readonly logical: ReadonlyMap<string, DeclaredLogical>;
  readonly physical: readonly string[];
  readonly pause: boolean;
  /** Null = not said. */
  readonly restart: 'allow' | 'never' | null;
  readonly method: 'auto' | 'file_copy' | 'template' | 'native';
  readonly templateDatabases: readonly string[];
  readonly gate: GateConfig | null;
  readonly recreateLost: boolean;
  /** Which slots are discovered. `default` = not said. */
  readonly filter: 'default' | 'found' | 'all';
  readonly ignored: readonly string[];
}

interface DeclaredLogical {
  readonly database: string;
  readonly plugin: string;
  readonly failover?: boolean;
}

export interface GateConfig {
  readonly names: 'all' | readonly string[];
  readonly minConfirmed: number;
  readonly graceSeconds: number;
}

/** Slots of each name are always of the same database, as in life. */
export function databaseOf(slot: string): string {
  return slot === 'stock' || slot === 'found_b' ? 'postgres' : 'app';
}

/** What the cluster begins with. */
export function firstConfig(major: number, random: Random): ScopeConfig {
  const isNew = major >= 16;
  return {
    logical: new Map([
      ['orders', { database: 'app', plugin: 'pgoutput', failover: major >= 17 && random.chance(0.5) }],
    ]),
    physical: [],
    pause: false,
    restart: isNew && random.chance(0.7) ? null : 'allow',
    method: isNew ? random.pick(['auto', 'auto', 'auto', 'native', 'template', 'file_copy']) : 'auto',
    templateDatabases: isNew && random.chance(0.3) ? ['postgres'] : [],
    gate: isNew && random.chance(0.5) ? someGate(random) : null,
    recreateLost: false,
    filter: isNew && random.chance(0.7) ? 'default' : 'found',
    ignored: [],
  };
}

export function someGate(random: Random): GateConfig {
  return {
    names: random.chance(0.6) ? 'all' : ['node-b', 'node-c'],
    minConfirmed: random.pick([-1, -1, -1, 1, 2]),
    graceSeconds: random.pick([-1, 0, 3, 10]),
  };
}

/** The value of the key `config`. */
export function configJson(config: ScopeConfig): string {
  const slots: Record<string, unknown> = {};
  for (const [name, slot] of config.logical) slots[name] = { type: 'logical', ...slot };
  for (const name of config.physical) slots[name] = { type: 'physical' };
  const { gate } = config;
  return JSON.stringify({
    ttl: 20,
    loop_wait: 5,
    retry_timeout: 3,
    pause: config.pause,
    slots,
    ignore_slots: config.ignored.map((name) => ({ name })),
    failover_slots: {
      ...(config.filter === 'default' ? {} : { synchronize_slot_names: `name_like:${prefixOf[config.filter]}%` }),
      ...(config.restart === null ? {} : { restart: config.restart }),
      ...(config.method === 'auto' ? {} : { method: config.method }),
      ...(config.templateDatabases.length === 0 ? {} : { template_databases: config.templateDatabases }),
      ...(gate === null
        ? {}
        : {
            standby_slot_names: gate.names,
            standby_slots_min_confirmed: gate.minConfirmed,
            standby_slots_grace: gate.graceSeconds,
          }),
      recreate_lost: config.recreateLost,
    },
  });
}

const prefixOf = { all: '', found: 'found' } as const;

/** Values that must change nothing and be reported. */
export const badConfigs: readonly string[] = [
  '{"slots": ',
  '[]',
  '{"slots": {"Bad-Name": {"type": "logical", "database": "app", "plugin": "pgoutput"}}}',
  '{"slots": {"orders": {"type": "logical", "database": "app"}}}',
  '{"slots": {"orders": {"type": "odd"}}}',
  '{"ttl": "soon", "slots": {}}',
  '{"failover_slots": {"method": "magic"}}',
  'null',
];

/** Whether a standby may be stopped to get a slot. */
export function mayRestart(config: ScopeConfig, major: number): boolean {
  if (config.restart !== null) return config.restart === 'allow';
  return major < 16 || config.method === 'file_copy';
}

/** Whether standbys are to have this logical slot of the primary. Another slot under a declared name is a conflict. */
export function isFollowed(
  config: ScopeConfig,
  major: number,
  slot: { readonly name: string; readonly plugin: string; readonly database: string },
): boolean {
  if (config.ignored.includes(slot.name) || isTemplateName(slot.name) || tableSyncSlotPattern.test(slot.name)) {
    return false;
  }
  const declared = config.logical.get(slot.name);
  if (declared !== undefined) return declared.plugin === slot.plugin && declared.database === slot.database;
  if (config.filter !== 'default') return slot.name.startsWith(prefixOf[config.filter]);
  // Following costs no restart there.
  return major >= 16 && config.method !== 'file_copy';
}
