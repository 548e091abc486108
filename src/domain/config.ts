import type { DeclaredSlot } from './slot.ts';

/** One entry of `ignore_slots`: a slot matches when every field that is given is equal. */
export interface SlotMatcher {
  readonly name?: string;
  readonly type?: 'logical' | 'physical';
  readonly database?: string;
  readonly plugin?: string;
}

/** One term of the filter `synchronize_slot_names`, in the grammar of pg_failover_slots. */
export interface SlotFilterTerm {
  readonly key: 'name' | 'name_like' | 'plugin';
  readonly value: string;
}

/** slotkeeper's own part of the dynamic configuration, key `failover_slots`. */
export interface FailoverSlotsConfig {
  /** Null = the default for the server's version and method. */
  readonly synchronizeSlotNames: readonly SlotFilterTerm[] | null;
  readonly dropExtraSlots: boolean;
  /**
   * Whether a standby may be restarted to get a slot. Null = where nothing else gets a slot there (below PostgreSQL 16,
   * or `method: file_copy`), and nowhere else.
   */
  readonly restart: 'allow' | 'never' | null;
  /** How slots get onto standbys. `auto` = for each slot the best that the version has. */
  readonly method: 'auto' | 'file_copy' | 'template' | 'native';
  /** Databases that get a template slot on each standby also while no slot in them is followed. */
  readonly templateDatabases: readonly string[];
  /**
   * The gate: physical slots or members that must have a change before a consumer of a followed slot gets it. `all` =
   * every member's slot; null = no gate is kept, and settings that somebody else made are left alone.
   */
  readonly standbySlotNames: 'all' | readonly string[] | null;
  /** How many of them must have it; -1 = all that are in service. */
  readonly standbySlotsMinConfirmed: number;
  /** A standby that is further behind than this many bytes does not count as in service. */
  readonly standbySlotsMaxLagBytes: number;
  /** For how many seconds a standby may be dead or behind before the gate goes on without it; -1 = for ever. */
  readonly standbySlotsGraceSeconds: number;
  /** Whether a logical slot that was lost may be made anew, with a gap record (S3). */
  readonly recreateLost: boolean;
}

/** What the whole cluster's PostgreSQL configuration has; section `postgresql` of the key `config`. */
export interface ClusterPostgresConfig {
  readonly parameters: Readonly<Record<string, string>>;
  readonly hba: readonly string[] | null;
  readonly ident: readonly string[] | null;
  readonly useSlots: boolean;
  readonly usePgRewind: boolean;
  /** Whether data that cannot be rewound may be taken away for a fresh copy. */
  readonly removeDataOnRewindFailure: boolean;
  readonly removeDataOnDivergedTimelines: boolean;
}

/** Where another cluster's primary is, when this cluster only follows it; section `standby_cluster`. */
export interface StandbyClusterConfig {
  readonly host: string | null;
  readonly port: number | null;
  readonly primarySlotName: string | null;
  /** Settings of its leader's recovery, such as `restore_command`: name → value. */
  readonly recovery: Readonly<Record<string, string>>;
  /** How the first leader copies the remote primary, where not as others copy it; names of `create_replica_methods`. */
  readonly createReplicaMethods: readonly string[];
}

/** What only counts where slotkeeper leads (`ha: manage`); Patroni's names and defaults. */
export interface LeadConfig {
  readonly maximumLagOnFailoverBytes: number;
  /** How long a crashed primary may take to come back before another one may take over, in seconds. */
  readonly primaryStartTimeout: number;
  /**
   * In synchronous mode: how long a primary may take to stop before it is stopped at once, in seconds; 0 = as long as the
   * lease allows.
   */
  readonly primaryStopTimeout: number;
  /** Without Consul the primary goes on as long as every other member agrees (L11). */
  readonly failsafeMode: boolean;
  readonly checkTimeline: boolean;
  readonly synchronousMode: boolean;
  readonly synchronousModeStrict: boolean;
  readonly synchronousNodeCount: number;
  /** -1 = any lag. */
  readonly maximumLagOnSyncnodeBytes: number;
  /** How long the slot of a member that is gone is kept, in seconds; 0 = not at all. */
  readonly memberSlotsTtl: number;
  /** slotkeeper's own (L4). */
  readonly promotionGuard: 'prefer' | 'require' | 'off';
  readonly postgresql: ClusterPostgresConfig;
  readonly standbyCluster: StandbyClusterConfig | null;
}

/** The cluster's configuration: the value of the key `config`, checked. Times in seconds as in Patroni. */
export interface DynamicConfig {
  readonly ttl: number;
  readonly loopWait: number;
  readonly retryTimeout: number;
  readonly pause: boolean;
  readonly slots: ReadonlyMap<string, DeclaredSlot>;
  readonly ignoreSlots: readonly SlotMatcher[];
  readonly failoverSlots: FailoverSlotsConfig;
  readonly lead: LeadConfig;
}

/** `tags` of a member, checked; unknown tags are kept for readers of the member key. */
export interface Tags {
  readonly nofailover: boolean;
  readonly nostream: boolean;
  readonly replicatefrom: string | null;
  readonly nosync: boolean;
  readonly clonefrom: boolean;
  /** Among equals the higher one leads; `nofailover` is 0. */
  readonly failoverPriority: number;
  /** Among standbys that could be synchronous the higher one is; `nosync` is 0. */
  readonly syncPriority: number;
  readonly raw: Readonly<Record<string, unknown>>;
}

export const noTags: Tags = {
  nofailover: false,
  nostream: false,
  replicatefrom: null,
  nosync: false,
  clonefrom: false,
  failoverPriority: 1,
  syncPriority: 1,
  raw: {},
};
