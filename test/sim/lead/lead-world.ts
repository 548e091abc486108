import { NEVER, Subject } from 'rxjs';
import type { AgentPorts } from '../../../src/agent.ts';
import { noTags, type Tags } from '../../../src/domain/config.ts';
import type { Ledger } from '../../../src/domain/local.ts';
import { majorOf } from '../../../src/domain/version.ts';
import type { AgentRequest } from '../../../src/domain/request.ts';
import { type LocalServer, ServerError } from '../../../src/postgres/port.ts';
import type { ManagedSelf } from '../../../src/domain/managed.ts';
import { healthyLink, type LinkContext, type LinkFaults } from '../link.ts';
import type { PgServer } from '../pg-server.ts';
import { Random } from '../random.ts';
import { type AgentRun, agentSettings, runAgent, simKeys } from '../sim-agent.ts';
import { simServer } from '../sim-server.ts';
import type { ServerChanges } from '../server-changes.ts';
import { Tally } from '../tally.ts';
import { Trace } from '../trace.ts';
import { VirtualTime } from '../virtual-time.ts';
import { FreezableConsul } from './frozen-consul.ts';
import { Host } from './host.ts';
import { LeadCluster } from './lead-cluster.ts';
import { withClients } from './lead-look.ts';
import { configJson, type LeadScopeConfig, someConfig } from './lead-config.ts';
import { type Pair, Pairs } from './pairs.ts';
import { LeadSlots, type SlotWitness } from './lead-slots.ts';
import { type LifelineMode, SimLifelines } from './sim-lifeline.ts';
import { simManaged } from './sim-managed.ts';
import { simPeers } from './sim-peers.ts';
import { SimProcess } from './sim-process.ts';
import { Writers } from './writers.ts';

/** What the checks hear of as it happens. */
export interface LeadWitness extends SlotWitness {
  readonly slots: ServerChanges;
  readonly writable: (host: Host, term: number) => void;
  readonly diverged: (standby: PgServer, upstream: PgServer) => void;
  readonly turned: (run: AgentRun) => void;
  readonly bug: (name: string, error: unknown) => void;
}

/** Breaks a rule on purpose, to see whether the checks notice. */
export interface LeadSabotage {
  readonly ports?: (ports: AgentPorts, member: LeadMember, world: LeadWorld) => AgentPorts;
  readonly lifeline?: LifelineMode;
}

/** A host: a server, its lifeline, the agent beside it, and the ways to Consul and to the server. */
export interface LeadMember {
  readonly name: string;
  readonly host: Host;
  readonly lifeline: SimLifelines;
  readonly tags: Partial<Tags>;
  readonly consulLink: LinkFaults;
  readonly serverLink: LinkFaults;
  /** No other agent is reached, and none gets here. */
  isAlone: boolean;
  /** What others ask of the agent that runs now, and how often they have. */
  requests$: Subject<AgentRequest>;
  asked: number;
  /** How far somebody has set the wall clock off. */
  wallJumpMs: number;
  process: SimProcess | null;
  agent: AgentRun | null;
  /** Until then nothing else may go wrong here: what somebody did by hand is to be survived by a healthy member. */
  sparedUntilMs: number;
}

const versions = [150_018, 160_014, 170_010, 180_004];
const managedSelf: ManagedSelf = {
  listen: '*',
  port: 5432,
  parameters: {},
  hba: null,
  ident: null,
  useSlots: null,
  usePgRewind: null,
  removeDataOnRewindFailure: null,
  removeDataOnDivergedTimelines: null,
  canBootstrap: true,
  canRestore: false,
  bootstrapDcs: null,
  bootstrapConfig: null,
};

function ledgerOf({ name, systemIdentifier, server }: Host): Ledger {
  const { ledger } = server.files;
  return ledger !== null && ledger.member === name && ledger.systemIdentifier === systemIdentifier
    ? ledger
    : { member: name, systemIdentifier, slots: new Map(), feedbackSet: false, settingsSet: [] };
}

/** A cluster that slotkeeper leads: everything outside the agents, and the agents themselves, from one seed. */
export class LeadWorld {
  readonly time = new VirtualTime();
  readonly trace: Trace;
  readonly tally = new Tally();
  readonly random: Random;
  readonly consul: FreezableConsul;
  readonly cluster: LeadCluster;
  readonly writers: Writers;
  readonly members: readonly LeadMember[];
  readonly slots: LeadSlots;
  /** Agents that do not reach each other. */
  readonly agentsApart = new Pairs();
  config: LeadScopeConfig;
  /** When everything was mended; null = not yet. */
  healedAtMs: number | null = null;
  /** Until then nothing goes wrong anywhere. */
  sparedUntilMs = 0;
  #systems = 0;
  readonly #serverTripMs: number;
  readonly #lifelineMode: LifelineMode;
  readonly #witness: LeadWitness;
  readonly #sabotage: LeadSabotage;

  /** `hasSlots` null = by the seed. */
  constructor(
    seed: number,
    witness: (world: LeadWorld) => LeadWitness,
    sabotage: LeadSabotage,
    keepLines: number,
    hasSlots: boolean | null = null,
  ) {
    this.random = new Random(seed);
    const { time, random } = this;
    this.trace = new Trace(() => time.nowMs(), keepLines);
    this.#sabotage = sabotage;
    this.consul = new FreezableConsul(time, random.fork(), (commit) => {
      this.#witness.committed(commit);
    });
    // The shorter a lease, the more happens in a history: most of Consuls here let sessions be shorter than usual.
    this.consul.sessionTtlMinSeconds = random.pick([5, 5, 5, 10, 15]);
    this.cluster = new LeadCluster(
      time,
      random.fork(),
      (server, what) => {
        this.trace.add(server.name, what);
      },
      (standby, upstream) => {
        this.#witness.diverged(standby, upstream);
      },
    );
    const config = someConfig(random.fork());
    this.config = { ...config, withSlots: hasSlots ?? config.withSlots };
    this.#serverTripMs = random.pick([3, 20, 60]);
    this.#lifelineMode = random.pick(['on', 'fast']);
    const versionNum = random.pick(versions);
    const isMade = random.chance(0.7);
    // Not where it might be the one that makes the cluster: nobody else would have its data then.
    const lastTags = isMade && random.chance(0.15) ? { nofailover: true } : {};
    this.members = ['node-a', 'node-b', 'node-c'].map((name) =>
      this.#member(name, name === 'node-c' ? lastTags : {}, versionNum),
    );
    this.writers = new Writers(time, random.fork(), this.cluster, () => this.#isKept(), this.tally.count);
    const major = majorOf(versionNum);
    if (major >= 17 && random.chance(0.5)) this.config = { ...this.config, failoverMark: true };
    this.slots = new LeadSlots(this, major, random.fork(), this.config.withSlots, (slot, before) => {
      this.#witness.began(slot, before);
    });
    this.#witness = witness(this);
    if (isMade) this.#makeCluster();
    this.writeConfig(this.config);
  }

  member(name: string): LeadMember {
    const member = this.members.find((each) => each.name === name);
    if (member === undefined) throw new RangeError(`no member ${name}`);
    return member;
  }

  somePair(random: Random): Pair {
    const first = random.pick(this.members);
    const second = random.pick(this.members.filter((member) => member !== first));
    return [first.name, second.name];
  }

  writeConfig(config: LeadScopeConfig): void {
    this.config = config;
    this.slots.configured(config);
    this.putByHand(simKeys.config, configJson(config));
  }

  /** `consul kv put` by a person. */
  putByHand(key: string, value: string): void {
    if (this.consul.isFrozen) return;
    this.trace.add('operator', `puts ${key} ${value.slice(0, 200)}`);
    this.consul.state.transact(null, [{ verb: 'set', key, value }]);
  }

  startAgent(member: LeadMember): void {
    if (member.agent?.life.alive === true) return;
    const { time, random } = this;
    const process = new SimProcess(time, random.int(1_000, 1_000_000));
    const managed = simManaged({
      time,
      random: random.fork(),
      cluster: this.cluster,
      host: member.host,
      process,
      newSystemIdentifier: () => this.#newSystemIdentifier(),
    });
    const chance = random.fork();
    member.requests$ = new Subject();
    const ports: AgentPorts = {
      consul: this.consul.connect(member.name, process, member.consulLink, (trouble) => {
        this.tally.count(`agent and Consul: ${trouble}`);
      }),
      server: this.#localServer(member, process),
      managed,
      lifeline: member.lifeline.connect(process),
      peers: simPeers(this, member, process, random.fork()),
      clock: process.clock(() => member.wallJumpMs),
      random: chance.next,
      requests$: member.requests$,
      reloads$: NEVER,
    };
    this.trace.add(member.name, 'agent starts');
    member.asked = 0;
    member.process = process;
    const settings = agentSettings(member.name, member.tags);
    member.agent = runAgent(
      { ...settings, self: { ...settings.self, ha: 'manage', managed: managedSelf } },
      process,
      this.#sabotage.ports?.(ports, member, this) ?? ports,
      time.nowMs(),
      (run, turn) => {
        run.turn = turn;
        this.#witness.turned(run);
      },
      (error) => {
        this.#witness.bug(member.name, error);
      },
    );
  }

  killAgent(member: LeadMember): void {
    if (member.agent === null) return;
    this.trace.add(member.name, 'agent killed');
    member.agent.kill();
    member.agent = null;
    member.process = null;
  }

  /** Power off: agent, server, lifeline and Consul's client agent at once. */
  killHost(member: LeadMember): void {
    this.killAgent(member);
    member.host.crash('host is gone');
    member.lifeline.forget();
    this.consul.restartClientAgent(member.name);
  }

  /** Lets a process of the member go on that has been stopped. */
  thaw(name: string, process: SimProcess): void {
    const member = this.member(name);
    const { frozenForMs } = process;
    const session = member.process === process ? member.agent?.turn?.view.session : undefined;
    if (session?.kind === 'held' && frozenForMs > session.ttlSeconds * 1_000) {
      const wasLeading = member.agent?.turn?.view.memory.lead.guard !== null;
      this.tally.count(
        wasLeading ? 'leaders paused for longer than their lease' : 'others paused for longer than a lease',
      );
    }
    process.thaw();
  }

  #isKept(): boolean {
    return this.config.synchronousMode !== 'off' && this.consul.state.keys.has(simKeys.sync);
  }

  #newSystemIdentifier(): string {
    this.#systems += 1;
    return `73000000000000000${String(this.#systems).padStart(2, '0')}`;
  }

  /** What there is before the first agent starts, where the cluster is not theirs: servers that somebody has stopped. */
  #makeCluster(): void {
    const [first, ...others] = this.members;
    first!.host.initdb(this.#newSystemIdentifier());
    for (const other of others) {
      other.host.copyOf(first!.host);
      other.host.directory = 'cluster';
    }
  }

  #member(name: string, tags: Partial<Tags>, versionNum: number): LeadMember {
    const { time, random } = this;
    const setup = { name, versionNum, maxSlots: 12, walLevel: 'logical', keepBytes: 1_000_000_000n } as const;
    const host = new Host(time, random.fork(), setup, {
      writable: (which, term) => {
        this.slots.leads(which.server);
        this.#witness.writable(which, term);
      },
      drained: (which) => {
        for (const { server } of this.cluster.hosts.values()) {
          if (server.streaming && server.upstream === which.server) server.received = which.server.branch.end;
        }
      },
      told: (which, what) => {
        this.trace.add(which.name, what);
      },
      counted: this.tally.count,
    });
    this.cluster.addHost(host);
    const consulLink = healthyLink();
    const lifelineConsul = this.consul.connect(name, { alive: true }, consulLink);
    return {
      name,
      host,
      lifeline: new SimLifelines(
        time,
        random.fork(),
        host,
        lifelineConsul,
        this.#sabotage.lifeline ?? this.#lifelineMode,
      ),
      tags: { ...noTags, ...tags },
      consulLink,
      serverLink: healthyLink(),
      isAlone: false,
      requests$: new Subject(),
      asked: 0,
      wallJumpMs: 0,
      process: null,
      agent: null,
      sparedUntilMs: 0,
    };
  }

  #localServer(member: LeadMember, process: SimProcess): LocalServer {
    const { host } = member;
    const link: LinkContext = {
      time: this.time,
      random: this.random.fork(),
      life: process,
      faults: member.serverLink,
      usualTripMs: this.#serverTripMs,
      broken: (why) => new ServerError(why, 'other', null),
      patienceMs: 5_000,
      told: (trouble) => {
        this.tally.count(`agent and server: ${trouble}`);
      },
    };
    const port = simServer(this.cluster, host.server, link, this.#witness.slots);
    const requireOpen = (): void => {
      if (host.isPrivate) throw new ServerError('connection refused', 'not_running', null);
      if (host.isClosing) throw new ServerError('the database system is shutting down', 'stopping', '57P03');
    };
    return {
      ...port,
      look: async (signal) => {
        const look = await port.look(signal);
        requireOpen();
        return withClients(look, host, this.cluster);
      },
      readLedger: () => Promise.resolve(ledgerOf(host)),
    };
  }
}
