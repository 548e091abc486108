import type { Clock } from '../base/clock.ts';

/** libpq's `sslmode`. */
export type SslMode = 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';

export interface SslSettings {
  readonly mode: SslMode;
  /** Paths of PEM files. */
  readonly rootCert: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

/** As whom the agent comes. */
export interface Credentials {
  readonly user: string;
  /** Null = from `passfile`, or none is needed. */
  readonly password: string | null;
  /** A file in the format of `.pgpass`. */
  readonly passfile: string | null;
  readonly ssl: SslSettings;
}

/** Where a server answers. `host` with a leading `/` is the folder of a Unix socket. */
export interface Address {
  readonly host: string;
  readonly port: number;
  readonly database: string;
}

/** How the server is started and stopped: by `pg_ctl`, or by commands of the operator (a systemd unit). */
export type ControlSettings =
  | {
      readonly kind: 'pg_ctl';
      /** Null = `pg_ctl` is found on the PATH. */
      readonly binDir: string | null;
      /** Where the started server writes what it does not log elsewhere; null = a file in the data directory. */
      readonly logFile: string | null;
    }
  | { readonly kind: 'commands'; readonly start: CommandLine; readonly stop: CommandLine };

/** A program with its arguments; it returns when the server is up, or down. */
export type CommandLine = readonly [string, ...string[]];

/** All times in milliseconds. */
export interface ServerTimeouts {
  readonly connectMs: number;
  /** A look, and every other statement that only reads. */
  readonly lookMs: number;
  /** An advance of one slot: it decodes all WAL from the slot's restart_lsn (FACTS 2). */
  readonly advanceMs: number;
  /** Creating a slot waits for every transaction that is running. */
  readonly createMs: number;
  readonly stopMs: number;
  readonly startMs: number;
}

export const defaultTimeouts: ServerTimeouts = {
  connectMs: 3_000,
  lookMs: 5_000,
  advanceMs: 10_000,
  createMs: 60_000,
  stopMs: 60_000,
  startMs: 60_000,
};

export interface LocalServerSettings {
  readonly member: string;
  readonly address: Address;
  /** For everything, here and on the primary. Read with each use, like the next: they may change while the agent runs. */
  readonly credentials: Credentials;
  /** For `IDENTIFY_SYSTEM` and `TIMELINE_HISTORY`; null = `credentials`. */
  readonly replicationCredentials: Credentials | null;
  /** Null = not at hand: no file copy, nothing is known of files, the ledger lasts as long as the agent. */
  readonly dataDir: string | null;
  /** Null = the agent never stops or starts the server: no file copy. */
  readonly control: ControlSettings | null;
  readonly timeouts: ServerTimeouts;
  readonly clock: Clock;
}
