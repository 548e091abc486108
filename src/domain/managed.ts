import type { DynamicConfig } from './config.ts';
import type { Upstream } from './lead.ts';

/** What an agent's file may say otherwise than the cluster's configuration; null = what that says. */
export interface LocalServerRules {
  /** Lines of `pg_hba.conf` and `pg_ident.conf`. */
  readonly hba: readonly string[] | null;
  readonly ident: readonly string[] | null;
  readonly useSlots: boolean | null;
  readonly usePgRewind: boolean | null;
  readonly removeDataOnRewindFailure: boolean | null;
  readonly removeDataOnDivergedTimelines: boolean | null;
}

/** The agent's own part of PostgreSQL's configuration and of what may be done to its data (`ha: manage`). */
export interface ManagedSelf extends LocalServerRules {
  /** `listen_addresses`. */
  readonly listen: string;
  readonly port: number;
  /** `postgresql.parameters`; counts more than the cluster's where members need not agree. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Whether this agent may make a cluster where there is none. */
  readonly canBootstrap: boolean;
  /** Whether one of its replica methods needs nobody to copy from. */
  readonly canRestore: boolean;
  /** `bootstrap.dcs` as the text of the key `config`; null = the file has none. */
  readonly bootstrapDcs: string | null;
  /** The same, read: what holds until the cluster has a configuration; null = there is none, or it is wrong. */
  readonly bootstrapConfig: DynamicConfig | null;
}

/** Everything that PostgreSQL's configuration is to say, where slotkeeper manages the server. */
export interface ServerPlan {
  /** Local over dynamic over what slotkeeper insists on: name → value as it stands in `postgresql.conf`. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Lines of `pg_hba.conf` and `pg_ident.conf`; null = the file is somebody else's. */
  readonly hba: readonly string[] | null;
  readonly ident: readonly string[] | null;
  /** Null = a primary, or a standby that has nobody to stream from. */
  readonly upstream: Upstream | null;
  readonly synchronousStandbyNames: string | null;
}

/** The value of a setting now, and the one that it gets at the server's next start. */
export interface SettingChangeAhead {
  readonly from: string;
  readonly to: string;
}

/** The settings that wait for a restart, by name. */
export type PendingRestart = ReadonlyMap<string, SettingChangeAhead>;

export type RestartReason =
  | { readonly kind: 'operator' }
  /** Settings that need a restart, by name. */
  | { readonly kind: 'pending_restart'; readonly settings: readonly string[] };
