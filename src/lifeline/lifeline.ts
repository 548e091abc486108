import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../base/clock.ts';
import type { Guard } from '../domain/lead.ts';
import type { Lifeline } from '../postgres/managed-port.ts';
import { asLine, eachMessage, type LifelineOrder, machineMs, type Reply, type Request } from './message.ts';
import { within } from './patience.ts';
import { processWith } from './process-table.ts';

export interface LifelineSettings extends Omit<LifelineOrder, 'agent'> {
  readonly clock: Clock;
  /** Its `token` is asked for with each guard. */
  readonly consul: LifelineOrder['consul'];
  /** What the lifeline tells, for the log. */
  readonly report: (text: string) => void;
}

/** The heap stays small: it only ever handles a few lines a second. */
const nodeOptions = ['--max-old-space-size=16', '--max-semi-space-size=1'];
/** A lifeline that does not answer for so long is replaced. */
const answerMs = 2_000;
/** One that guards nothing has this long to end. */
const endingMs = 1_000;
/** One that dies is replaced at once, but not more often than this. */
const restartMs = 1_000;

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * The lifeline as a process of its own, which outlives this one: it has its own session and group, and no signal for the
 * agent's reaches it. It is started now and takes over what a lifeline of an earlier agent guards; one that dies or hangs is
 * replaced at once, and told the newest guard. `close` lets it end: a guard that is in force then stays so until its deadline,
 * or until the server is stopped; without one it ends now.
 */
export function createLifeline(
  { clock, report, ...order }: LifelineSettings,
  program = fileURLToPath(new URL('main.js', import.meta.url)),
): Lifeline {
  const waiting = new Map<number, Waiting>();
  const begin: Request = { kind: 'begin', order: { ...order, agent: processWith(process.pid) } };
  let child: ChildProcess | null = null;
  let restartedAtMs = -Infinity;
  let newest: Guard = { kind: 'none' };
  let lastNumber = 0;
  let isClosed = false;

  const send = (request: Request): void => {
    child?.stdin?.write(asLine(request));
  };
  const take = (reply: Reply): void => {
    if (reply.kind === 'said') {
      report(reply.text);
      return;
    }
    const waiter = waiting.get(reply.number);
    waiting.delete(reply.number);
    if (reply.kind === 'in_force') waiter?.resolve();
    else waiter?.reject(new Error(reply.why));
  };
  const start = (): void => {
    const started = spawn(process.execPath, [...nodeOptions, program], {
      cwd: '/',
      detached: true,
      env: environment(process.env),
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child = started;
    // The agent ends when it is done, whether or not its lifeline is.
    started.unref();
    for (const pipe of [started.stdin, started.stdout] as unknown as readonly Socket[]) {
      pipe.on('error', () => undefined);
      pipe.unref();
    }
    started.stdout.setEncoding('utf8').on(
      'data',
      eachMessage((message) => take(message as Reply)),
    );
    const lose = (how: string): void => {
      if (child !== started) return;
      child = null;
      if (isClosed) return;
      for (const { reject } of waiting.values()) reject(new Error(`the lifeline ${how}`));
      waiting.clear();
      report(`the lifeline ${how}; another one is started`);
      clock.scheduler.schedule(restart, Math.max(0, restartedAtMs + restartMs - machineMs()));
    };
    started.once('error', (error) => lose(`cannot be started: ${error.message}`));
    started.once('exit', (code, signal) =>
      lose(signal === null ? `ended with ${code ?? '?'}` : `was ended by ${signal}`),
    );
    send(begin);
  };
  const restart = (): void => {
    if (isClosed) return;
    restartedAtMs = machineMs();
    start();
    // Whoever asked for it has been told that it is not in force, and asks again; meanwhile it had better be.
    if (newest.kind === 'leader')
      ask(newest).catch((error: unknown) => report(`the lifeline refuses: ${String(error)}`));
  };
  const ask = (guard: Guard): Promise<void> => {
    const number = (lastNumber += 1);
    return new Promise((resolve, reject) => {
      if (child === null) {
        reject(new Error('there is no lifeline at the moment'));
        return;
      }
      const asked = child;
      const timer = clock.scheduler.schedule(() => {
        // Its exit rejects everything that waits.
        if (waiting.has(number)) asked.kill('SIGKILL');
      }, answerMs);
      waiting.set(number, {
        resolve: () => {
          timer.unsubscribe();
          resolve();
        },
        reject: (error) => {
          timer.unsubscribe();
          reject(error);
        },
      });
      send({ kind: 'guard', number, guard: onMachineClock(guard, clock), token: order.consul.token });
    });
  };

  start();
  return {
    guard: (guard) => {
      newest = guard;
      return ask(guard);
    },
    close: async () => {
      isClosed = true;
      const open = child;
      if (open === null) return;
      const gone = new Promise<void>((resolve) => open.once('exit', () => resolve()));
      await new Promise<void>((resolve) => (open.stdin === null ? resolve() : open.stdin.end(resolve)));
      if (newest.kind === 'none') await within(endingMs, gone, undefined);
    },
  };
}

/** The agent's clock begins with its process, the machine's with the machine. */
function onMachineClock(guard: Guard, clock: Clock): Guard {
  if (guard.kind === 'none') return guard;
  return { ...guard, deadlineMs: guard.deadlineMs + machineMs() - clock.monotonicMs() };
}

/** Others can read a process's environment; what the agent knows by its own is no business of this one. */
function environment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const names = ['PATH', 'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR'];
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}
