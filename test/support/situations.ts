import type { Action, ActionKind, ActionOf, Outcome, ResultOf } from '../../src/domain/action.ts';
import type { ClusterKeys, LogicalSlotReport, Status, StatusExtras } from '../../src/domain/cluster.ts';
import type { DynamicConfig, FailoverSlotsConfig } from '../../src/domain/config.ts';
import type { ServerLook, ServerSettings } from '../../src/domain/server.ts';
import { plan } from '../../src/plan/plan.ts';
import { fold } from '../../src/view/fold.ts';
import type { Observation } from '../../src/view/observation.ts';
import { defaultConfig } from '../../src/domain/default-config.ts';
import type { LocalView, View } from '../../src/view/view.ts';
import { aKey, aStatus, aView, nowWallMs, someKeys } from './turns.ts';

/** Short ways to the situations that planner tests are about, on top of the builders in `turns.ts`. */

export const declared = { type: 'logical', database: 'shop', plugin: 'pgoutput' } as const;

/** A cluster configuration that declares `orders`. */
export function aConfig(over: Partial<DynamicConfig> = {}, failoverSlots: Partial<FailoverSlotsConfig> = {}) {
  return {
    ...defaultConfig,
    slots: new Map([['orders', declared]]),
    ...over,
    failoverSlots: { ...defaultConfig.failoverSlots, ...failoverSlots },
  } satisfies DynamicConfig;
}

/** The View of a member with other keys than usual. */
export function withKeys(name: string, keys: Partial<ClusterKeys>, over: Partial<View> = {}): View {
  return aView(name, { consul: { contact: { kind: 'good', atMs: 0 }, keys: someKeys(keys) }, ...over });
}

/** The View of a member whose server tells something else than usual. */
export function withLook(name: string, look: Partial<ServerLook>, over: Partial<View> = {}): View {
  const usual = aView(name);
  return aView(name, { ...over, local: { ...usual.local, look: { ...usual.local.look!, ...look } } });
}

export function withSettings(name: string, settings: Partial<ServerSettings>, over: Partial<View> = {}): View {
  const usual = aView(name).local.look!.settings;
  return withLook(name, { settings: { ...usual, ...settings } }, over);
}

/** The View of a member whose server does not answer. */
export function inTrouble(name: string, local: Partial<LocalView>, over: Partial<View> = {}): View {
  const usual = aView(name);
  return aView(name, {
    ...over,
    local: { ...usual.local, contact: { kind: 'broken', sinceMs: usual.nowMs - 100, why: 'no answer' }, ...local },
  });
}

/** The key `status` with other extras than usual. */
export function aStatusWith(extras: Partial<StatusExtras>, over: Partial<Status> = {}): Status {
  const usual = aStatus();
  return { ...usual, ...over, extras: { ...usual.extras!, ...extras } };
}

export function statusKey(extras: Partial<StatusExtras>, over: Partial<Status> = {}) {
  return aKey(aStatusWith(extras, over), { modifyIndex: 60 });
}

export function reports(...entries: readonly (readonly [string, LogicalSlotReport])[]) {
  return new Map(entries);
}

/** The kinds of all actions of the plan, sorted. */
export function kindsOf(view: View): readonly ActionKind[] {
  return plan(view)
    .actions.map((action) => action.kind)
    .sort();
}

/** The actions of one kind. */
export function actionsOf<K extends ActionKind>(view: View, kind: K): readonly ActionOf<K>[] {
  return plan(view).actions.filter((action): action is Action & ActionOf<K> => action.kind === kind);
}

/** Why the subject is held back; undefined = it is not. */
export function holdOf(view: View, subject: string): string | undefined {
  return plan(view).holds.find((hold) => hold.subject === subject)?.why;
}

/** An observation without its time, which `after` sets. */
export type Undated = Observation extends infer O
  ? O extends Observation
    ? Omit<O, 'atMs' | 'wallMs'>
    : never
  : never;

/** The View after some observations, `stepMs` apart. */
export function after(view: View, observations: readonly Undated[], stepMs = 100): View {
  return observations.reduce<View>(
    (now, observation) => fold(now, { ...observation, atMs: now.nowMs + stepMs, wallMs: nowWallMs + now.nowMs }),
    view,
  );
}

/** The View after nothing but time has passed. */
export function later(view: View, ms: number): View {
  return after(view, [{ kind: 'tick' }], ms);
}

/** The observation that an action is done. */
export function done<K extends ActionKind>(
  action: ActionOf<K>,
  result: ResultOf<K>,
  tookMs = 0,
  endedAtMs = 0,
): Undated {
  const outcome = { kind: 'done', startedAtMs: endedAtMs - tookMs, endedAtMs, done: { action, result } };
  return { kind: 'outcome', outcome: outcome as unknown as Outcome };
}

/** The observation that an action failed. */
export function failed(
  action: Action,
  failure: Partial<Extract<Outcome, { kind: 'failed' }>['failure']> = {},
): Undated {
  return {
    kind: 'outcome',
    outcome: {
      kind: 'failed',
      startedAtMs: 0,
      endedAtMs: 0,
      action,
      failure: { message: 'it did not work', sqlstate: null, sessionDead: false, refused: false, ...failure },
    },
  };
}
