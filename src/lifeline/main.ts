// The lifeline: a small process beside the agent, which stops the server when its lease is over and the agent cannot. It
// has next to no imports, so that it stays small and nothing in it has to wait for anything. See `keeper.ts`.

import { write, writeFileSync } from 'node:fs';
import { describeError } from '../base/errors.ts';
import { keeper, type Keeper } from './keeper.ts';
import { asLine, eachMessage, type Reply, type Request } from './message.ts';

const { stdin, stdout } = process;
let isAgentThere = true;
let kept: Promise<Keeper> | null = null;
/** One request after the other: a later one must not be overtaken by an earlier one. */
let handled: Promise<void> = Promise.resolve();

// What ends other processes of a service or a session must not end this one: it goes by itself when it is done.
for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, () => undefined);
stdout.on('error', () => undefined);
stayWhenMemoryIsShort();

const reply = (message: Reply): void => {
  if (isAgentThere) stdout.write(asLine(message));
  // In the background: whoever reads this may hang.
  else if (message.kind === 'said') write(2, `slotkeeper lifeline: ${message.text}\n`, () => undefined);
};

/** Nothing is left to be waited for then, and so the process ends. */
const finish = (): void => {
  stdin.destroy();
};

const take = (request: Request): void => {
  if (request.kind === 'begin') {
    kept = keeper(request.order, { reply, finish });
    kept.catch((error: unknown) => {
      reply({ kind: 'said', text: `the lifeline cannot begin: ${describeError(error)}` });
      process.exitCode = 1;
      finish();
    });
    return;
  }
  const { number, guard, token } = request;
  handled = handled
    .then(async () => (await kept)?.guard(number, guard, token))
    .catch((error: unknown) => reply({ kind: 'refused', number, why: describeError(error) }));
};

const loseAgent = (): void => {
  if (!isAgentThere) return;
  isAgentThere = false;
  kept?.then((keeping) => keeping.loseAgent()).catch(() => undefined);
};

stdin.setEncoding('utf8');
stdin.on(
  'data',
  eachMessage((message) => take(message as Request)),
);
for (const end of ['end', 'close', 'error'] as const) stdin.on(end, loseAgent);

/** Where that is allowed, the kernel ends this process last. */
function stayWhenMemoryIsShort(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '-1000');
  } catch {
    // Only root may, and not in every container.
  }
}
