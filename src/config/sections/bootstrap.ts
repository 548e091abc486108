import {
  reservedOptions,
  type BootstrapMethod,
  type BootstrapSettings,
  type BootstrapUser,
} from '../../postgres/managed/settings.ts';
import { commandLine } from '../command-line.ts';
import { clusterConfig } from '../dynamic.ts';
import {
  child,
  isAbsent,
  isMap,
  list,
  object,
  optional,
  ownValue,
  refuse,
  refuseSection,
  secret,
  text,
  wrong,
  type Field,
} from '../field.ts';
import { script } from '../script.ts';
import { bootstrapRecovery, configLines } from '../server-parameters.ts';
import { toolOptions } from '../tool-options.ts';

/** How a cluster is made where there is none; the section `bootstrap`. */
export interface BootstrapConfig {
  /** The first value of the key `config`, as JSON; null = it has none. */
  readonly dcs: string | null;
  readonly settings: BootstrapSettings;
}

/** What a cluster is made with where the file does not say how. */
export const plainBootstrap: BootstrapSettings = {
  method: { kind: 'initdb', options: [] },
  hba: [],
  users: [],
  postBootstrap: null,
};

const dcs: Field<string | null> = (value, place) => {
  if (isAbsent(value)) return null;
  if (!isMap(value)) return refuseSection(place, value, 'an object: the cluster configuration');
  const read = clusterConfig(value, place);
  return read === wrong ? wrong : JSON.stringify(value);
};

const user = object(
  {
    password: optional(secret(text('a text')), null),
    // They are put into a statement as they are.
    options: optional(
      list(
        text('words of CREATE ROLE', (it) => /^[A-Za-z][A-Za-z0-9_ ]*$/.test(it)),
        'a list of words of CREATE ROLE',
      ),
      [],
    ),
  },
  'tell',
);

const users: Field<readonly BootstrapUser[]> = (value, place) => {
  if (isAbsent(value)) return [];
  if (!isMap(value)) return refuseSection(place, value, 'an object: role → {password, options}');
  const read: BootstrapUser[] = [];
  for (const [name, given] of Object.entries(value)) {
    const found = user(given ?? {}, child(place, name));
    if (found !== wrong) read.push({ name, ...found });
  }
  return read.length === Object.keys(value).length ? read : wrong;
};

const initdb = toolOptions('initdb', reservedOptions.initdb);
const custom = script(['no_params', 'keep_existing_recovery_conf'], ['recovery_conf', 'scope', 'datadir'], null);

const shape = {
  dcs,
  method: optional(text('initdb, or the name of a section of bootstrap that has a command'), 'initdb'),
  initdb,
  users,
  pg_hba: secret(configLines),
  post_bootstrap: optional(commandLine, null),
  post_init: optional(commandLine, null),
};

/** The section `bootstrap`. Sections of methods that are not chosen are told as unused. */
export const bootstrapSection: Field<BootstrapConfig> = (value, place) => {
  const name = isMap(value) ? ownValue(value, 'method') : null;
  const method = typeof name === 'string' && name !== 'initdb' ? name : null;
  if (method !== null && Object.hasOwn(shape, method)) {
    return refuse(child(place, 'method'), 'value', name, 'a name that bootstrap does not use itself');
  }
  const read = object({ ...shape, ...(method === null ? {} : { [method]: () => null }) }, 'tell')(value, place);
  const made =
    method === null ? null : customMethod(isMap(value) ? ownValue(value, method) : null, child(place, method));
  if (read === wrong || made === wrong) return wrong;
  return {
    dcs: read.dcs,
    settings: {
      method: made ?? { kind: 'initdb', options: read.initdb },
      hba: read.pg_hba ?? [],
      users: read.users,
      postBootstrap: read.post_bootstrap ?? read.post_init,
    },
  };
};

const customMethod: Field<BootstrapMethod> = (value, place) => {
  const read = custom(value, place);
  const given = isMap(value) ? ownValue(value, 'recovery_conf') : null;
  const recovery = optional(secret(bootstrapRecovery), null)(given, child(place, 'recovery_conf'));
  if (read === wrong || recovery === wrong) return wrong;
  return {
    kind: 'command',
    command: read.command,
    options: read.options,
    noParams: read.flags.no_params,
    keepExistingRecoveryConf: read.flags.keep_existing_recovery_conf,
    recoveryConf: recovery,
  };
};
