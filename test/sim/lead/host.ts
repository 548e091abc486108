import type { DiskState, TermOnDisk, UnfinishedWork } from '../../../src/domain/disk.ts';
import type { Lsn } from '../../../src/domain/lsn.ts';
import type { ServerPlan } from '../../../src/domain/managed.ts';
import { cloneData } from '../pg-cluster.ts';
import { PgServer, type ServerSetup } from '../pg-server.ts';
import type { Random } from '../random.ts';
import type { VirtualTime } from '../virtual-time.ts';
import { Branch } from '../wal.ts';

/** What the rest of the world hears of a server. */
export interface HostWitness {
  /** The server accepts writes from now on, under this term. */
  readonly writable: (host: Host, term: number) => void;
  /** A fast stop ends: standbys that stream get what is left. */
  readonly drained: (host: Host) => void;
  readonly told: (host: Host, what: string) => void;
  /** For the tally. */
  readonly counted: (what: string) => void;
}

/** What makes a server slow, or keeps it from starting. */
export interface HostFaults {
  startFails: boolean;
  startMs: number;
  promoteMs: number;
  stopMs: number;
  cloneMs: number;
}

export const usualFaults: Readonly<HostFaults> = {
  startFails: false,
  startMs: 600,
  promoteMs: 400,
  stopMs: 800,
  cloneMs: 4_000,
};

/** Existing sessions may still get a commit through for this long after a fast stop was asked for. */
const lastCommitMs = 30;
/** The checkpoint after a promotion: until it is done the control file names the old timeline (FACTS 4). */
const checkpointMs = 8_000;

/**
 * A data directory and the server that may run on it: what `pg_ctl` and its kin do. It goes on by itself whatever becomes
 * of the process that asked for it.
 */
export class Host {
  readonly server: PgServer;
  readonly faults: HostFaults = { ...usualFaults };
  directory: 'empty' | 'cluster' | UnfinishedWork = 'empty';
  systemIdentifier = '';
  term: TermOnDisk | null = null;
  /** What initdb's cluster is noted as until a term takes the note's place. */
  isUnled = false;
  savedConfig: string | null = null;
  /** The configuration files, as last written. */
  plan: ServerPlan | null = null;
  /** What PostgreSQL went by when it last read them. */
  synchronousStandbyNames: string | null = null;
  /** pg_rewind could not know where two lines of the same number part, and mixed them. */
  isMixed = false;
  isClosing = false;
  /** A bootstrap at work: nobody else is let in. */
  isPrivate = false;
  /** Counts what changes the server's state from outside: whoever began before may not end it. */
  epoch = 0;
  /** What is under way, for `isIdle`. */
  #work: 'start' | 'stop' | 'promote' | null = null;
  #wasClean = true;
  #checkpointLsn: Lsn;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #witness: HostWitness;

  constructor(time: VirtualTime, random: Random, setup: ServerSetup, witness: HostWitness) {
    this.#time = time;
    this.#random = random;
    this.#witness = witness;
    this.server = new PgServer(setup, new Branch(1, null, 0n), 1_000);
    this.#checkpointLsn = this.server.received;
  }

  get name(): string {
    return this.server.name;
  }

  get isDown(): boolean {
    return this.server.state === 'down';
  }

  get isWritable(): boolean {
    const { server } = this;
    return server.state === 'up' && server.role === 'primary' && !this.isClosing && !this.isPrivate;
  }

  /** Nothing is under way. */
  get isIdle(): boolean {
    return this.#work === null;
  }

  disk(): DiskState {
    if (this.directory === 'empty') return { kind: 'empty' };
    if (this.directory !== 'cluster') return { kind: 'unfinished', what: this.directory };
    const { server } = this;
    const isStandby = server.role === 'standby';
    const clean = isStandby ? 'shut down in recovery' : 'shut down';
    const crashed = isStandby ? 'in archive recovery' : 'in production';
    const lsn = this.#checkpointLsn;
    return {
      kind: 'cluster',
      control: {
        systemIdentifier: this.systemIdentifier,
        state: this.#wasClean ? clean : crashed,
        timeline: server.branch.at(lsn).timeline,
        checkpointLsn: lsn,
        minRecoveryEndLsn: isStandby ? server.replayed : null,
        minRecoveryEndTimeline: isStandby ? server.branch.at(server.replayed).timeline : null,
        isRewindable: true,
      },
      isStandby,
      term: this.term,
      isUnled: this.isUnled,
      switches: switchesOf(server.branch),
    };
  }

  /** Something that was done to it, for the tally. */
  counted(what: string): void {
    this.#witness.counted(what);
  }

  /** A new cluster, as initdb leaves it. */
  initdb(systemIdentifier: string): void {
    this.counted('clusters made');
    const { setup } = this.server;
    const branch = new Branch(1, null, 0x3000000n);
    cloneData(this.server, new PgServer(setup, branch, 1_000), branch.end);
    this.server.role = 'primary';
    this.systemIdentifier = systemIdentifier;
    this.directory = 'cluster';
    this.term = null;
    this.isUnled = true;
    this.isMixed = false;
    this.#wasClean = true;
    this.#checkpointLsn = branch.end;
  }

  /** The data of another server, that of a standby. */
  copyOf(source: Host): void {
    const from = source.server;
    cloneData(this.server, from, from.oldestWal);
    this.server.role = 'standby';
    this.server.files.ledger = null;
    this.systemIdentifier = source.systemIdentifier;
    this.term = null;
    this.isUnled = false;
    this.savedConfig = null;
    this.isMixed = source.isMixed;
    this.#wasClean = false;
    this.#checkpointLsn = from.position;
  }

  removeData(): void {
    this.directory = 'empty';
    this.term = null;
    this.isUnled = false;
    this.savedConfig = null;
    this.server.files.ledger = null;
    this.server.slots.clear();
  }

  /** Begins to start; `isPrimary` null = as the directory says. */
  start(isPrimary: boolean | null): void {
    if (this.server.state !== 'down') return;
    const { server, faults } = this;
    const asPrimary = isPrimary ?? server.role === 'primary';
    server.state = 'starting';
    this.isClosing = false;
    if (asPrimary && server.role === 'standby') {
      // Its standby.signal was taken away: it goes on from its own end, on the very timeline.
      server.replayTo(server.received);
      server.branch = new Branch(server.branch.timeline, server.branch, server.received);
    }
    server.role = asPrimary ? 'primary' : 'standby';
    if (!asPrimary) server.running.clear();
    const tookMs = faults.startMs * (0.4 + 0.6 * this.#random.next());
    this.#begin('start', tookMs, () => {
      this.synchronousStandbyNames = this.plan?.synchronousStandbyNames ?? null;
      this.#wasClean = false;
      if (asPrimary) this.#checkpointLsn = server.branch.end;
      server.start(this.#time.nowMs());
      if (asPrimary) this.counted('starts as a primary');
      this.#witness.told(this, `server is up as ${server.role}, timeline ${server.branch.timeline}`);
      if (this.isWritable) this.#witness.writable(this, this.term?.term ?? 0);
    });
  }

  /** Begins to stop. A second one of the same kind changes nothing. */
  stopFast(): void {
    const { server } = this;
    if (this.isDown || this.isClosing) return;
    if (server.state === 'starting') {
      this.crash('stopped while it started');
      return;
    }
    const { epoch } = this;
    this.#time.in(lastCommitMs * this.#random.next(), () => {
      if (this.epoch === epoch + 1) this.isClosing = true;
    });
    this.#begin('stop', this.faults.stopMs * (0.1 + 0.9 * this.#random.next()) + lastCommitMs, () => {
      if (server.role === 'primary') {
        this.#checkpointLsn = server.branch.end;
        server.logRunning();
        this.#witness.drained(this);
      } else this.#checkpointLsn = server.replayed;
      server.stop();
      this.isClosing = false;
      this.#wasClean = true;
      this.#witness.told(this, 'server has stopped');
    });
  }

  /** No write is accepted from now on. */
  crash(why: string): void {
    this.epoch += 1;
    this.#work = null;
    this.isClosing = false;
    this.isPrivate = false;
    if (this.isDown) return;
    this.server.crash();
    this.#wasClean = false;
    this.#witness.told(this, `server is down: ${why}`);
  }

  /** Begins to promote a standby that runs. `newestTimeline`: what history files say is taken. */
  promote(newestTimeline = 1): void {
    const { server } = this;
    if (server.state !== 'up' || server.role !== 'standby' || this.#work !== null) return;
    this.#begin('promote', this.faults.promoteMs * (0.2 + 0.8 * this.#random.next()), () => {
      server.replayPaused = false;
      server.promote(Math.max(server.branch.timeline, newestTimeline) + 1);
      this.counted('promotions');
      this.#witness.told(this, `server is promoted, timeline ${server.branch.timeline}`);
      this.#witness.writable(this, this.term?.term ?? 0);
      const { epoch } = this;
      this.#time.in(
        checkpointMs * this.#random.next(),
        () => {
          if (this.epoch === epoch) this.#checkpointLsn = server.branch.end;
        },
        false,
      );
    });
  }

  reload(): void {
    if (this.server.state === 'up') this.synchronousStandbyNames = this.plan?.synchronousStandbyNames ?? null;
  }

  /** What a bootstrap ends with: clients are let in. */
  admit(): void {
    this.isPrivate = false;
    if (this.isWritable) this.#witness.writable(this, this.term?.term ?? 0);
  }

  #begin(work: 'start' | 'stop' | 'promote', tookMs: number, end: () => void): void {
    this.epoch += 1;
    const { epoch } = this;
    this.#work = work;
    this.#time.in(tookMs, () => {
      if (this.epoch !== epoch) return;
      this.#work = null;
      end();
    });
  }
}

export function switchesOf(branch: Branch): readonly { readonly timeline: number; readonly lsn: Lsn }[] {
  const switches: { timeline: number; lsn: Lsn }[] = [];
  for (let at = branch; at.parent !== null; at = at.parent) {
    switches.unshift({ timeline: at.parent.timeline, lsn: at.forkLsn });
  }
  return switches;
}
