import { majorOf, versionText } from '../domain/version.ts';
import { ServerError } from './port.ts';
import { serverVersion } from './sql/server-version.ts';
import { sqlstate } from './sqlstate.ts';
import type { Statement } from './statement.ts';

export type Ask = <Result>(statement: Statement<Result>, signal: AbortSignal) => Promise<Result>;

/**
 * Throws ServerError (0A000) when the server is older than `major`: it would say of what it does not know yet that the
 * syntax is wrong or that there is no such function. The server is asked each time: it may be another one by now.
 */
export async function requireMajor(ask: Ask, major: number, what: string, signal: AbortSignal): Promise<void> {
  const versionNum = await ask(serverVersion(), signal);
  if (majorOf(versionNum) >= major) return;
  const why = `needs PostgreSQL ${major}, and this server is ${versionText(versionNum)}`;
  throw new ServerError(`${what}: ${why}`, 'refused', sqlstate.featureNotSupported);
}
