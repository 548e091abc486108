import { readFile, stat } from 'node:fs/promises';
import { ConsulError } from './port.ts';

/** Resolves to the ACL token to send with the next request; null = none is configured. */
export type TokenSource = () => Promise<string | null>;

/** A token that was given as such; it may be another one with each use. */
export function givenToken(access: { readonly token: string | null }): TokenSource {
  return () => Promise.resolve(access.token);
}

/**
 * A token in a file that something else rotates: looked at before every request, read when it has changed. While the
 * file cannot be read the last token is used; ConsulError when there has been none.
 */
export function tokenFile(path: string): TokenSource {
  let known: { readonly stamp: string; readonly token: string } | null = null;
  return async () => {
    try {
      const { mtimeMs, ino, size } = await stat(path);
      const stamp = `${mtimeMs} ${ino} ${size}`;
      if (known?.stamp !== stamp) {
        const token = (await readFile(path, 'utf8')).trim();
        // A writer that truncates first shows an empty file for a moment: keep the old token until the next look.
        if (token !== '') known = { stamp, token };
        else if (known === null) throw new Error('the file is empty');
      }
    } catch (error) {
      if (known === null) {
        const why = error instanceof Error ? error.message : 'unknown error';
        throw new ConsulError(`cannot read the Consul token file ${path}: ${why}`, null);
      }
    }
    return known.token;
  };
}
