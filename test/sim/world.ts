import { NEVER } from 'rxjs';
import type { AgentPorts, LearntTurn } from '../../src/agent.ts';
import type { Tags } from '../../src/domain/config.ts';
import { majorOf } from '../../src/domain/version.ts';
import { ServerError } from '../../src/postgres/port.ts';
import type { Commit } from './consul-state.ts';
import { HaManager } from './ha-manager.ts';
import { healthyLink, type LinkFaults } from './link.ts';
import { PgCluster } from './pg-cluster.ts';
import { PgServer, type ServerSetup } from './pg-server.ts';
import type { LogicalPgSlot } from './pg-slot.ts';
import { Random } from './random.ts';
import { configJson, firstConfig, isFollowed, type ScopeConfig } from './scope-config.ts';
import { type AgentRun, agentSettings, runAgent, simKeys } from './sim-agent.ts';
import { SimConsul } from './sim-consul.ts';
import type { ServerChanges } from './server-changes.ts';
import { simServer } from './sim-server.ts';
import type { ConfigWrite } from './slot-world.ts';
import { Trace } from './trace.ts';
import { virtualClock } from './virtual-clock.ts';
import { VirtualTime } from './virtual-time.ts';
import { Branch } from './wal.ts';
import { type Consumer, Workload } from './workload.ts';

const calmMs = 15_000;

/** Half of all clusters have PostgreSQL's own slot synchronisation, a quarter has templates only. */
const versions = [110_022, 130_023, 150_018, 160_014, 160_014, 170_010, 170_010, 180_004, 180_004];

/** What the checks hear of as it happens. */
export interface Witness {
  readonly changes: ServerChanges;
  readonly committed: (commit: Commit) => void;
  readonly turned: (run: AgentRun) => void;
  /** A slot begins on the primary; `before`: whoever read from the one that had its name. */
  readonly began: (slot: LogicalPgSlot, before: Consumer | undefined) => void;
  /** A standby is about to be promoted in place of `old`. */
  readonly promoting: (server: PgServer, old: PgServer) => void;
  readonly bug: (name: string, error: unknown) => void;
}

/** Breaks a rule on purpose, to see whether the checks notice: between an agent and the world, or in what it says. */
export interface Sabotage {
  readonly ports?: (ports: AgentPorts, member: Member, world: World) => AgentPorts;
  readonly turn?: (turn: LearntTurn) => LearntTurn;
}

/** A host: a server, the agent beside it, and its ways to Consul and to the server. */
export interface Member {
  readonly name: string;
  readonly server: PgServer;
  readonly tags: Partial<Tags>;
  readonly consulLink: LinkFaults;
  readonly serverLink: LinkFaults;
  agent: AgentRun | null;
}

/** Everything outside the agents, and the agents themselves, on one virtual time and from one seed. */
export class World {
  readonly time = new VirtualTime();
  readonly trace: Trace;
  readonly random: Random;
  readonly consul: SimConsul;
  readonly cluster: PgCluster;
  readonly ha: HaManager;
  readonly workload: Workload;
  readonly members: readonly Member[];
  readonly configWrites: ConfigWrite[] = [];
  /** The major version of all servers. */
  readonly major: number;
  config: ScopeConfig;
  /** Nobody does any more harm. */
  isHealed = false;
  #disturbedAtMs = 0;
  /** Where a server is slow to answer, much happens while an agent looks at it. */
  readonly #serverTripMs: number;
  readonly #witness: Witness;
  readonly #sabotage: Sabotage;

  constructor(seed: number, witness: (world: World) => Witness, sabotage: Sabotage, keepLines: number) {
    this.random = new Random(seed);
    this.trace = new Trace(() => this.time.nowMs(), keepLines);
    this.#witness = witness(this);
    this.#sabotage = sabotage;
    this.consul = new SimConsul(this.time, this.random.fork(), (commit) => {
      this.#witness.committed(commit);
    });
    this.consul.sessionTtlMinSeconds = this.random.chance(0.2) ? 15 : 10;
    this.cluster = new PgCluster(this.time, this.random.fork(), (server, what) => {
      this.trace.add(server.name, what);
    });
    const versionNum = this.random.chance(0.02) ? 100_023 : this.random.pick(versions);
    this.major = majorOf(versionNum);
    this.members = this.#buildMembers(versionNum);
    this.config = firstConfig(this.major, this.random.fork());
    this.#serverTripMs = this.random.pick([10, 40, 100]);
    const [first, ...others] = this.members;
    this.ha = new HaManager(this.time, this.random.fork(), this.cluster, first!.server, this.trace, (server, old) => {
      this.#witness.promoting(server, old);
    });
    first!.server.role = 'primary';
    first!.server.start(0);
    for (const [at, other] of others.entries()) {
      const above = at > 0 && this.random.chance(0.4) ? others[at - 1]! : first!;
      other.server.start(0);
      this.ha.attach(other.server, above.server);
    }
    this.workload = new Workload(
      this.time,
      this.random.fork(),
      this.cluster,
      () => this.ha.primary,
      (slot, before) => {
        this.#witness.began(slot, before);
      },
    );
    this.writeConfig(this.config);
  }

  /** Somebody did something from which the agents have to recover first. */
  disturb(): void {
    this.#disturbedAtMs = this.time.nowMs();
  }

  /**
   * How long an agent may still act on a configuration or on slots of the primary that were replaced meanwhile: it
   * learns of both through Consul, and while Consul does not answer, or the leader's session has not ended yet, the last
   * good answer stays in force. In calm times everything is known within seconds.
   */
  knowledgeMs(): number {
    return this.time.nowMs() - this.#disturbedAtMs > calmMs ? 5_000 : 60_000;
  }

  /** Whether standbys are to have this slot of the primary, by the present configuration. */
  isFollowed(slot: { readonly name: string; readonly plugin: string; readonly database: string }): boolean {
    return isFollowed(this.config, this.major, slot);
  }

  isCutOff({ consulLink }: { readonly consulLink: LinkFaults }): boolean {
    return !this.consul.running || consulLink.mode !== 'ok';
  }

  member(name: string): Member {
    const member = this.members.find((each) => each.name === name);
    if (member === undefined) throw new RangeError(`no member ${name}`);
    return member;
  }

  writeConfig(config: ScopeConfig): void {
    this.config = config;
    this.configWrites.push({ atMs: this.time.nowMs(), good: config });
    this.putByHand(simKeys.config, configJson(config));
  }

  writeBadConfig(value: string): void {
    this.configWrites.push({ atMs: this.time.nowMs(), good: null });
    this.putByHand(simKeys.config, value);
  }

  /** `consul kv put` by a person. */
  putByHand(key: string, value: string): void {
    if (!this.consul.running) return;
    this.trace.add('operator', `puts ${key} ${value.slice(0, 200)}`);
    this.consul.state.transact(null, [{ verb: 'set', key, value }]);
  }

  startAgent(member: Member): void {
    if (member.agent?.life.alive === true) return;
    const life = { alive: true };
    const { time, cluster } = this;
    const link = { time, random: this.random.fork(), life };
    const random = this.random.fork();
    const ports: AgentPorts = {
      consul: this.consul.connect(member.name, life, member.consulLink),
      server: simServer(
        cluster,
        member.server,
        {
          ...link,
          faults: member.serverLink,
          usualTripMs: this.#serverTripMs,
          broken: (why) => new ServerError(why, 'other', null),
          patienceMs: 5_000,
        },
        this.#witness.changes,
      ),
      clock: virtualClock(time, life, this.random.int(1_000, 1_000_000)),
      random: random.next,
      managed: null,
      peers: null,
      lifeline: null,
      requests$: NEVER,
      reloads$: NEVER,
    };
    this.trace.add(member.name, 'agent starts');
    member.agent = runAgent(
      agentSettings(member.name, member.tags),
      life,
      this.#sabotage.ports?.(ports, member, this) ?? ports,
      time.nowMs(),
      (run, turn) => {
        run.turn = this.#sabotage.turn?.(turn) ?? turn;
        this.#witness.turned(run);
      },
      (error) => {
        this.#witness.bug(member.name, error);
      },
    );
  }

  killAgent(member: Member): void {
    if (member.agent === null) return;
    this.trace.add(member.name, 'agent killed');
    member.agent.kill();
    member.agent = null;
  }

  #buildMembers(versionNum: number): readonly Member[] {
    const { random } = this;
    // Just before the ids come round, so that comparisons must be made on the circle.
    const nextXid = 0x1_0000_0000 * 3 - random.int(3, 3_000);
    const branch = new Branch(1, null, 0x3000000n);
    const count = random.chance(0.8) ? 3 : 2;
    const slotKeepBytes =
      majorOf(versionNum) >= 13 && random.chance(0.25) ? BigInt(random.int(300_000, 3_000_000)) : null;
    const names = ['node-a', 'node-b', 'node-c'].slice(0, count);
    return names.map((name, at): Member => {
      const setup: ServerSetup = {
        name,
        versionNum,
        maxSlots: random.chance(0.1) ? random.int(4, 6) : 12,
        walLevel: at > 0 && random.chance(0.04) ? 'replica' : 'logical',
        keepBytes: BigInt(random.int(50_000, 2_000_000)),
      };
      const server = new PgServer(setup, branch, nextXid);
      server.feedback.configured = random.chance(0.3);
      server.slotKeepBytes = slotKeepBytes;
      if (majorOf(versionNum) >= 17 && random.chance(0.2))
        server.settings.configured.set('sync_replication_slots', 'on');
      this.cluster.add(server);
      const tags = at > 0 && random.chance(0.06) ? { nofailover: true } : {};
      return { name, server, tags, consulLink: healthyLink(), serverLink: healthyLink(), agent: null };
    });
  }
}
