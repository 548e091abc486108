import { describeError } from '../../base/errors.ts';
import { encodeFailover } from '../../consul/codec/lead.ts';
import type { TxnOperation } from '../../consul/port.ts';
import { leaderName, type ClusterKeys } from '../../domain/cluster.ts';
import { configOf } from '../../view/select.ts';
import { redact } from '../redact.ts';
import { refusal, type Answer, type Moment } from './answer.ts';
import { nothingRead } from './cluster.ts';
import { isTrue, readCommand, sentence, writeTimeoutMs, type CommandTools } from './command.ts';
import { readSchedule, type Schedule } from './schedule.ts';
import { impossibleBecause, type SwitchoverAsked } from './switchover-check.ts';

/**
 * `POST /switchover` and `/failover`: checks what can be checked at once, leaves the request in the key `failover`, and
 * unless it is for a later time waits until another member leads.
 */
export async function postSwitchover(
  tools: CommandTools,
  path: SwitchoverAsked['action'],
  moment: Moment,
  body: string,
): Promise<Answer> {
  const command = readCommand(body, false);
  if (command.kind === 'refused') return command.answer;
  const { view } = moment.turn;
  const { keys } = view.consul;
  if (keys === null) return nothingRead();
  const { fields } = command;
  const leader = nameIn(fields['leader']);
  const candidate = nameIn(fields['candidate']) ?? nameIn(fields['member']);
  const { pause } = configOf(view);
  const given = fields['scheduled_at'] ?? null;
  const schedule = given === null || given === '' ? null : scheduleOf(given, path, pause, moment.nowWallMs);
  // A failover away from a leader that is named is a switchover.
  const action = path === 'failover' && leader !== null ? 'switchover' : path;

  if (path === 'failover' && candidate === null)
    return sentence(400, 'Failover could be performed only to a specific candidate');
  if (path === 'switchover' && leader === null)
    return sentence(400, 'Switchover could be performed only from a specific leader');
  if (schedule?.kind === 'refused') return sentence(schedule.status, schedule.why);
  if (pause && candidate === null)
    return sentence(400, 'Switchover is possible only to a specific candidate in a paused state');
  if (leader === candidate) return sentence(400, 'Switchover target and source are the same');
  const why = schedule === null ? impossibleBecause({ action, leader, candidate }, keys, configOf(view)) : null;
  if (why !== null) return sentence(412, why);

  const scheduledAt = schedule?.at ?? null;
  const value = encodeFailover({ leader, candidate, scheduledAt, force: isTrue(fields['force']) });
  const written = await write(tools, setOver(tools, keys, value));
  if (written.kind === 'unreachable')
    return sentence(503, `failed to write failover key into DCS: ${redact(written.why)}`);
  if (written.kind === 'refused') return sentence(503, 'failed to write failover key into DCS');
  if (schedule !== null) return sentence(202, `${titled(action)} scheduled`);
  const timeoutMs = Math.max(10, configOf(view).loopWait) * 2_000;
  const before = leaderName(keys);
  const answer = await tools.following.until(
    (now) => resultOf(now, { action, candidate, before, index: written.index }),
    timeoutMs,
  );
  return answer ?? sentence(503, `${titled(action)} status unknown`);
}

/** `DELETE /switchover`: takes a scheduled one back. */
export async function deleteSwitchover(tools: CommandTools, moment: Moment): Promise<Answer> {
  const { keys } = moment.turn.view.consul;
  if (keys === null) return nothingRead();
  const { failover } = keys;
  if (failover?.value?.scheduledAt == null) return sentence(404, 'no switchover is scheduled');
  const written = await write(tools, [{ verb: 'delete-cas', key: tools.failoverKey, index: failover.modifyIndex }]);
  if (written.kind === 'unreachable')
    return refusal(503, `the switchover could not be taken back: ${redact(written.why)}`);
  return written.kind === 'refused'
    ? refusal(409, 'the request has changed meanwhile; look again')
    : sentence(200, 'scheduled switchover deleted');
}

function scheduleOf(given: unknown, action: SwitchoverAsked['action'], pause: boolean, nowWallMs: number): Schedule {
  if (action === 'failover') return { kind: 'refused', status: 400, why: "Failover can't be scheduled" };
  if (pause) return { kind: 'refused', status: 400, why: "Can't schedule switchover in the paused state" };
  return readSchedule(given, action, nowWallMs);
}

function nameIn(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** Over the very request that was read, or over none: what somebody else asked meanwhile is not lost unseen. */
function setOver(
  { failoverKey: key }: CommandTools,
  { failover }: ClusterKeys,
  value: string,
): readonly TxnOperation[] {
  return [{ verb: 'cas', key, value, index: failover?.modifyIndex ?? 0 }];
}

type Write =
  | { readonly kind: 'done'; readonly index: number }
  | { readonly kind: 'refused' }
  | { readonly kind: 'unreachable'; readonly why: string };

async function write({ consul }: CommandTools, operations: readonly TxnOperation[]): Promise<Write> {
  try {
    const result = await consul.transact(operations, AbortSignal.timeout(writeTimeoutMs));
    return result.kind === 'done' ? { kind: 'done', index: result.entries[0]?.modifyIndex ?? 0 } : { kind: 'refused' };
  } catch (error) {
    return { kind: 'unreachable', why: describeError(error) };
  }
}

/** What became of it; null = nothing yet. Keys from before the request say nothing. */
function resultOf(
  { turn: { view } }: Moment,
  asked: {
    readonly action: SwitchoverAsked['action'];
    readonly candidate: string | null;
    readonly before: string | null;
    readonly index: number;
  },
): Answer | null {
  const { keys } = view.consul;
  if (keys === null || keys.index < asked.index) return null;
  const leader = leaderName(keys);
  const done = titled(asked.action).replace(/over$/, 'ed over');
  if (leader !== null && leader !== asked.before) {
    return asked.candidate === null || asked.candidate === leader
      ? sentence(200, `Successfully ${done.toLowerCase()} to "${leader}"`)
      : sentence(200, `${done} to "${leader}" instead of "${asked.candidate}"`);
  }
  const { failover } = keys;
  const isVoid = failover === null || (failover.value?.leader === null && failover.value.candidate === null);
  return isVoid ? sentence(503, `${titled(asked.action)} failed`) : null;
}

function titled(action: SwitchoverAsked['action']): string {
  return action.charAt(0).toUpperCase() + action.slice(1);
}
