// PostgreSQL refuses to run as root. Where we are root, servers (and whatever calls pg_ctl) run as an
// unprivileged user; where we are not, they run as ourselves.

import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import process from 'node:process';
import { run } from './run.ts';

export interface ServerUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** `undefined`: not root, servers run as the user we are. */
export function serverUser(): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .map(([name = '', , uid = '', gid = '']) => ({ name, uid: Number(uid), gid: Number(gid) }));
  for (const wanted of ['postgres', 'nobody']) {
    const account = accounts.find(({ name, uid }) => name === wanted && uid > 0);
    if (account !== undefined) return account;
  }
  throw new Error(
    'running as root, and there is neither a user "postgres" nor "nobody" to run PostgreSQL as. ' +
      'Add one, or run as an ordinary user',
  );
}

/** The file that a command name stands for, symbolic links followed; `undefined` if there is none. */
export function resolveCommand(command: string): string | undefined {
  const candidates = isAbsolute(command)
    ? [command]
    : (process.env['PATH'] ?? '')
        .split(delimiter)
        .filter((folder) => folder !== '')
        .map((folder) => join(folder, command));
  for (const candidate of candidates) {
    try {
      const file = realpathSync(candidate);
      const { mode } = statSync(file);
      if (statSync(file).isFile() && (mode & 0o111) !== 0) return file;
    } catch {
      // not here: look in the next folder
    }
  }
  return undefined;
}

/** Whether the user can get to a file or folder: each folder above it must let them through. */
export function canReach(user: ServerUser, path: string): boolean {
  const allows = (place: string, wanted: number): boolean => {
    const { mode, uid, gid } = statSync(place);
    const bits = uid === user.uid ? mode >> 6 : gid === user.gid ? mode >> 3 : mode;
    return (bits & wanted) === wanted;
  };
  const target = realpathSync(path);
  if (!allows(target, statSync(target).isDirectory() ? 0o5 : 0o4)) return false;
  for (let folder = dirname(target); ; folder = dirname(folder)) {
    if (!allows(folder, 0o1)) return false;
    if (folder === dirname(folder)) return true;
  }
}

export interface CommandLine {
  readonly command: string;
  readonly args: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * How to run a command as the server user. `reads`: what else it has to reach (a script, its modules).
 *
 * A checkout or a Node.js below root's own home (mode 700) cannot be reached by anybody else. There the process keeps
 * the one capability to walk through such folders, by setpriv, which becomes the command and so keeps the pid.
 */
export function asServerUser(command: string, args: readonly string[], reads: readonly string[] = []): CommandLine {
  const user = serverUser();
  if (user === undefined) return { command, args };
  const file = resolveCommand(command);
  if (file === undefined) return { command, args, uid: user.uid, gid: user.gid };
  if ([file, ...reads].every((path) => canReach(user, path))) {
    return { command, args, uid: user.uid, gid: user.gid };
  }
  const setpriv = resolveCommand('setpriv');
  const capability = walkThroughCapability();
  if (setpriv === undefined || capability === undefined) {
    throw new Error(
      `user "${user.name}" cannot reach ${file} (or what it reads: ${reads.join(', ') || 'nothing'}), and root may not ` +
        'run PostgreSQL. Move it out of a private home folder, or run as an ordinary user',
    );
  }
  return {
    command: setpriv,
    args: [
      `--reuid=${user.uid}`,
      `--regid=${user.gid}`,
      '--clear-groups',
      `--inh-caps=+${capability}`,
      `--ambient-caps=+${capability}`,
      file,
      ...args,
    ],
  };
}

/** Reading is enough; a container often has only the wider of the two. */
function walkThroughCapability(): string | undefined {
  if (!existsSync('/proc/self/status')) return undefined;
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  if (effective === undefined) return undefined;
  const bits = BigInt(`0x${effective}`);
  if ((bits & (1n << 2n)) !== 0n) return 'dac_read_search';
  if ((bits & (1n << 1n)) !== 0n) return 'dac_override';
  return undefined;
}

/** Runs a command to its end as the user who runs PostgreSQL, with `home` as its home and working directory. */
export async function runAsServer(command: string, args: readonly string[], home: string): Promise<void> {
  const line = asServerUser(command, args);
  await run(line.command, line.args, {
    cwd: home,
    env: { HOME: home },
    ...(line.uid === undefined ? {} : { uid: line.uid }),
    ...(line.gid === undefined ? {} : { gid: line.gid }),
  });
}
