import { pino, stdTimeFunctions, type DestinationStream, type LevelWithSilent, type Logger } from 'pino';
import { ignoreElements, tap, type Observable } from 'rxjs';
import type { AgentEvent } from './event.ts';
import { plainLine } from './log-line.ts';
import { redact } from './redact.ts';
import { fieldsOf, wordsOf } from './wording.ts';

export interface LogSettings {
  readonly level: LevelWithSilent;
  /** `plain` = for people; one line per event either way. */
  readonly format: 'json' | 'plain';
}

const levels: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/**
 * What the environment says wins over the configuration: `SLOTKEEPER_LOG_LEVEL` and `SLOTKEEPER_LOG_FORMAT`. A value
 * that is not known changes nothing and is told in `mistakes`.
 */
export function logSettings(
  configured: LogSettings,
  environment: Readonly<Record<string, string | undefined>>,
): { readonly settings: LogSettings; readonly mistakes: readonly string[] } {
  const mistakes: string[] = [];
  const read = <T extends string>(name: string, isKnown: (word: string) => word is T, allowed: string): T | null => {
    const word = environment[name]?.trim().toLowerCase() ?? '';
    if (word === '' || isKnown(word)) return word === '' ? null : word;
    mistakes.push(`${name} is ${JSON.stringify(word)}, allowed: ${allowed}`);
    return null;
  };
  const level = read('SLOTKEEPER_LOG_LEVEL', isLevel, levels.join(', '));
  const format = read('SLOTKEEPER_LOG_FORMAT', isFormat, 'json, plain');
  return { settings: { level: level ?? configured.level, format: format ?? configured.format }, mistakes };
}

function isLevel(word: string): word is LevelWithSilent {
  return levels.includes(word);
}

function isFormat(word: string): word is LogSettings['format'] {
  return word === 'json' || word === 'plain';
}

/**
 * A logger that writes to standard output, or to `destination`. Everything is written in this thread and at once: a
 * worker would cost a second heap, and the last lines before a crash are those that matter. Nothing that looks like a
 * password gets into a line, whoever logs it.
 */
export function createLogger(settings: LogSettings & { readonly destination?: DestinationStream }): Logger {
  const output = settings.destination ?? pino.destination({ fd: 1, sync: true });
  return pino(
    {
      level: settings.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      hooks: { streamWrite: redact },
    },
    settings.format === 'plain' ? readable(output) : output,
  );
}

function readable(output: DestinationStream): DestinationStream {
  return {
    write: (line) => {
      output.write(plainLine(line));
    },
  };
}

/** Writes every event to the log. Emits nothing; completes with the events. */
export function logEvents(events$: Observable<AgentEvent>, logger: Logger): Observable<never> {
  return events$.pipe(
    tap((event) => {
      const { level, text } = wordsOf(event);
      logger[level](fieldsOf(event), text);
    }),
    ignoreElements(),
  );
}
