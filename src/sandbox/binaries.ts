import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Says what is going on, one line at a time, to whoever waits for it. */
export type Progress = (line: string) => void;

export interface ConsulBinary {
  readonly file: string;
  /** As in `1.8.7`. */
  readonly version: string;
  /** Where it was found, for people. */
  readonly source: string;
}

export interface PostgresBinaries {
  /** The folder with initdb, pg_ctl and postgres; the other tools may be missing. */
  readonly binDir: string;
  readonly major: number;
  /** As in `16.14`. */
  readonly version: string;
  readonly source: string;
}

/** What copies and rewinds a server; Debian's and the official packages have it, a minimal installation does not. */
const neededToManage = ['pg_basebackup', 'pg_controldata', 'pg_rewind'];

/** What `ha: manage` needs of an installation and is not there. */
export function missingToManage(binDir: string): readonly string[] {
  return neededToManage.filter((program) => !existsSync(join(binDir, program)));
}

export interface Attempt {
  readonly place: string;
  readonly outcome: string;
}

/** Neither found nor fetched: which places were tried, why each failed, and how to point to one's own. */
export class BinaryNotFound extends Error {
  readonly attempts: readonly Attempt[];

  constructor(what: string, attempts: readonly Attempt[], remedy: string) {
    const width = Math.max(...attempts.map(({ place }) => place.length));
    super(
      [
        `no ${what} on this machine, and none could be fetched:`,
        ...attempts.map(
          ({ place, outcome }) => `  ${place.padEnd(width)}  ${outcome.replaceAll('\n', '\n' + ' '.repeat(width + 4))}`,
        ),
        remedy,
      ].join('\n'),
    );
    this.name = 'BinaryNotFound';
    this.attempts = attempts;
  }
}
