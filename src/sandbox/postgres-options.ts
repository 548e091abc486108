import type { PostgresBinaries } from './binaries.ts';
import type { PostgresServer } from './postgres-server.ts';

export type Setting = string | number | boolean;

export interface PostgresOptions {
  /** Unique in the sandbox; also its application_name towards its upstream and, letters permitting, its slot there. */
  readonly name: string;
  readonly postgres: PostgresBinaries;
  /** A free one by default. */
  readonly port?: number;
  /** Over the sandbox's own in postgresql.conf; kept over every start, base backup and rewind. */
  readonly settings?: Readonly<Record<string, Setting>>;
  /** How connections over TCP are authenticated; `trust` by default. */
  readonly auth?: 'trust' | 'md5' | 'scram-sha-256';
  /** Of the superuser `postgres`, for any other `auth` than `trust`. */
  readonly password?: string;
  /** Off by default: a killed server loses nothing by it, only a machine that loses its power does. */
  readonly fsync?: boolean;
  /** False: everything is on disk and nothing runs, for an agent that starts it itself. */
  readonly start?: boolean;
}

export interface StandbyOptions extends PostgresOptions {
  readonly upstream: PostgresServer;
  /** The physical slot on the upstream; `false`: none. By default one named after the server. */
  readonly slot?: string | false;
}

export type StopMode = 'smart' | 'fast' | 'immediate';

/**
 * How a former primary comes back. `backup`: emptied and copied anew, with no WAL of before. `backup_with_wal`: the same
 * with all WAL that its upstream still has, as pg_rewind leaves it. `rewind`: by pg_rewind, which not every package of
 * binaries has. `plain`: just started as a standby, for one that did not diverge.
 */
export type RejoinMethod = 'backup' | 'backup_with_wal' | 'rewind' | 'plain';
