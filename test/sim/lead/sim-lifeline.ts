import type { ConsulPort } from '../../../src/consul/port.ts';
import type { Guard } from '../../../src/domain/lead.ts';
import { nextStep } from '../../../src/lifeline/decision.ts';
import type { Lifeline } from '../../../src/postgres/managed-port.ts';
import type { Random } from '../random.ts';
import { simKeys } from '../sim-agent.ts';
import type { VirtualTime } from '../virtual-time.ts';
import type { Host } from './host.ts';
import type { SimProcess } from './sim-process.ts';

/** `fast`: `consul.fast_failover`. */
export type LifelineMode = 'on' | 'fast' | 'off';

const calmMs = 250;
const alertMs = 25;
/** How long a machine may take to wake a lifeline, and to end a server. */
const latenessMs = 150;
const returnAgainMs = 500;

type Leading = Guard & { readonly kind: 'leader' };

/** What a lifeline leaves in the data directory for the next one. Deadlines here are in the world's time. */
interface GuardRecord {
  readonly guard: Leading;
  readonly keeper: Keeper;
  /** Which run of the server was guarded; null = none ran. */
  readonly starts: number | null;
}

/** The lifelines of one machine, one for each run of its agent, which outlive the agents and die with the machine. */
export class SimLifelines {
  record: GuardRecord | null = null;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly host: Host;
  readonly consul: ConsulPort;
  readonly mode: LifelineMode;
  #keepers: readonly Keeper[] = [];

  /** `consul`: over the same way as the agent's. */
  constructor(time: VirtualTime, random: Random, host: Host, consul: ConsulPort, mode: LifelineMode) {
    this.time = time;
    this.random = random;
    this.host = host;
    this.consul = consul;
    this.mode = mode;
  }

  connect(process: SimProcess): Lifeline {
    const keeper = new Keeper(this, process);
    this.#keepers = [...this.#keepers.filter(({ isEnded }) => !isEnded), keeper];
    const trip = (): Promise<void> =>
      new Promise((resolve) => {
        this.time.in(3 * this.random.next(), () => {
          process.whenAwake(resolve);
        });
      });
    return {
      guard: async (guard) => {
        await trip();
        keeper.take(guard.kind === 'none' ? guard : { ...guard, deadlineMs: guard.deadlineMs - process.originMs });
        await trip();
      },
      close: () => Promise.resolve(),
    };
  }

  /** The machine is gone, and everything on it; a guard of before its start is void. */
  forget(): void {
    for (const keeper of this.#keepers) keeper.isEnded = true;
    this.#keepers = [];
    this.record = null;
  }
}

/** One lifeline: what `src/lifeline/keeper.ts` does with a real machine, by the same decisions. */
class Keeper {
  isEnded = false;
  readonly process: SimProcess;
  readonly #all: SimLifelines;
  #guard: Leading | null = null;
  #isInherited = false;
  #isFenced = false;
  #agentGoneAtMs: number | null = null;
  /** Sessions whose key is still to be given back. */
  readonly #returning = new Set<string>();

  constructor(all: SimLifelines, process: SimProcess) {
    this.#all = all;
    this.process = process;
    const { record, host } = all;
    if (record !== null && !host.isDown && record.starts === host.server.starts && !record.keeper.process.alive) {
      this.#guard = record.guard;
      this.#isInherited = true;
      this.#write(record.guard);
    }
    if (all.mode !== 'off') this.#watch();
  }

  take(guard: Guard): void {
    if (this.isEnded) return;
    if (guard.kind === 'leader') {
      this.#guard = guard;
      this.#isInherited = false;
      if (guard.deadlineMs > this.#all.time.nowMs()) this.#isFenced = false;
      this.#write(guard);
    } else if (!this.#isInherited || this.#isFenced) this.#drop();
  }

  #write(guard: Leading): void {
    const { host } = this.#all;
    this.#all.record = { guard, keeper: this, starts: host.isDown ? null : host.server.starts };
  }

  #drop(): void {
    this.#guard = null;
    this.#isInherited = false;
    this.#isFenced = false;
    if (this.#all.record?.keeper === this) this.#all.record = null;
  }

  #watch(): void {
    if (this.isEnded) return;
    this.#look();
    const { time, random } = this.#all;
    const everyMs = this.#isFenced || !this.process.alive ? alertMs : calmMs;
    const leftMs = this.#guard === null || this.#isFenced ? everyMs : this.#guard.deadlineMs - time.nowMs();
    const late = leftMs <= everyMs ? latenessMs * random.next() : 0;
    const inMs = Math.max(1, Math.min(everyMs, leftMs)) + late;
    const watch = (): void => {
      this.#watch();
    };
    // The agent waits for nothing that is done here.
    time.in(inMs, watch, false);
  }

  #look(): void {
    const { time, host, mode, record } = this.#all;
    const nowMs = time.nowMs();
    if (!this.process.alive) this.#agentGoneAtMs ??= nowMs;
    const step = nextStep({
      nowMs,
      guard: this.#guard,
      isInherited: this.#isInherited,
      isFenced: this.#isFenced,
      agentGoneAtMs: this.#agentGoneAtMs,
      fastFailover: mode === 'fast',
      server: host.isDown ? 'none' : host.server.role,
      hasHeir: record !== null && record.keeper !== this,
      isDataRemoved: host.directory === 'empty',
      areKeysReturned: this.#returning.size === 0,
    });
    if (step.kind === 'fence') this.#fence(step.why);
    if (step.kind === 'drop') this.#drop();
    if (step.kind === 'end') this.isEnded = true;
  }

  #fence(why: string): void {
    const { host } = this.#all;
    this.#isFenced = true;
    if (!host.isDown) host.counted('servers stopped by their lifeline');
    host.crash(`stopped by its lifeline, ${why}`);
    if (this.#guard === null) return;
    const { session } = this.#guard;
    this.#returning.add(session);
    this.#giveBack(session);
  }

  #giveBack(session: string): void {
    if (this.isEnded || !this.#returning.has(session)) return;
    this.#all.consul
      .transact(
        [
          { verb: 'check-session', key: simKeys.leader, session },
          { verb: 'delete', key: simKeys.leader },
        ],
        new AbortController().signal,
      )
      .then(
        () => this.#returning.delete(session),
        () => {
          this.#all.time.in(returnAgainMs, () => {
            this.#giveBack(session);
          });
        },
      );
  }
}
