import type { Clock } from '../../base/clock.ts';
import type { Address, CommandLine, Credentials, ServerTimeouts } from '../settings.ts';

/** The programs of PostgreSQL that are used, by the names that PostgreSQL gives them. */
export type Program = 'initdb' | 'pg_ctl' | 'postgres' | 'pg_controldata' | 'pg_basebackup' | 'pg_rewind';

/** A long option of a program: `--name=value`, or `--name` alone where the value is null. */
export interface ProgramOption {
  readonly name: string;
  readonly value: string | null;
}

/** A role of `bootstrap.users`, made once after the bootstrap. */
export interface BootstrapUser {
  readonly name: string;
  /** Null = it cannot log in by password. */
  readonly password: string | null;
  /** Words of CREATE ROLE, such as `createdb`; they are the operator's own and go into the statement as they are. */
  readonly options: readonly string[];
}

/** How a cluster is made where there is none. */
export type BootstrapMethod =
  | { readonly kind: 'initdb'; readonly options: readonly ProgramOption[] }
  | {
      readonly kind: 'command';
      readonly command: CommandLine;
      /** Added to the command as `--name=value`, after `--scope` and `--datadir`. */
      readonly options: readonly ProgramOption[];
      /** `--scope` and `--datadir` are not added. */
      readonly noParams: boolean;
      /** The command leaves signal files and recovery settings of its own, which stay until the recovery is over. */
      readonly keepExistingRecoveryConf: boolean;
      /** Settings of the recovery, such as `restore_command` and `recovery_target_time`; null = none is wanted. */
      readonly recoveryConf: Readonly<Record<string, string>> | null;
    };

export interface BootstrapSettings {
  readonly method: BootstrapMethod;
  /** Lines that are added to the `pg_hba.conf` of initdb, where `postgresql.pg_hba` does not replace it. */
  readonly hba: readonly string[];
  readonly users: readonly BootstrapUser[];
  /** `post_bootstrap` or `post_init`: gets the connection URL of the new server as its last argument. */
  readonly postBootstrap: CommandLine | null;
}

/** One of `create_replica_methods`. */
export type ReplicaMethod =
  | { readonly kind: 'basebackup'; readonly options: readonly ProgramOption[] }
  | {
      readonly kind: 'command';
      /** As it is called in the list, for messages. */
      readonly name: string;
      readonly command: CommandLine;
      readonly options: readonly ProgramOption[];
      /** `--scope`, `--role`, `--datadir` and `--connstring` are not added. */
      readonly noParams: boolean;
      /** What is in the data directory is left to the command, before it runs and when it fails. */
      readonly keepData: boolean;
      /** It has a backup to take the data from, and runs also while there is nobody to copy. */
      readonly noLeader: boolean;
    };

export function needsNoLeader(method: ReplicaMethod): boolean {
  return method.kind === 'command' && method.noLeader;
}

/** What is known of a server that slotkeeper manages, and of how it is made. Paths are absolute. */
export interface ManagedServerSettings {
  readonly scope: string;
  readonly member: string;
  /** How the agent itself reaches the server. */
  readonly address: Address;
  readonly dataDir: string;
  /** Where `postgresql.conf`, `pg_hba.conf` and `pg_ident.conf` are; null = in the data directory. */
  readonly configDir: string | null;
  /** Null = the programs are found on the PATH. */
  readonly binDir: string | null;
  /** Other names of programs (`postgresql.bin_name`). */
  readonly binNames: Readonly<Partial<Record<Program, string>>>;
  /**
   * The system's user who runs the server, where the agent is root; null = the owner of the data directory, of the folder
   * that it is in, or `postgres`.
   */
  readonly user: string | null;
  /** The superuser: the agent itself, and who is made by initdb. */
  readonly credentials: Credentials;
  /** Who standbys stream and copy as; null = the superuser. */
  readonly replication: Credentials | null;
  /** Who pg_rewind connects as; null = the superuser. */
  readonly rewind: Credentials | null;
  /** The password file that the agent writes for the server and for programs; null = beside the data directory. */
  readonly pgpass: string | null;
  /** A configuration file of the operator, which is read instead of `postgresql.base.conf`; null = none. */
  readonly customConf: string | null;
  /** `postgresql.recovery_conf`: settings of every standby, such as `restore_command`. */
  readonly recoveryConf: Readonly<Record<string, string>>;
  readonly bootstrap: BootstrapSettings;
  /** Tried one after the other. */
  readonly replicaMethods: readonly [ReplicaMethod, ...ReplicaMethod[]];
  /** The replica methods that `bootstrap.dcs.standby_cluster` names: for the copy of the remote primary. */
  readonly remoteMethods: readonly ReplicaMethod[];
  /** Runs before a promotion, which does not take place when it fails. */
  readonly prePromote: CommandLine | null;
  /** Runs before a fast stop, whatever it returns. */
  readonly beforeStop: CommandLine | null;
  readonly timeouts: ServerTimeouts;
  readonly clock: Clock;
}

/** Options that an operator cannot give, because the agent decides them, by program. */
export const reservedOptions: Readonly<Record<'initdb' | 'basebackup', readonly string[]>> = {
  initdb: ['pgdata', 'nosync', 'pwfile', 'sync-only', 'version', 'username', 'help'],
  basebackup: [
    'pgdata',
    'format',
    'wal-method',
    'xlog-method',
    'gzip',
    'version',
    'dbname',
    'host',
    'port',
    'username',
    'password',
    'help',
  ],
};
