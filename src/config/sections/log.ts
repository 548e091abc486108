import { child, choice, isMap, object, optional, ownValue, parsed, unused, wrong, type Field } from '../field.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** The section `log`. */
export interface LogConfig {
  readonly level: LogLevel;
  readonly format: 'json' | 'plain';
}

const levels: Readonly<Record<string, LogLevel>> = {
  trace: 'trace',
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  warning: 'warn',
  error: 'error',
  fatal: 'fatal',
  critical: 'fatal',
};

const level: Field<LogLevel> = parsed('DEBUG, INFO, WARNING, ERROR or CRITICAL (also TRACE, WARN, FATAL)', (raw) => {
  const word = raw.toLowerCase();
  return Object.hasOwn(levels, word) ? levels[word] : undefined;
});

const declaration = object(
  {
    level: optional(level, 'info'),
    type: optional(choice('plain', 'json'), null),
    // The log goes to standard output, each line as it is: whoever starts the agent keeps it.
    traceback_level: unused,
    dateformat: unused,
    static_fields: unused,
    max_queue_size: unused,
    dir: unused,
    file_num: unused,
    file_size: unused,
    mode: unused,
    loggers: unused,
    deduplicate_heartbeat_logs: unused,
  },
  'tell',
);

/**
 * The section `log`. The format is `format: json | plain`, or Patroni's `type`; Patroni's own `format` is a pattern of
 * Python's logging, which says nothing here.
 */
export const logSection: Field<LogConfig> = (value, place) => {
  const format = isMap(value) ? ownValue(value, 'format') : null;
  const isPattern = Array.isArray(format) || (typeof format === 'string' && format.includes('%'));
  if (isPattern)
    place.report({ kind: 'unused', path: child(place, 'format').path, found: null, allowed: 'json, plain' });
  const chosen = isPattern ? null : optional(choice('json', 'plain'), null)(format, child(place, 'format'));
  const read = declaration(isMap(value) ? withoutFormat(value) : (value ?? {}), place);
  if (read === wrong || chosen === wrong) return wrong;
  return { level: read.level, format: chosen ?? read.type ?? 'plain' };
};

function withoutFormat(section: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(section).filter(([key]) => key !== 'format'));
}
