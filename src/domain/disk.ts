import type { Lsn } from './lsn.ts';

/** PostgreSQL's own word for how a data directory was left (`pg_controldata`, "Database cluster state"). */
export type ClusterState =
  | 'starting up'
  | 'shut down'
  | 'shut down in recovery'
  | 'shutting down'
  | 'in crash recovery'
  | 'in archive recovery'
  | 'in production';

/** What `pg_controldata` says of a data directory whose server does not run. */
export interface ControlData {
  readonly systemIdentifier: string;
  readonly state: ClusterState;
  /** Of the latest checkpoint: until the first one after a promotion it is the former timeline. */
  readonly timeline: number;
  /** Where the record of the latest checkpoint begins: a history holds it that goes on beyond this position. */
  readonly checkpointLsn: Lsn;
  /** Where recovery has to get to; null = it says 0/0. */
  readonly minRecoveryEndLsn: Lsn | null;
  readonly minRecoveryEndTimeline: number | null;
  /** Data checksums or `wal_log_hints`: what pg_rewind needs. */
  readonly isRewindable: boolean;
}

/** The last leadership under which this server may have accepted writes, as its data directory says (L7). */
export interface TermOnDisk {
  readonly member: string;
  readonly systemIdentifier: string;
  readonly term: number;
}

/** What earlier runs of the agent have left beside the data, to be read whether or not the server runs. */
export interface NotesOnDisk {
  readonly term: TermOnDisk | null;
  /** As in DiskState. */
  readonly isUnled: boolean;
  /** The key `config` as it last was; null = it was never written down. */
  readonly configText: string | null;
}

/** What is where the server's data belongs, while no server runs there. */
export type DiskState =
  /** Nothing, or an empty directory. */
  | { readonly kind: 'empty' }
  /** Something that is no data directory of PostgreSQL. `what`: a few names that were found. */
  | { readonly kind: 'foreign'; readonly what: string }
  /** Left over from a bootstrap, a copy or a rewind of ours that did not come to its end: of no use. */
  | { readonly kind: 'unfinished'; readonly what: UnfinishedWork }
  | {
      readonly kind: 'cluster';
      readonly control: ControlData;
      /** Whether it would start as a standby (`standby.signal`, below 12 `recovery.conf`). */
      readonly isStandby: boolean;
      /** Null = it never accepted writes under slotkeeper. */
      readonly term: TermOnDisk | null;
      /** initdb made it here, and no leader has written to it yet: nobody else can have data of this system identifier. */
      readonly isUnled: boolean;
      /** The branch points of its newest timeline's history file, oldest first; empty on timeline 1. */
      readonly switches: readonly { readonly timeline: number; readonly lsn: Lsn }[];
    };

export type UnfinishedWork = 'bootstrap' | 'clone' | 'rewind';
