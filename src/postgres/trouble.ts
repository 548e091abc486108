import { describeError } from '../base/errors.ts';
import type { ServerTrouble } from '../domain/server.ts';
import { ServerError } from './port.ts';
import { sqlstate } from './sqlstate.ts';

/**
 * Anything that was thrown while talking to a server, as a ServerError. `verb` says what was being done ("advance slot
 * x"). Neither `pg` nor PostgreSQL puts a password into a message, and connection strings are never part of one here.
 */
export function serverError(verb: string, error: unknown): ServerError {
  if (error instanceof ServerError) return error;
  const state = stateOf(error);
  return new ServerError(`${verb}: ${describeError(error)}`, troubleOf(error, state), state, { cause: error });
}

/** The signal was aborted: whoever called has given up. */
export function givenUp(verb: string): ServerError {
  return new ServerError(`${verb}: given up`, 'timeout', null);
}

/** The five characters of a SQLSTATE, of which errors of Node (`EPERM`) can look like one: those begin with an E. */
function stateOf(error: unknown): string | null {
  const code = codeOf(error);
  return code !== null && /^[0-9A-DF-Z][0-9A-Z]{4}$/.test(code) ? code : null;
}

function codeOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}

function troubleOf(error: unknown, state: string | null): ServerTrouble {
  if (state !== null) return troubleOfState(state, describeError(error));
  switch (codeOf(error)) {
    case 'ECONNREFUSED':
    // The folder or the file of a Unix socket.
    case 'ENOENT':
      return 'not_running';
    case 'ETIMEDOUT':
      return 'timeout';
    default:
      // pg's own words for a connection that was not made within its limit; it has no code.
      return error instanceof Error && error.message === 'timeout expired' ? 'timeout' : 'other';
  }
}

function troubleOfState(state: string, message: string): ServerTrouble {
  switch (state) {
    case sqlstate.cannotConnectNow:
      // One code for both directions; only the sentence tells which. In another language it counts as starting.
      return /shutting down/i.test(message) ? 'stopping' : 'starting';
    case sqlstate.adminShutdown:
    case sqlstate.crashShutdown:
      return 'stopping';
    case sqlstate.queryCanceled:
      return 'timeout';
    default:
      return 'refused';
  }
}
