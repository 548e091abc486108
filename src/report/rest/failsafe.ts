import { readWith } from '../../consul/codec/reading.ts';
import { furthestOf } from '../../domain/server.ts';
import { decodeFailsafeCall } from '../../peer/failsafe-call.ts';
import { configOf, freshLook } from '../../view/select.ts';
import { json, refusal, type Answer, type Moment } from './answer.ts';
import { sentence, type CommandTools } from './command.ts';
import { outcomeOf } from './restart.ts';

/** Whoever asks waits no longer. */
const takenDownMs = 1_500;

const isOff = refusal(502, 'failsafe_mode is off');

/** `GET /failsafe`: the members without whose word the leader stops when Consul is away; 502 where failsafe mode is off. */
export function answerFailsafe({ turn: { view } }: Moment): Answer {
  if (!configOf(view).lead.failsafeMode) return isOff;
  return json(200, Object.fromEntries(view.consul.keys?.failsafe?.value ?? []));
}

/**
 * `POST /failsafe`: a leader that can't reach Consul asks whether it may go on. The loop decides, so that what binds this
 * member is remembered before anybody hears of it; the header `lsn` tells how far this server is. An agent that has not
 * read the configuration yet does not know that failsafe mode is off, and agrees.
 */
export async function postFailsafe(tools: CommandTools, { turn: { view } }: Moment, body: string): Promise<Answer> {
  if (view.config?.lead.failsafeMode === false) return isOff;
  const { value: call, problem } = readWith('body', (complain) => decodeFailsafeCall(body, complain));
  if (call === null) return refusal(400, problem ?? 'the body does not say who asks');
  const id = tools.nextId();
  tools.ask({ kind: 'failsafe', id, call });
  const outcome = await tools.following.until((now) => outcomeOf(now, id), takenDownMs);
  if (outcome?.kind !== 'accepted')
    return sentence(500, outcome?.kind === 'refused' ? outcome.why : 'no answer in time');
  const look = freshLook(view);
  const position = look === null ? null : furthestOf(look);
  return { ...sentence(200, 'Accepted'), ...(position === null ? {} : { headers: { lsn: String(position) } }) };
}
