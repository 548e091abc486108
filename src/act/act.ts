import { describeError } from '../base/errors.ts';
import type { Clock } from '../base/clock.ts';
import type { Action, ActionFailure, ActionKind, ActionOf, Outcome, ResultOf } from '../domain/action.ts';
import { ServerError } from '../postgres/port.ts';
import type { Observation } from '../view/observation.ts';
import type { Executors } from './executors.ts';
import { RefusedError } from './executors.ts';

/** Runs one action, once `ready` lets it; however it ends, the end is an Observation. Never rejects. */
export async function execute(
  action: Action,
  executors: Executors,
  clock: Clock,
  signal: AbortSignal,
  ready: (action: Action) => Promise<void>,
): Promise<Observation> {
  const startedAtMs = clock.monotonicMs();
  const ended = (outcome: Outcome): Observation => ({
    kind: 'outcome',
    atMs: clock.monotonicMs(),
    wallMs: clock.wallMs(),
    outcome,
  });
  try {
    await ready(action);
    const done = await run(action, executors, signal);
    return ended({ kind: 'done', startedAtMs, endedAtMs: clock.monotonicMs(), done });
  } catch (error) {
    return ended({ kind: 'failed', startedAtMs, endedAtMs: clock.monotonicMs(), action, failure: failureOf(error) });
  }
}

type Done = Extract<Outcome, { kind: 'done' }>['done'];

/** The table lookup that TypeScript can't follow: for each kind, the executor of that kind gets an action of that kind. */
async function run<K extends ActionKind>(
  action: ActionOf<K>,
  executors: Executors,
  signal: AbortSignal,
): Promise<Done> {
  const executor = executors[action.kind] as (action: ActionOf<K>, signal: AbortSignal) => Promise<ResultOf<K>>;
  return { action, result: await executor(action, signal) } as unknown as Done;
}

function failureOf(error: unknown): ActionFailure {
  return {
    message: describeError(error),
    sqlstate: error instanceof ServerError ? error.sqlstate : null,
    sessionDead: error instanceof RefusedError && error.sessionDead,
    refused: error instanceof RefusedError,
  };
}
