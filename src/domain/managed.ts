import type { Upstream } from './lead.ts';

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
