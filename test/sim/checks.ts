import type { Commit } from './consul-state.ts';
import { type Goal, unfinished } from './at-rest.ts';
import { GateChecks } from './gate-checks.ts';
import { RepetitionChecks } from './repetition-checks.ts';
import { simKeys, type AgentRun } from './sim-agent.ts';
import { SlotRules } from './slot-rules.ts';
import { traceTurn } from './trace-turn.ts';
import { Violation } from './violation.ts';
import type { Witness, World } from './world.ts';

/** Between two looks at every verdict; what an agent has just planned is looked at at once. */
const sampleMs = 250;

/** All rules, checked while a history runs. The first violation stays. */
export class Checks {
  violation: Violation | null = null;
  readonly #world: World;
  readonly #slots: SlotRules;
  readonly #gate: GateChecks;
  readonly #repetition: RepetitionChecks;
  readonly #told = new Map<string, string>();
  #sampledAtMs = 0;
  #turned: AgentRun | null = null;

  constructor(world: World) {
    this.#world = world;
    const fail = (violation: Violation): void => {
      this.fail(violation);
    };
    this.#slots = new SlotRules(world, fail);
    this.#gate = new GateChecks(world, fail);
    this.#repetition = new RepetitionChecks(() => world.time.nowMs(), fail);
  }

  fail(violation: Violation): void {
    if (this.violation !== null) return;
    this.violation = violation;
    this.#world.trace.add('checks', `VIOLATION ${violation.message}`);
  }

  /** Consul has lost its data. */
  consulLosesData(): void {
    this.#slots.consulLostData = true;
  }

  witness(): Witness {
    return {
      changes: this.#slots.changes,
      began: (slot, consumer) => {
        this.#slots.began(slot, consumer);
      },
      promoting: (server, old) => {
        this.#slots.promoting();
        this.#gate.promoting(server, old);
      },
      committed: (commit) => {
        this.#trace(commit);
        this.#slots.committed(commit);
      },
      turned: (run) => {
        this.#turned = run;
        this.#repetition.turned(run);
        traceTurn(this.#world.trace, this.#told, run);
      },
      bug: (name, error) => {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        this.fail(new Violation('bug', `the agent ${name} ended with an error: ${text}`));
      },
    };
  }

  /** After every step. */
  afterStep(): void {
    const world = this.#world;
    if (this.#turned !== null) this.#slots.turned(this.#turned.name);
    this.#turned = null;
    if (world.time.nowMs() - this.#sampledAtMs < sampleMs) return;
    this.#sampledAtMs = world.time.nowMs();
    this.#slots.observe();
    this.#gate.observe();
  }

  /** When faults are over: what is not yet as it has to be; null = nothing. */
  unfinished(goal: Goal): string | null {
    return unfinished(this.#world, goal) ?? this.#slots.unrecordedGap();
  }

  #trace({ entries, index, by }: Commit): void {
    for (const [key, entry] of entries) {
      const line = `index ${index}: ${by ?? 'Consul'} ${entry === null ? 'deletes' : 'writes'} ${key}`;
      const isFrequent = key === simKeys.status || (key.startsWith(simKeys.membersPrefix) && entry !== null);
      if (isFrequent) this.#world.trace.mark(`${this.#world.time.nowMs()} ${line}`);
      else this.#world.trace.add('consul', line);
    }
  }
}
