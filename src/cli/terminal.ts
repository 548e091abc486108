import type { Environment } from '../config/environment.ts';

/** What a command can see of the world around the process. Lines come without their line ends. */
export interface Terminal {
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
  /** Null = not a terminal: nothing is fitted to a width. */
  readonly columns: number | null;
  readonly colour: boolean;
  readonly env: Environment;
  /** Has something done whenever the process gets SIGHUP, which then does not end it. */
  readonly onHangup: (act: () => void) => void;
  /** Aborted when the process is asked to end. */
  readonly stop: AbortSignal;
  /** Everything on standard input. */
  readonly readInput: () => Promise<string>;
  /** Asks a question that is answered with yes or no; null = nobody is there to be asked. */
  readonly confirm: ((question: string) => Promise<boolean>) | null;
}

/** The terminal of this process. */
export function processTerminal(process: NodeJS.Process, stop: AbortSignal): Terminal {
  const { stdin, stdout, stderr, env } = process;
  return {
    out: (line) => stdout.write(`${line}\n`),
    err: (line) => stderr.write(`${line}\n`),
    columns: stdout.isTTY ? stdout.columns : null,
    colour: stdout.isTTY && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb',
    env,
    onHangup: (act) => void process.on('SIGHUP', act),
    stop,
    readInput: async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Uint8Array));
      return Buffer.concat(chunks).toString('utf8');
    },
    confirm: stdin.isTTY && stdout.isTTY ? (question) => confirm(process, question, stop) : null,
  };
}

async function confirm(process: NodeJS.Process, question: string, signal: AbortSignal): Promise<boolean> {
  const { createInterface } = await import('node:readline/promises');
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answer = await lines.question(`${question} [y/N] `, { signal });
    return /^y(?:es)?$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}
