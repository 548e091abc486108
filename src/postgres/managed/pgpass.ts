import { replaceFile } from '../durable-file.ts';
import type { Credentials } from '../settings.ts';
import type { ManagedWork } from './managed-work.ts';
import { textOf } from './server-conf.ts';
import { privateOwnership } from './server-user.ts';

/**
 * Writes the password file of the server and of the programs that connect for it, unless it is as it should be. A password
 * is good for every member, and goes to wherever the server is told to connect: so the file does not change when a standby
 * follows another.
 */
export async function writePgpass({ settings, place, user }: ManagedWork): Promise<void> {
  const roles = [settings.replication, settings.rewind, settings.credentials];
  const lines = roles.flatMap((role) =>
    role === null || role.password === null ? [] : [lineFor(role.user, role.password)],
  );
  const text = [...new Set(lines)].map((line) => `${line}\n`).join('');
  if (text === '' || text === (await textOf(place.pgpass))) return;
  await replaceFile(place.pgpass, text, privateOwnership(user));
}

/** Where libpq finds the password of a role; null = it has none. */
export function passfileOf({ place }: Pick<ManagedWork, 'place'>, role: Credentials): string | null {
  return role.password === null ? role.passfile : place.pgpass;
}

function lineFor(user: string, password: string): string {
  const escaped = (text: string): string => text.replaceAll(/[\\:]/g, '\\$&');
  return `*:*:*:${escaped(user)}:${escaped(password)}`;
}
