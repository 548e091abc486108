import type { Tags } from '../../src/domain/config.ts';
import type { LinkFaults } from './link.ts';
import type { PgCluster } from './pg-cluster.ts';
import type { PgServer } from './pg-server.ts';
import type { ScopeConfig } from './scope-config.ts';
import type { AgentRun } from './sim-agent.ts';
import type { SimConsul } from './sim-consul.ts';
import type { Trace } from './trace.ts';
import type { VirtualTime } from './virtual-time.ts';
import type { Workload } from './workload.ts';

/** A host, as far as the rules of slots depend on it. */
export interface SlotMember {
  readonly name: string;
  readonly server: PgServer;
  readonly tags: Partial<Tags>;
  readonly consulLink: LinkFaults;
  readonly agent: AgentRun | null;
}

/** A configuration as it was written, and when. `good` = null for a value that must change nothing. */
export interface ConfigWrite {
  readonly atMs: number;
  readonly good: ScopeConfig | null;
}

/** What the rules of slots are checked on: a cluster that something else leads, or one that slotkeeper leads. */
export interface SlotWorld {
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly consul: SimConsul;
  readonly cluster: PgCluster;
  readonly workload: Pick<Workload, 'consumers' | 'follow'>;
  readonly members: readonly SlotMember[];
  readonly config: ScopeConfig;
  readonly configWrites: readonly ConfigWrite[];
  /** The major version of all servers. */
  readonly major: number;
  /** `primary`: where consumers are, or last were. `changedAtMs`: when the chain above each server was last changed. */
  readonly ha: { readonly primary: PgServer; readonly changedAtMs: ReadonlyMap<string, number> };
  /** How long an agent may still act on what has been replaced meanwhile, in milliseconds. */
  readonly knowledgeMs: () => number;
  readonly isFollowed: (slot: { readonly name: string; readonly plugin: string; readonly database: string }) => boolean;
  readonly member: (name: string) => SlotMember;
  /** Whether the agent can't tell others of what it sees, or can't see. */
  readonly isCutOff: (member: SlotMember) => boolean;
}
