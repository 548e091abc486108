import type { ConsulPort } from '../../consul/port.ts';
import type { AgentRequest } from '../../domain/request.ts';
import { isMap } from '../../config/field.ts';
import { refusal, type Answer } from './answer.ts';
import type { Following } from './following.ts';

/** A request to Consul is given up after this time, so that one that does not answer holds nobody. */
export const writeTimeoutMs = 10_000;

/** What the commands of operators work on (`ha: manage`). */
export interface CommandTools {
  readonly consul: Pick<ConsulPort, 'transact'>;
  /** The full name of the key `failover`. */
  readonly failoverKey: string;
  /** Hands a request to the agent's loop; its id is given by `nextId`. */
  readonly ask: (request: AgentRequest) => void;
  readonly nextId: () => number;
  readonly following: Following;
}

/** Patroni answers a command with a sentence; its tools print it, and scripts look for it. */
export function sentence(status: number, text: string): Answer {
  return { status, body: text, contentType: 'text/plain; charset=utf-8' };
}

export type Command =
  | { readonly kind: 'command'; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly kind: 'refused'; readonly answer: Answer };

/** The body of a command: an object. `isOptional`: nothing at all is an empty one; otherwise it has to have something in it. */
export function readCommand(body: string, isOptional: boolean): Command {
  if (body.trim() === '' && isOptional) return { kind: 'command', fields: {} };
  try {
    const fields: unknown = JSON.parse(body);
    if (isMap(fields) && (isOptional || Object.keys(fields).length > 0)) return { kind: 'command', fields };
  } catch {
    // What is no JSON is refused like everything else that is no object.
  }
  return { kind: 'refused', answer: refusal(400, 'the body is not a JSON object with something in it') };
}

/** True and false in every form that Patroni takes; anything else is false. */
export function isTrue(value: unknown): boolean {
  return ['true', 'on', 'yes', '1'].includes(String(value).toLowerCase());
}
