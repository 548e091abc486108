import { resolve } from 'node:path';
import { type DataDirectory, dataDirectory } from '../data-directory.ts';
import type { ManagedServerSettings } from './settings.ts';

/**
 * Where things of one managed server are. What must outlive the data, or must not be in the way of programs that want an
 * empty directory, stands beside it, under its name.
 */
export interface Place {
  readonly directory: DataDirectory;
  readonly configDir: string;
  /** Says which work on the data has been begun and not brought to its end. */
  readonly unfinished: string;
  /** The process id of the program that is, or was, at that work. */
  readonly program: string;
  readonly pgpass: string;
}

export function placeOf(settings: ManagedServerSettings): Place {
  const root = resolve(settings.dataDir);
  return {
    directory: dataDirectory(root),
    configDir: settings.configDir === null ? root : resolve(settings.configDir),
    unfinished: `${root}.slotkeeper-unfinished`,
    program: `${root}.slotkeeper-program`,
    pgpass: settings.pgpass ?? `${root}.slotkeeper-pgpass`,
  };
}

/** Files that slotkeeper keeps in a data directory: true of the server that they are in, and of no copy of it. */
export const ownFiles = {
  term: 'slotkeeper.term',
  log: 'slotkeeper.postgresql.log',
  upstream: 'slotkeeper.upstream.conf',
} as const;

/** Everything of ours in a data directory begins so, and a directory with nothing else in it counts as empty. */
export const ownPrefix = 'slotkeeper.';
