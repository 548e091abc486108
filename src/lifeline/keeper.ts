import { describeError } from '../base/errors.ts';
import type { Guard } from '../domain/lead.ts';
import { nextStep } from './decision.ts';
import { fence } from './fence.ts';
import { guardFile } from './guard-file.ts';
import { keyReturn } from './key-return.ts';
import { type LifelineOrder, machineMs, type Reply } from './message.ts';
import { within } from './patience.ts';
import { bootId, isAlive, isSame, type ProcessIdentity, processWith } from './process-table.ts';
import { lookAround } from './sight.ts';
import { watchdogOf } from './watchdog.ts';

/** How often the machine is looked at while all is well, and when nobody else looks after the server. */
const calmMs = 250;
const alertMs = 25;

/** A disk that hangs keeps no guard from being in force. */
const recordMs = 200;

type Leading = Guard & { readonly kind: 'leader' };

export interface Keeper {
  /** `token`: for Consul, from now on. */
  guard(number: number, guard: Guard, token: string | null): Promise<void>;
  /** The agent is gone: its pipe was closed. */
  loseAgent(): void;
}

export interface KeeperOutlets {
  readonly reply: (reply: Reply) => void;
  /** Nothing is left to do. */
  readonly finish: () => void;
}

/**
 * What a lifeline does (L1). While a guard is in force it stops the server at the guard's deadline, whatever has become of
 * the agent; then it gives the leader key back. Without its agent it goes on until the deadline, until the lifeline of a
 * restarted agent has taken over, or until the server is gone as well, which ends the wait at once (`decision.ts`).
 */
export async function keeper(order: LifelineOrder, { reply, finish }: KeeperOutlets): Promise<Keeper> {
  const say = onChange((text) => reply({ kind: 'said', text }));
  const file = guardFile((why) =>
    say('file', why === null ? null : `the guard cannot be written: ${describeError(why)}`),
  );
  const watchdog = watchdogOf(order.watchdog, (text) => say('watchdog', text));
  let { token } = order.consul;
  const consul = {
    ...order.consul,
    get token() {
      return token;
    },
  };
  const keys = await keyReturn({ ...order, consul }, (text) => say('consul', text));
  const self = processWith(process.pid);
  let sight = await lookAround(order.dataDir, null, false);
  let leading: Leading | null = null;
  let isInherited = false;
  let isFenced = false;
  let agentGoneAtMs: number | null = null;
  let isEnded = false;
  let timer: NodeJS.Timeout | undefined;
  let watching: Promise<void> | null = null;

  const writeRecord = async ({ term, session, deadlineMs }: Leading): Promise<void> => {
    const { root, postmaster } = sight;
    await file.write({
      bootId: bootId(),
      root,
      term,
      session,
      deadlineMs,
      lifeline: self,
      agent: order.agent,
      postmaster,
    });
  };
  const drop = (): void => {
    leading = null;
    isInherited = false;
    isFenced = false;
    watchdog.close();
    void file.remove();
  };
  const end = (why: string | null): void => {
    isEnded = true;
    if (why !== null) say('end', why);
    watchdog.close();
    keys.stop();
    // The one that has taken over writes the same file.
    void (why === null ? file.remove() : file.release()).then(finish);
  };
  const stopServer = async (why: string): Promise<void> => {
    const held = leading;
    isFenced = true;
    const { pid, killed, trouble } = await fence(sight.root, sight.postmaster);
    const how = killed ? 'killed' : 'stopped at once';
    say('fence', `${why}: ${pid === null ? 'no server runs' : `the server, process ${pid}, was ${how}`}`);
    say('trouble', trouble === null ? null : `the server cannot be stopped: ${trouble}`);
    if (trouble === null && held !== null) keys.giveBack(held);
    // Tried again at the next look.
    if (trouble !== null) isFenced = false;
  };

  /** Looks, and does what is due. */
  const watch = async (): Promise<void> => {
    // What the agent has sent while this process did not run is read before anything is decided.
    await new Promise((resolve) => setImmediate(resolve));
    sight = await lookAround(order.dataDir, sight, agentGoneAtMs !== null && !isFenced);
    const step = nextStep({
      nowMs: machineMs(),
      guard: leading,
      isInherited,
      isFenced,
      agentGoneAtMs,
      fastFailover: order.fastFailover,
      server: sight.server,
      hasHeir: anotherAlive(sight.record?.lifeline, self),
      isDataRemoved: sight.isRemoved,
      areKeysReturned: keys.isDone(),
    });
    if (step.kind === 'fence') await stopServer(step.why);
    else if (step.kind === 'drop') drop();
    else if (step.kind === 'end') end(step.why);
  };
  const watchNow = (): void => {
    watching ??= watch()
      .catch((error: unknown) => say('bug', `the lifeline failed, please report: ${describeError(error)}`))
      .finally(() => {
        watching = null;
        watchSoon();
      });
  };
  const watchSoon = (): void => {
    clearTimeout(timer);
    if (isEnded || (leading === null && agentGoneAtMs === null)) return;
    const everyMs = isFenced || agentGoneAtMs !== null ? alertMs : calmMs;
    const leftMs = leading === null || isFenced ? everyMs : Math.ceil(leading.deadlineMs - machineMs());
    timer = setTimeout(watchNow, Math.max(0, Math.min(everyMs, leftMs)));
  };

  const { record } = sight;
  const isSameServer = record?.postmaster != null && isSame(record.postmaster, sight.postmaster);
  if (isSameServer && !anotherAlive(record.agent, order.agent)) {
    const { term, session, deadlineMs } = record;
    leading = { kind: 'leader', term, session, deadlineMs };
    isInherited = true;
    void writeRecord(leading);
    watchSoon();
  }
  return {
    guard: async (number, guard, newest) => {
      token = newest;
      sight = await lookAround(order.dataDir, sight, false);
      const rival = sight.record?.agent;
      const refuse = (why: string): void => reply({ kind: 'refused', number, why });
      if (anotherAlive(rival, order.agent)) {
        refuse(`another agent, process ${rival?.pid ?? '?'}, guards the server in ${sight.root}`);
        return;
      }
      if (guard.kind === 'leader') {
        const leftMs = guard.deadlineMs - machineMs();
        const refusal = leading === null ? await watchdog.refusal(leftMs) : null;
        if (refusal !== null) {
          refuse(refusal);
          return;
        }
        const isNew = leading?.term !== guard.term;
        leading = guard;
        isInherited = false;
        if (leftMs > 0) isFenced = false;
        watchdog.feed(leftMs);
        watchSoon();
        const written = writeRecord(guard);
        // What puts off a deadline may be lost; whoever comes after this process has to know that there is one.
        if (isNew) await within(recordMs, written, undefined);
      } else if (!isInherited || isFenced) drop();
      reply({ kind: 'in_force', number });
    },
    loseAgent: () => {
      agentGoneAtMs = machineMs();
      watchNow();
    },
  };
}

function anotherAlive(one: ProcessIdentity | null | undefined, self: ProcessIdentity | null): boolean {
  return one != null && !isSame(one, self) && isAlive(one);
}

/** Says a thing when it is another than last time; null = it is over. */
function onChange(say: (text: string) => void): (about: string, text: string | null) => void {
  const last = new Map<string, string | null>();
  return (about, text) => {
    if (text !== null && last.get(about) !== text) say(text);
    last.set(about, text);
  };
}
