import { spawn } from 'node:child_process';
import process from 'node:process';

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly uid?: number;
  readonly gid?: number;
  readonly timeoutMs?: number;
}

/** A command that came to its end with anything but exit code 0. The message carries the end of what it printed. */
export class CommandFailed extends Error {
  readonly output: string;

  constructor(commandLine: string, how: string, output: string) {
    const said = output.trim().split('\n').slice(-8).join('\n');
    super(`${commandLine}: ${how}${said === '' ? '' : `\n${said}`}`);
    this.name = 'CommandFailed';
    this.output = output;
  }
}

/** Runs a command to its end without a shell; resolves to its standard output. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
      timeout: options.timeoutMs ?? 120_000,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let all = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      all += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      all += text;
    });
    const commandLine = [command, ...args].join(' ');
    child.once('error', (error) => reject(new CommandFailed(commandLine, error.message, all)));
    child.once('close', (code, signal) => {
      if (code === 0) resolve(stdout);
      else reject(new CommandFailed(commandLine, signal === null ? `exit code ${code ?? '?'}` : signal, all));
    });
  });
}
