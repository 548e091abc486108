import { leaderName } from '../../domain/cluster.ts';
import { configOf, freshLook } from '../../view/select.ts';
import { json, refusal, type Answer, type Moment } from './answer.ts';
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

/** `GET /failsafe`: the members without whose word the leader stops when Consul is away; 502 where failsafe mode is off. */
export function answerFailsafe({ turn: { view } }: Moment): Answer {
  if (!configOf(view).lead.failsafeMode) return refusal(502, 'failsafe_mode is off');
  return json(200, Object.fromEntries(view.consul.keys?.failsafe?.value ?? []));
}

/**
 * `POST /failsafe`: a leader that can't reach Consul asks whether it may go on. It may as long as this server is no
 * primary itself; the header `lsn` tells how far this one is.
 */
export function postFailsafe({ turn: { view } }: Moment, body: string): Answer {
  if (!configOf(view).lead.failsafeMode) return refusal(502, 'failsafe_mode is off');
  const command = readCommand(body, false);
  if (command.kind === 'refused') return command.answer;
  const look = freshLook(view);
  if (look?.role === 'primary') return sentence(500, 'Running as a leader');
  const asker = command.fields['name'];
  const leader = view.consul.keys === null ? null : leaderName(view.consul.keys);
  // Consul answers here, and by its word the asker does not lead (any more): others may.
  if (view.consul.contact.kind === 'good' && leader !== asker) return sentence(500, `${leader ?? 'Nobody'} leads`);
  const position = look?.receivedLsn ?? look?.replayedLsn ?? null;
  return {
    ...sentence(200, 'Accepted'),
    ...(position === null ? {} : { headers: { lsn: String(position) } }),
  };
}
