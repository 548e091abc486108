import type { Answer } from './answer.ts';
import { isTrue, readCommand, sentence, type CommandTools } from './command.ts';
import { outcomeOf } from './restart.ts';

/** The loop takes a request down within milliseconds; where it hangs, nobody waits for long. */
const takenDownMs = 5_000;

/** `POST /reload`: answered before it is done, as in Patroni. */
export function postReload(reload: () => void): Answer {
  reload();
  return sentence(202, 'reload scheduled');
}

/** `POST /reinitialize`: answered when it has begun, or why it does not. */
export async function postReinitialize(tools: CommandTools, body: string): Promise<Answer> {
  const command = readCommand(body, true);
  if (command.kind === 'refused') return command.answer;
  const { fields } = command;
  const id = tools.nextId();
  tools.ask({ kind: 'reinitialize', id, force: isTrue(fields['force']), fromLeader: isTrue(fields['from_leader']) });
  const outcome = await tools.following.until((now) => outcomeOf(now, id), takenDownMs);
  switch (outcome?.kind) {
    case 'accepted':
    case 'done':
      return sentence(200, 'reinitialize started');
    case 'refused':
    case 'failed':
      return sentence(503, outcome.why);
    case undefined:
      return sentence(503, 'the agent did not answer in time');
  }
}
