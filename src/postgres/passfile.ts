import { readFile, stat } from 'node:fs/promises';
import type { Address } from './settings.ts';

/**
 * The password that a file in the format of `.pgpass` gives for an address and a user (PostgreSQL manual, "The Password
 * File"): the first line that matches. Null = no line does. Throws when the file cannot be read, or when others than
 * its owner can: libpq ignores such a file without a word, and the server's refusal would then puzzle.
 */
export async function passwordFromFile(path: string, address: Address, user: string): Promise<string | null> {
  if (((await stat(path)).mode & 0o077) !== 0) {
    throw new Error(`password file ${path} is open to group or others: chmod 0600 it`);
  }
  return passwordIn(await readFile(path, 'utf8'), address, user);
}

/** As `passwordFromFile`, on the file's text. */
export function passwordIn(text: string, address: Address, user: string): string | null {
  // libpq looks for the default socket folder under the name of localhost.
  const hosts = address.host.startsWith('/') ? [address.host, 'localhost'] : [address.host];
  for (const line of text.split(/\r?\n/)) {
    if (line === '' || line.startsWith('#')) continue;
    const [host, port, database, lineUser, password] = fieldsOf(line);
    if (password === undefined) continue;
    const matches =
      hosts.some((candidate) => host === '*' || host === candidate) &&
      (port === '*' || port === String(address.port)) &&
      (database === '*' || database === address.database) &&
      (lineUser === '*' || lineUser === user);
    if (matches) return password;
  }
  return null;
}

/** Fields are separated by colons; a backslash takes the meaning from the character after it. */
function fieldsOf(line: string): string[] {
  const fields: string[] = [];
  let field = '';
  for (let i = 0; i < line.length; i += 1) {
    const char = line.charAt(i);
    if (char === ':') {
      fields.push(field);
      field = '';
    } else if (char === '\\' && i + 1 < line.length) {
      i += 1;
      field += line.charAt(i);
    } else {
      field += char;
    }
  }
  return [...fields, field];
}
