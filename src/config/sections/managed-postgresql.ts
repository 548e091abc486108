import type { LocalServerRules } from '../../domain/managed.ts';
import type { Program, ReplicaMethod } from '../../postgres/managed/settings.ts';
import type { CommandLine, Credentials } from '../../postgres/settings.ts';
import { commandLine } from '../command-line.ts';
import { bool, child, isMap, object, optional, ownValue, parsed, secret, text, wrong, type Field } from '../field.ts';
import { filePath } from '../names.ts';
import { configLines, localParameters, recoveryParameters, type ServerParameters } from '../server-parameters.ts';
import { credentials } from './credentials.ts';
import { methodsNamed, replicaMethods, type ReplicaMethods } from './replica-methods.ts';

export const callbackNames = ['on_start', 'on_stop', 'on_restart', 'on_reload', 'on_role_change'] as const;

/** Commands that run when something has happened to the server; null = none. */
export type CallbackCommands = Readonly<Record<(typeof callbackNames)[number], CommandLine | null>>;

/** What the section `postgresql` says of a server that slotkeeper manages, besides what it says of any. */
export interface ManagedPostgresConfig extends LocalServerRules {
  readonly parameters: ServerParameters;
  /** Null = in the data directory. */
  readonly configDir: string | null;
  readonly binNames: Readonly<Partial<Record<Program, string>>>;
  /** The system's user who runs the server; null = found out. */
  readonly user: string | null;
  readonly customConf: string | null;
  readonly recoveryConf: ServerParameters;
  /** Where passwords are written for the server and its programs; null = beside the data directory. */
  readonly pgpass: string | null;
  /** The role that pg_rewind comes as, without the password file, which all roles share; null = the agent's own. */
  readonly rewind: Omit<Credentials, 'passfile'> | null;
  readonly replicaMethods: ReplicaMethods;
  /** Those that only the copy of another cluster's primary uses. */
  readonly remoteMethods: readonly ReplicaMethod[];
  readonly prePromote: CommandLine | null;
  readonly beforeStop: CommandLine | null;
  readonly callbacks: CallbackCommands;
}

const path = optional(filePath, null);
const script = optional(commandLine, null);
const programName = optional(
  text('the name of a program, without a folder', (raw) => /^[^/\0]+$/.test(raw)),
  null,
);

const binNames = object(
  {
    initdb: programName,
    pg_ctl: programName,
    postgres: programName,
    pg_controldata: programName,
    pg_basebackup: programName,
    pg_rewind: programName,
    pg_isready: () => null,
  },
  'tell',
);

const callbacks = object(
  { on_start: script, on_stop: script, on_restart: script, on_reload: script, on_role_change: script },
  'tell',
);
const noCallbacks: CallbackCommands = {
  on_start: null,
  on_stop: null,
  on_restart: null,
  on_reload: null,
  on_role_change: null,
};

/** The rest of `authentication` is read with what counts for any server. */
const rewindCredentials: Field<ManagedPostgresConfig['rewind']> = (value, place) =>
  optional(credentials, null)(isMap(value) ? ownValue(value, 'rewind') : null, child(place, 'rewind'));

const says = optional(bool, null);

const declaration = object(
  {
    parameters: secret(localParameters),
    pg_hba: secret(configLines),
    pg_ident: secret(configLines),
    use_slots: says,
    use_pg_rewind: says,
    remove_data_directory_on_rewind_failure: says,
    remove_data_directory_on_diverged_timelines: says,
    config_dir: path,
    config_base_name: optional(
      parsed('postgresql', (raw) => (raw === 'postgresql' ? raw : undefined)),
      null,
    ),
    bin_name: optional(binNames, null),
    user: optional(text('the name of a user of the system'), null),
    custom_conf: optional(text('a file name'), null),
    recovery_conf: secret(recoveryParameters),
    pgpass: path,
    authentication: rewindCredentials,
    pre_promote: script,
    before_stop: script,
    callbacks: optional(callbacks, noCallbacks),
  },
  'leave',
);

/** What the section `postgresql` says where slotkeeper manages the server. `remote`: names of replica methods. */
export function managedPostgres(remote: readonly string[]): Field<ManagedPostgresConfig> {
  return (value, place) => {
    const read = declaration(value, place);
    const methods = replicaMethods(value, place);
    const remoteMethods = methodsNamed(remote)(value, place);
    return read === wrong || methods === wrong || remoteMethods === wrong
      ? wrong
      : { ...configOf(read), replicaMethods: methods, remoteMethods };
  };
}

function configOf(
  read: Exclude<ReturnType<typeof declaration>, typeof wrong>,
): Omit<ManagedPostgresConfig, 'replicaMethods' | 'remoteMethods'> {
  return {
    parameters: read.parameters,
    hba: read.pg_hba,
    ident: read.pg_ident,
    useSlots: read.use_slots,
    usePgRewind: read.use_pg_rewind,
    removeDataOnRewindFailure: read.remove_data_directory_on_rewind_failure,
    removeDataOnDivergedTimelines: read.remove_data_directory_on_diverged_timelines,
    configDir: read.config_dir,
    binNames: namesGiven(read.bin_name ?? {}),
    user: read.user,
    customConf: read.custom_conf,
    recoveryConf: read.recovery_conf,
    pgpass: read.pgpass,
    rewind: read.authentication,
    prePromote: read.pre_promote,
    beforeStop: read.before_stop,
    callbacks: read.callbacks,
  };
}

function namesGiven(names: Readonly<Partial<Record<Program, string | null>>>): ManagedPostgresConfig['binNames'] {
  return Object.fromEntries(Object.entries(names).filter(([, name]) => typeof name === 'string'));
}
