import { keyOf } from '../../src/domain/action.ts';
import type { AgentRun } from './sim-agent.ts';
import { Violation } from './violation.ts';

const withinMs = 10_000;
/** Far more than an agent does for a good reason, with positions that are written at most once a second. */
const mostTimes = 100;

/** What has no effect is not repeated in a loop (plan/SPEC.md, C8): whatever is begun too often has none that its agent sees. */
export class RepetitionChecks {
  readonly #nowMs: () => number;
  readonly #fail: (violation: Violation) => void;
  readonly #begun = new Map<string, { readonly sinceMs: number; times: number }>();

  constructor(nowMs: () => number, fail: (violation: Violation) => void) {
    this.#nowMs = nowMs;
    this.#fail = fail;
  }

  turned(run: AgentRun): void {
    if (run.turn?.learnt.kind !== 'started') return;
    const nowMs = this.#nowMs();
    const what = keyOf(run.turn.learnt.action);
    const key = `${run.name} ${what}`;
    const before = this.#begun.get(key);
    // Another run of the agent has another clock.
    const isOver = before === undefined || nowMs < before.sinceMs || nowMs - before.sinceMs > withinMs;
    const begun = isOver ? { sinceMs: nowMs, times: 0 } : before;
    begun.times += 1;
    this.#begun.set(key, begun);
    if (begun.times <= mostTimes) return;
    this.#fail(
      new Violation('loop', `${run.name} has begun ${what} ${begun.times} times in ${nowMs - begun.sinceMs} ms`),
    );
  }
}
