import type { Connection } from '../client.ts';
import { ServerError } from '../port.ts';
import { type RoleToMake, createOrAlterRole, grantRewind, roleExists } from '../sql/roles.ts';
import { keepStatementsSecret } from '../sql/upstream-conninfo.ts';
import type { ManagedServerSettings } from './settings.ts';

/**
 * Makes the configured roles, or gives those that are there what is configured: the superuser, whoever streams, whoever
 * rewinds, and the users of `bootstrap.users`.
 */
export async function makeRoles(
  connection: Connection,
  settings: ManagedServerSettings,
  signal: AbortSignal,
): Promise<void> {
  await connection.run(keepStatementsSecret(), signal);
  const { credentials, replication, rewind, bootstrap } = settings;
  const superuser = { name: credentials.user, password: credentials.password, options: ['SUPERUSER'] };
  await makeRole(connection, superuser, signal);
  for (const user of bootstrap.users) await makeRole(connection, user, signal);
  if (replication !== null && replication.user !== credentials.user) {
    await makeRole(
      connection,
      { name: replication.user, password: replication.password, options: ['REPLICATION'] },
      signal,
    );
  }
  if (rewind !== null && rewind.user !== credentials.user) {
    await makeRole(connection, { name: rewind.user, password: rewind.password, options: [] }, signal);
    for (const statement of grantRewind(rewind.user)) await connection.run(statement, signal);
  }
}

async function makeRole(connection: Connection, role: RoleToMake, signal: AbortSignal): Promise<void> {
  const exists = await connection.run(roleExists(role.name), signal);
  await connection.run(createOrAlterRole(role, exists), signal).catch((error: unknown) => {
    // PostgreSQL may quote in its message what it did not like, and here that could be a password.
    const { trouble, sqlstate } = error instanceof ServerError ? error : { trouble: 'other' as const, sqlstate: null };
    throw new ServerError(`make role ${role.name}: SQLSTATE ${sqlstate ?? 'unknown'}`, trouble, sqlstate);
  });
}
