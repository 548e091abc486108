import { spawn, type ChildProcess } from 'node:child_process';
import { groupBy, mergeMap, Observable, switchMap } from 'rxjs';
import { describeError } from '../base/errors.ts';
import { withoutSecrets } from '../postgres/command.ts';
import type { CommandLine } from '../postgres/settings.ts';
import { configOf, holdsLeader } from '../view/select.ts';
import type { Observation } from '../view/observation.ts';
import type { View } from '../view/view.ts';

export type CallbackKind = 'on_start' | 'on_stop' | 'on_restart' | 'on_reload' | 'on_role_change';

/** A role as Patroni names it to callbacks. */
export type CallbackRole = 'primary' | 'replica' | 'standby_leader' | 'demoted';

/** A command of the operator's that is due, and what it is to be told. */
export interface Callback {
  readonly kind: CallbackKind;
  readonly role: CallbackRole;
}

/** What the callbacks depend on: a view, and what was learnt that led to it. */
export interface CallbackTurn {
  readonly view: View;
  readonly learnt: Observation;
}

/**
 * The callbacks that are due between two turns, as Patroni calls them. A server in another role than it was last seen in
 * makes it `on_role_change` and nothing else; otherwise what has been done to it counts. A server that is seen for the
 * first time, by whomever it was started, makes it `on_start`.
 */
export function callbacksBetween(before: View, { view, learnt }: CallbackTurn): readonly Callback[] {
  const role = roleOf(view);
  const last = roleOf(before);
  if (role === null) return [];
  if (last === null) return [{ kind: 'on_start', role }];
  if (role !== last) return [{ kind: 'on_role_change', role }];
  if (isGivenUp(before, learnt)) return [{ kind: 'on_role_change', role: 'demoted' }];
  const kind =
    learnt.kind === 'outcome' && learnt.outcome.kind === 'done' ? kindOf(learnt.outcome.done.action, role) : null;
  return kind === null ? [] : [{ kind, role }];
}

/** A server that is down, and did not hand over: its agent has given the leader key back without it. */
function isGivenUp(before: View, learnt: Observation): boolean {
  if (learnt.kind !== 'outcome' || learnt.outcome.kind === 'failed') return false;
  const isReleased = learnt.outcome.done.action.kind === 'release_leader';
  const isDown = before.local.contact.kind !== 'good' && before.local.look?.role === 'primary';
  return isReleased && isDown && before.memory.lead.handover === null;
}

type DoneAction = Extract<Extract<Observation, { kind: 'outcome' }>['outcome'], { kind: 'done' }>['done']['action'];

function kindOf(action: DoneAction, role: CallbackRole): CallbackKind | null {
  switch (action.kind) {
    case 'start_server':
      // In another role than before: the next look makes it a change of roles.
      return (action.term !== null) === (role === 'primary') ? 'on_start' : null;
    case 'stop_server':
      return 'on_stop';
    case 'restart_server':
    case 'start_after_copy':
      return 'on_restart';
    case 'configure_server':
    case 'follow':
      return 'on_reload';
    default:
      return null;
  }
}

/** As the newest look has it, which may be of a server that is stopped by now; null = none has succeeded yet. */
function roleOf(view: View): CallbackRole | null {
  const { look } = view.local;
  if (look === null) return null;
  if (look.role === 'primary') return 'primary';
  const isStandbyCluster = configOf(view).lead.standbyCluster !== null;
  return isStandbyCluster && holdsLeader(view) ? 'standby_leader' : 'replica';
}

/** Null = nothing is to be run. */
export type CallbackCommands = Readonly<Record<CallbackKind, CommandLine | null>>;

/** How a callback's command ended. */
export interface CallbackEnd {
  readonly callback: Callback;
  /** Null = well. */
  readonly trouble: string | null;
  /** The end of what it wrote. */
  readonly output: string;
}

const outputCharacters = 2_000;

/**
 * Runs the commands of callbacks with Patroni's arguments: action, role, scope. `on_reload` and all the others never run
 * twice at a time: what still runs is killed, with everything that it has started, when the next one is due. Nothing
 * waits for them. Errors never; completes when `callback$` has and the last ones have ended.
 */
export function runCallbacks(
  callback$: Observable<Callback>,
  { commandsNow, scope }: { readonly commandsNow: () => CallbackCommands; readonly scope: string },
): Observable<CallbackEnd> {
  return callback$.pipe(
    groupBy(({ kind }) => kind === 'on_reload'),
    mergeMap((alike$) =>
      alike$.pipe(
        switchMap((callback) => {
          const command = commandsNow()[callback.kind];
          return command === null ? [] : runCallback(callback, command, scope);
        }),
      ),
    ),
  );
}

function runCallback(callback: Callback, [file, ...args]: CommandLine, scope: string): Observable<CallbackEnd> {
  return new Observable((subscriber) => {
    let output = '';
    const child = spawn(file, [...args, callback.kind, callback.role, scope], {
      // In the agent's own directory, as Patroni runs them: the command's path may be relative.
      // A group of its own, so that it can be killed with what it has started.
      detached: true,
      env: withoutSecrets(process.env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const end = (trouble: string | null): void => {
      subscriber.next({ callback, trouble, output: output.trim() });
      subscriber.complete();
    };
    for (const pipe of [child.stdout, child.stderr]) {
      pipe.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-outputCharacters)));
    }
    child.once('error', (error) => end(`cannot be run: ${describeError(error)}`));
    // Not `close`: what it leaves running in the background may keep its output open for ever.
    child.once('exit', (code, signal) => {
      end(code === 0 ? null : signal === null ? `failed with ${code ?? '?'}` : `was ended by ${signal}`);
    });
    return () => killGroup(child);
  });
}

function killGroup({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
