import type { Turn } from '../../plan/plan.ts';

/** What is known when a request is answered. Times: now, monotonic and since 1970. */
export interface Moment {
  readonly turn: Turn;
  /** When the newest turn was made: an agent whose loop hangs makes no more of them. */
  readonly turnAtMs: number;
  readonly nowMs: number;
  readonly nowWallMs: number;
}

export interface Answer {
  readonly status: number;
  /** An object is sent as JSON. */
  readonly body: string | Readonly<Record<string, unknown>> | readonly unknown[];
  /** For a body that is text; otherwise it is JSON. */
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function json(status: number, body: Readonly<Record<string, unknown>> | readonly unknown[]): Answer {
  return { status, body };
}

/** A refusal with its reason in words. */
export function refusal(status: number, error: string, more: Readonly<Record<string, unknown>> = {}): Answer {
  return { status, body: { error, ...more } };
}
