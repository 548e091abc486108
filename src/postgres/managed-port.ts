import type { DiskState, NotesOnDisk } from '../domain/disk.ts';
import type { Guard, RemoteLine, Upstream } from '../domain/lead.ts';
import type { PendingRestart, ServerPlan } from '../domain/managed.ts';

/**
 * The server's whole life, where slotkeeper manages it (`ha: manage`); `LocalServer` is what is asked of it while it runs.
 * `managed-server.ts` is the real one; the simulator has its own. Every call is over soon after its signal is aborted, and
 * what it had begun is then either undone or told by the next `inspect`. All throw ServerError.
 */
export interface ManagedServer {
  /** What is on disk. Meaningful only while no server runs there. */
  inspect(signal: AbortSignal): Promise<DiskState>;
  /** What earlier runs have left beside the data, whether or not the server runs. */
  recall(signal: AbortSignal): Promise<NotesOnDisk>;
  /** Keeps the cluster's configuration beside the data of a server that runs. Not longer than a moment. */
  saveConfig(text: string, signal: AbortSignal): Promise<void>;
  /**
   * Makes a cluster in an empty directory by the configured method, configures it, starts it as a primary, creates the
   * configured users and runs `post_bootstrap`. Until all of that is done the directory counts as unfinished. `mayOpen` is
   * asked right before clients are let in; when it rejects they are not, and what was made is of no use.
   */
  bootstrap(plan: ServerPlan, mayOpen: () => Promise<unknown>, signal: AbortSignal): Promise<void>;
  /**
   * A copy of the data of `source` in an empty directory, by the first configured replica method that succeeds, ready to be
   * started as a standby of `source`. `url`: its connection URL as its member key gives it.
   */
  clone(source: Upstream, url: string, signal: AbortSignal, methods?: readonly string[]): Promise<void>;
  /** As `clone`, out of a backup: by the first of the replica methods that need nobody to copy from. */
  restore(signal: AbortSignal): Promise<void>;
  /** A `clone`, `restore` or `rewind` that runs is given up, and throws soon; what it has left counts as unfinished. */
  endCopy(): void;
  /** Takes the data away, or moves it aside where it may still be of use to a person. Never while a server runs there. */
  removeData(signal: AbortSignal): Promise<void>;
  /**
   * Starts the server: with a term as a primary that may accept writes under it (written down beside the data first, L7),
   * without one as a standby of `plan.upstream`. Resolves when it accepts connections, or when it runs and recovers, to the
   * settings that it could not have as planned and that wait for another start, by name.
   */
  start(plan: ServerPlan, term: number | null, signal: AbortSignal): Promise<PendingRestart>;
  /**
   * Resolves when no server runs there any more. `fast`: clients are cut off, and logical walsenders that keep it from
   * ending are, too. `immediate`: no write is accepted from the moment of the call on, at the price of a crash recovery.
   */
  stop(mode: 'fast' | 'immediate', signal: AbortSignal): Promise<void>;
  /**
   * Writes the term down, runs `pre_promote`, promotes, and resolves when the server accepts writes. Its timeline's number
   * is greater than `newestTimeline`: one number for two lines of WAL is what PostgreSQL can't tell.
   */
  promote(term: number, newestTimeline: number, signal: AbortSignal): Promise<void>;
  /** A checkpoint of a server that runs, as long as that takes. */
  checkpoint(signal: AbortSignal): Promise<void>;
  /** Writes down under which term a primary that runs may accept writes (L7). Not longer than a moment. */
  recordTerm(term: number, signal: AbortSignal): Promise<void>;
  /** Writes down how a standby streams; a reload, or (below PostgreSQL 13) a restart. */
  follow(plan: ServerPlan, signal: AbortSignal): Promise<void>;
  /** What the WAL of a server elsewhere is like, which must be of the database cluster with that system identifier. */
  readLine(source: Upstream, systemIdentifier: string, signal: AbortSignal): Promise<RemoteLine>;
  /** pg_rewind against the running primary `source`; the directory then is one of a standby of it. */
  rewind(source: Upstream, url: string, signal: AbortSignal): Promise<void>;
  /** Writes configuration files where they differ, and reloads a server that runs; what then needs a restart, by name. */
  configure(plan: ServerPlan, signal: AbortSignal): Promise<PendingRestart>;
  /** Stops and starts it in its role; resolves as `start` does. */
  restart(plan: ServerPlan, signal: AbortSignal): Promise<PendingRestart>;
}

/** The process that stops the server when its agent cannot (L1). `lifeline.ts` is the real one; the simulator has its own. */
export interface Lifeline {
  /** Resolves when the lifeline knows it: a deadline that is put off, or a guard that begins, is in force from then on. */
  guard(guard: Guard): Promise<void>;
  close(): Promise<void>;
}
