import type { RestartRequest } from '../../domain/lead.ts';
import type { RequestOutcome } from '../../domain/request.ts';
import { versionNumberOf } from '../../domain/version.ts';
import { configOf } from '../../view/select.ts';
import { redact } from '../redact.ts';
import type { Answer, Moment } from './answer.ts';
import { readCommand, sentence, type CommandTools } from './command.ts';
import { readSchedule } from './schedule.ts';

/** The loop takes a request down within milliseconds; where it hangs, nobody waits for long. */
const takenDownMs = 5_000;
/** How long a restart may wait until it is begun, besides the time for the start itself. */
const beginMs = 70_000;

type Read =
  | { readonly kind: 'restart'; readonly restart: RestartRequest }
  | { readonly kind: 'refused'; readonly status: number; readonly why: string };

/** `POST /restart`: now, and answered when it is done; or at a given time. */
export async function postRestart(tools: CommandTools, moment: Moment, body: string): Promise<Answer> {
  const command = readCommand(body, true);
  if (command.kind === 'refused') return command.answer;
  const { pause, lead } = configOf(moment.turn.view);
  if (pause && 'schedule' in command.fields) return sentence(500, "Can't schedule restart in the paused state");
  const read = readRestart(command.fields, moment.nowWallMs);
  if (read.kind === 'refused') return sentence(read.status, read.why);
  const { restart } = read;
  const id = tools.nextId();
  tools.ask({ kind: 'restart', id, restart });
  const isScheduled = restart.scheduledAt !== null;
  const timeoutMs = isScheduled ? takenDownMs : beginMs + (restart.timeoutSeconds ?? lead.primaryStartTimeout) * 1_000;
  const outcome = await tools.following.until((now) => outcomeOf(now, id), timeoutMs);
  switch (outcome?.kind) {
    case 'accepted':
      return sentence(202, 'Restart scheduled');
    case 'done':
      return sentence(200, 'restarted successfully');
    case 'refused':
      return sentence(isScheduled ? 409 : 503, outcome.why);
    case 'failed':
      return sentence(503, redact(isStarting(outcome.why) ? outcome.why : `restart failed: ${outcome.why}`));
    case undefined:
      return sentence(503, 'the agent did not answer in time');
  }
}

/** `DELETE /restart`: takes a scheduled one back. */
export async function deleteRestart(tools: CommandTools): Promise<Answer> {
  const id = tools.nextId();
  tools.ask({ kind: 'cancel_restart', id });
  const outcome = await tools.following.until((now) => outcomeOf(now, id), takenDownMs);
  if (outcome === null) return sentence(503, 'the agent did not answer in time');
  return outcome.kind === 'done'
    ? sentence(200, 'scheduled restart deleted')
    : sentence(404, 'no restarts are scheduled');
}

/** What became of a request, as the agent's loop has it. */
export function outcomeOf({ turn: { view } }: Moment, id: number): RequestOutcome | null {
  return view.memory.requests.outcomes.get(id) ?? null;
}

function isStarting(why: string): boolean {
  return why === 'postgres is still starting';
}

/** The conditions of a restart, field by field as Patroni reads them. */
function readRestart(fields: Readonly<Record<string, unknown>>, nowWallMs: number): Read {
  const restart: { -readonly [K in keyof RestartRequest]: RestartRequest[K] } = {
    scheduledAt: null,
    role: 'any',
    postgresVersion: null,
    onlyIfPending: false,
    timeoutSeconds: null,
  };
  const refused = (status: number, why: string): Read => ({ kind: 'refused', status, why });
  for (const [field, value] of Object.entries(fields)) {
    switch (field) {
      case 'schedule': {
        const schedule = readSchedule(value, 'restart', nowWallMs);
        if (schedule.kind === 'refused') return schedule;
        restart.scheduledAt = schedule.at;
        break;
      }
      case 'role':
        if (value !== 'primary' && value !== 'standby_leader' && value !== 'replica')
          return refused(400, 'PostgreSQL role should be either primary, standby_leader, or replica');
        restart.role = value;
        break;
      case 'postgres_version':
        if (typeof value !== 'string' || versionNumberOf(value) === null) {
          const shown = String(value).slice(0, 60);
          return refused(400, `Invalid PostgreSQL version format: X.Y or X.Y.Z is accepted: ${shown}`);
        }
        restart.postgresVersion = value;
        break;
      case 'timeout': {
        const seconds = readSeconds(value);
        if (seconds === null) return refused(400, 'Timeout should be a positive number of seconds');
        restart.timeoutSeconds = seconds;
        break;
      }
      case 'restart_pending':
        // As in Patroni, what counts is that it is there.
        restart.onlyIfPending = true;
        break;
      default:
        return refused(400, `Unknown filter for the scheduled restart: ${field.slice(0, 60)}`);
    }
  }
  return { kind: 'restart', restart };
}

const units: Readonly<Record<string, number>> = { '': 1, ms: 0.001, s: 1, min: 60, h: 3_600, d: 86_400 };

/** Seconds, or a time with one of PostgreSQL's units; null = not a positive time. */
function readSeconds(value: unknown): number | null {
  const match = /^\s*([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*([a-z]{0,3})\s*$/.exec(
    typeof value === 'number' || typeof value === 'string' ? String(value) : '',
  );
  const factor = match === null ? undefined : units[match[2] ?? ''];
  const seconds = match === null || factor === undefined ? 0 : Math.round(Number(match[1]) * factor);
  return seconds > 0 ? seconds : null;
}
