import type { DynamicConfig, LeadConfig, SlotMatcher } from '../domain/config.ts';
import { defaultConfig } from '../domain/default-config.ts';
import type { Problem } from '../domain/problem.ts';
import { slotNamePattern, type DeclaredSlot } from '../domain/slot.ts';
import { isTemplateName } from '../domain/template.ts';
import type { Field, Finding, Place } from './field.ts';
import {
  bool,
  child,
  choice,
  describeValue,
  isAbsent,
  isMap,
  list,
  object,
  optional,
  ownValue,
  refuse,
  text,
  unsupported,
  wrong,
} from './field.ts';
import { catalogName, failoverSlots } from './failover-slots.ts';
import { leadSettings } from './lead.ts';
import { reservedSlotName } from './names.ts';
import { pathText, problemsOf, type Wording } from './problems.ts';
import { readTimes } from './times.ts';

export interface DecodedConfig {
  /** Null = something is wrong (`problems` has an error): a wrong configuration changes nothing. */
  readonly config: DynamicConfig | null;
  readonly problems: readonly Problem[];
}

/**
 * Who reads: an agent by its setting `ha`, or somebody who does not know what the agents have (null), such as a command.
 * What counts only where slotkeeper leads is left alone in `observe`, whatever it holds; where nobody knows, mistakes in
 * it are warnings.
 */
export type Reader = 'manage' | 'observe' | null;

/**
 * Reads the value of the key `config`, or the text of `patroni.dynamic.json`: Patroni's dynamic configuration as JSON,
 * with slotkeeper's own parts. All mistakes are listed. Keys that slotkeeper does not use are left alone, whatever they
 * hold.
 */
export function decodeDynamicConfig(raw: string, reader: Reader = null): DecodedConfig {
  let document: unknown;
  try {
    document = JSON.parse(raw);
  } catch {
    // The parser's message quotes the text, which may hold secrets (`standby_cluster`, `postgresql.parameters`).
    return wholly('config_json', 'the cluster configuration is not JSON');
  }
  if (!isMap(document)) return wholly('config_type', 'the cluster configuration is not a JSON object');

  const findings: Finding[] = [];
  const place: Place = { path: [], secret: false, report: (finding) => findings.push(finding) };
  const advice: Finding[] = [];
  const config =
    reader === 'manage'
      ? clusterConfig(document, place)
      : withLead(
          readConfig(document, place),
          reader === 'observe'
            ? wrong
            : leadSettings(document, { ...place, report: (finding) => advice.push(finding) }),
        );
  const warnings = problemsOf(advice, wording).map((problem): Problem => ({
    ...problem,
    severity: 'warning',
    what: `${problem.what} (with ha: manage)`,
  }));
  return { config: config === wrong ? null : config, problems: [...problemsOf(findings, wording), ...warnings] };
}

/** The whole of it, as an agent needs it that leads; also what `bootstrap.dcs` may hold. */
export function clusterConfig(document: Readonly<Record<string, unknown>>, place: Place): DynamicConfig | typeof wrong {
  const config = readConfig(document, place);
  const lead = leadSettings(document, place);
  return lead === wrong ? wrong : withLead(config, lead);
}

function withLead(
  config: Omit<DynamicConfig, 'lead'> | typeof wrong,
  lead: LeadConfig | typeof wrong,
): DynamicConfig | typeof wrong {
  return config === wrong ? wrong : { ...config, lead: lead === wrong ? defaultConfig.lead : lead };
}

/** Patroni takes every empty value in a matcher for "any"; an unknown key would make it match far too much. */
const anyText: Field<string | null> = (value, place) =>
  value === '' ? null : optional(text('a text'), null)(value, place);
const ignoreSlots = list(
  object(
    { name: anyText, type: optional(choice('logical', 'physical'), null), database: anyText, plugin: anyText },
    'refuse',
  ),
  'a list of objects with name, type, database or plugin',
);

function readConfig(
  document: Readonly<Record<string, unknown>>,
  place: Place,
): Omit<DynamicConfig, 'lead'> | typeof wrong {
  const read = <T>(key: string, field: Field<T>): T | typeof wrong => field(ownValue(document, key), child(place, key));
  const times = readTimes(document, place);
  const pause = read('pause', optional(bool, false));
  const slots = readSlots(document, place);
  const matchers = read('ignore_slots', optional(ignoreSlots, []));
  const ours = read('failover_slots', failoverSlots);
  if (times === wrong || pause === wrong || slots === wrong || matchers === wrong || ours === wrong) return wrong;
  return { ...times, pause, slots, ignoreSlots: matchers.map(matcherOf), failoverSlots: ours };
}

function matcherOf(matcher: {
  readonly [K in keyof SlotMatcher]-?: Exclude<SlotMatcher[K], undefined> | null;
}): SlotMatcher {
  const { name, type, database, plugin } = matcher;
  return {
    ...(name === null ? {} : { name }),
    ...(type === null ? {} : { type }),
    ...(database === null ? {} : { database }),
    ...(plugin === null ? {} : { plugin }),
  };
}

/** The declared slots. Patroni reads the first of three keys that holds anything; the newest name is `slots`. */
function readSlots(
  document: Readonly<Record<string, unknown>>,
  place: Place,
): ReadonlyMap<string, DeclaredSlot> | typeof wrong {
  const key = ['permanent_replication_slots', 'permanent_slots'].find((it) => holdsAnything(ownValue(document, it)));
  const at = child(place, key ?? 'slots');
  const value = ownValue(document, key ?? 'slots');
  if (isAbsent(value)) return new Map();
  if (!isMap(value)) return refuse(at, 'type', value, 'an object: slot name → {type, database, plugin}');

  const slots = new Map<string, DeclaredSlot>();
  let flawed = false;
  for (const [name, declared] of Object.entries(value)) {
    const slot = readSlot(name, declared, child(at, name));
    if (slot === wrong) flawed = true;
    else if (isMeantFor(document, declared)) slots.set(name, slot);
  }
  return flawed ? wrong : slots;
}

function readSlot(name: string, value: unknown, place: Place): DeclaredSlot | typeof wrong {
  const named = isDeclarable(name, place);
  // Patroni takes any empty value, null, 0 and false too, for a physical slot.
  if (!holdsAnything(value)) return named ? { type: 'physical' } : wrong;
  if (!isMap(value))
    return refuse(place, 'type', value, 'an object with type, and for a logical slot database and plugin');
  const isLogical = ['database', 'plugin', 'failover'].some((key) => !isAbsent(ownValue(value, key)));
  const read = <T>(key: string, field: Field<T>): T | typeof wrong => field(ownValue(value, key), child(place, key));
  const type = read('type', optional(choice('logical', 'physical'), isLogical ? 'logical' : 'physical'));
  const clusterType = read('cluster_type', optional(choice('primary', 'standby'), null));
  if (type === wrong) return wrong;
  if (type === 'physical') {
    const failover = read('failover', unsupported('only a logical slot can have failover'));
    return named && clusterType !== wrong && failover !== wrong ? { type } : wrong;
  }
  const database = read('database', catalogName('the database of the logical slot'));
  const plugin = read('plugin', catalogName('the output plugin of the logical slot'));
  const failover = read('failover', optional(bool, false));
  if (!named || clusterType === wrong || database === wrong || plugin === wrong || failover === wrong) return wrong;
  return { type, database, plugin, ...(failover ? { failover } : {}) };
}

function isDeclarable(name: string, place: Place): boolean {
  const isReserved = isTemplateName(name);
  if (slotNamePattern.test(name) && !isReserved) return true;
  place.report({
    kind: 'value',
    path: place.path,
    found: describeValue(name),
    allowed: 'a slot name: 1 to 63 characters out of a-z, 0-9 and _',
    ...(isReserved ? { note: reservedSlotName } : {}),
  });
  return false;
}

/** `cluster_type`: a slot can be for this cluster only while it is, or is not, a standby cluster. */
function isMeantFor(document: Readonly<Record<string, unknown>>, slot: unknown): boolean {
  const source = ownValue(document, 'standby_cluster');
  const isStandbyCluster =
    isMap(source) && ['host', 'port', 'restore_command'].some((key) => holdsAnything(ownValue(source, key)));
  return !isMap(slot) || ownValue(slot, 'cluster_type') !== (isStandbyCluster ? 'primary' : 'standby');
}

function holdsAnything(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return isMap(value) ? Object.keys(value).length > 0 : Boolean(value);
}

const wording: Wording = {
  place: (path) => `cluster configuration: ${pathText(path)}`,
  fix: ({ kind, path, allowed }) => {
    // A name that a shell would not take as it is could not be pasted.
    if (!path.every((part) => /^[A-Za-z0-9_-]+$/.test(part))) return 'slotkeeper edit-config';
    const value = kind === 'adjusted' ? allowed : kind === 'unknown_key' || kind === 'unused' ? 'null' : '…';
    return `slotkeeper edit-config --set ${path.join('.')}=${value}`;
  },
};

function wholly(code: string, what: string): DecodedConfig {
  return { config: null, problems: [{ code, severity: 'error', what, fix: 'slotkeeper edit-config' }] };
}
