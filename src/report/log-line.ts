/** Patroni's names of the levels, for whatever reads its log. */
const levelNames: Readonly<Record<string, string>> = {
  trace: 'DEBUG',
  debug: 'DEBUG',
  info: 'INFO',
  warn: 'WARNING',
  error: 'ERROR',
  fatal: 'CRITICAL',
};

/**
 * A line of the log for people, from the line of JSON that pino makes: local time, level, words, and whatever else there is
 * as JSON. Time and level are where Patroni's default format has them, so that what filters its log also reads this one.
 */
export function plainLine(json: string): string {
  const { time, level, msg, ...rest } = JSON.parse(json) as Readonly<Record<string, unknown>>;
  const at = typeof time === 'string' ? localTime(new Date(time)) : '';
  const name = levelNames[String(level)] ?? String(level).toUpperCase();
  const words = typeof msg === 'string' ? ` ${msg.replaceAll(/\s*\n\s*/g, ' ')}` : '';
  const fields = Object.keys(rest).length === 0 ? '' : ` ${JSON.stringify(rest)}`;
  return `${at} ${name}:${words}${fields}\n`;
}

/** 23 characters: `2026-01-31 23:59:59,999`. */
function localTime(date: Date): string {
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return local.toISOString().replace('T', ' ').replace('.', ',').slice(0, -1);
}
