import { reservedOptions, type ReplicaMethod } from '../../postgres/managed/settings.ts';
import {
  child,
  isAbsent,
  isMap,
  list,
  ownValue,
  refuseSection,
  text,
  wrong,
  type Field,
  type Place,
} from '../field.ts';
import { script } from '../script.ts';
import { toolOptions } from '../tool-options.ts';

export type ReplicaMethods = readonly [ReplicaMethod, ...ReplicaMethod[]];

const names = list(text('the name of a replica method'), 'a list of replica methods, such as basebackup');
const basebackup = toolOptions('pg_basebackup', reservedOptions.basebackup);
const flags = ['no_params', 'keep_data', 'no_leader'] as const;
const given = ['scope', 'role', 'datadir', 'connstring'];

/** The names in `create_replica_methods` (once `create_replica_method`) of the section `postgresql`, if they are names. */
export function replicaMethodNames(section: Readonly<Record<string, unknown>>): readonly string[] {
  const found = ownValue(section, keyOf(section));
  return Array.isArray(found) ? found.filter((name) => typeof name === 'string') : [];
}

/** How a standby gets its data: the methods in `create_replica_methods`, each with its section of `postgresql`. */
export const replicaMethods: Field<ReplicaMethods> = (section, place) => {
  if (!isMap(section)) return refuseSection(place, section, 'an object');
  const key = keyOf(section);
  const listed = ownValue(section, key);
  // Patroni's default is an empty text.
  const chosen = isAbsent(listed) || listed === '' ? [] : names(listed, child(place, key));
  if (chosen === wrong) return wrong;
  const methods = [];
  let flawed = false;
  for (const name of chosen.length === 0 ? ['basebackup'] : chosen) {
    const method = methodOf(name, ownValue(section, name), child(place, name));
    if (method === wrong) flawed = true;
    else methods.push(method);
  }
  const [first, ...rest] = methods;
  return flawed || first === undefined ? wrong : [first, ...rest];
};

/** The names that `bootstrap.dcs.standby_cluster` of an agent's file gives to the copy of the remote primary. */
export function remoteMethodNames(file: Readonly<Record<string, unknown>>): readonly string[] {
  let found: unknown = file;
  for (const name of ['bootstrap', 'dcs', 'standby_cluster']) found = isMap(found) ? ownValue(found, name) : null;
  return isMap(found) ? replicaMethodNames(found) : [];
}

/** The methods of these names, each with its section of `postgresql`. */
export function methodsNamed(wanted: readonly string[]): Field<readonly ReplicaMethod[]> {
  return (section, place) => {
    const methods = wanted.map((name) =>
      methodOf(name, isMap(section) ? ownValue(section, name) : null, child(place, name)),
    );
    const read = methods.filter((method) => method !== wrong);
    return read.length === methods.length ? read : wrong;
  };
}

function keyOf(section: Readonly<Record<string, unknown>>): string {
  return isAbsent(ownValue(section, 'create_replica_methods')) ? 'create_replica_method' : 'create_replica_methods';
}

function methodOf(name: string, value: unknown, place: Place): ReplicaMethod | typeof wrong {
  if (name === 'basebackup') {
    const options = basebackup(value, place);
    return options === wrong ? wrong : { kind: 'basebackup', options };
  }
  const read = script(flags, given, name)(value, place);
  if (read === wrong) return wrong;
  return {
    kind: 'command',
    name,
    command: read.command,
    options: read.options,
    noParams: read.flags.no_params,
    keepData: read.flags.keep_data,
    noLeader: read.flags.no_leader,
  };
}
