import type { IncomingMessage } from 'node:http';
import { describeError } from '../base/errors.ts';
import { ConsulError, TtlRefusedError } from './port.ts';
import { ttlBounds } from './ttl-refusal.ts';

const maxText = 400;

/**
 * An error of the package `consul` as a ConsulError: "cannot <what>: <status and Consul's own words, or the network's>".
 * The original is not kept as the cause: it carries the request, and with it the token, into whatever prints it.
 */
export function toConsulError(what: string, error: unknown, token: string | null): ConsulError {
  if (error instanceof ConsulError) return error;
  const response = responseOf(error);
  const statusCode = response?.statusCode ?? null;
  const why =
    statusCode === null
      ? withoutPrefix(describeError(error))
      : `Consul answers ${statusCode} ${bodyText(response?.body)}`;
  return new ConsulError(`cannot ${what}: ${withoutToken(why, token).trim().slice(0, maxText)}`, statusCode);
}

/** The error as a TtlRefusedError when Consul's words are that; null otherwise. */
export function toTtlRefusal(error: unknown): TtlRefusedError | null {
  const bounds = error instanceof ConsulError ? ttlBounds(error.message) : null;
  if (!(error instanceof ConsulError) || bounds === null) return null;
  return new TtlRefusedError(error.message, bounds.minSeconds, bounds.maxSeconds);
}

type Response = IncomingMessage & { readonly body?: unknown };

function responseOf(error: unknown): Response | undefined {
  if (!(error instanceof Error) || !('response' in error)) return undefined;
  const { response } = error;
  // A cut connection leaves a response without an end: that is no answer.
  return typeof response === 'object' && 'isResponse' in error ? (response as Response) : undefined;
}

/** Consul answers errors in plain text, a refused transaction as JSON with the reasons in it. */
function bodyText(body: unknown): string {
  if (typeof body === 'string') return body.replaceAll(/\s+/g, ' ');
  if (Buffer.isBuffer(body)) return body.toString('utf8').replaceAll(/\s+/g, ' ');
  return body === undefined ? '' : reasonsOf(body).join('; ');
}

function reasonsOf(body: unknown): string[] {
  const errors = (body as { Errors?: unknown } | null)?.Errors;
  if (!Array.isArray(errors)) return [];
  return errors.map((error: { What?: unknown } | null) => (typeof error?.What === 'string' ? error.What : 'no reason'));
}

/** The package puts its own name and that of its function in front of what the network said. */
function withoutPrefix(text: string): string {
  return text.replace(/^consul: (?:[A-Za-z.]+: )?/, '');
}

function withoutToken(text: string, token: string | null): string {
  return token === null || token === '' ? text : text.replaceAll(token, '<token>');
}
