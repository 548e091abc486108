import { lastValueFrom, of } from 'rxjs';
import { describe, expect, test } from 'vitest';
import type { AgentEvent } from '../../../src/report/event.ts';
import { createLogger, logEvents, logSettings, type LogSettings } from '../../../src/report/log.ts';

/** The lines that a logger writes for some events, or for whatever else is done with it. */
async function linesOf(settings: LogSettings, ...events: AgentEvent[]): Promise<readonly string[]> {
  const lines: string[] = [];
  const logger = createLogger({ ...settings, destination: { write: (line) => void lines.push(line) } });
  await lastValueFrom(logEvents(of(...events), logger), { defaultValue: null });
  return lines;
}

const lost: AgentEvent = { kind: 'slot_lost', gap: { slot: 'orders', from: 0x16b3748n, to: null, why: 'dropped' } };
const done: AgentEvent = { kind: 'action_done', action: 'publish_status', slot: null, tookMs: 2 };

describe('a line', () => {
  test('as JSON: level, time, event, fields, positions as PostgreSQL prints them', async () => {
    const [line] = await linesOf({ level: 'info', format: 'json' }, lost);
    expect(line).toMatch(/\n$/);
    expect(JSON.parse(line!)).toEqual({
      level: 'error',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
      event: 'slot_lost',
      gap: { slot: 'orders', from: '0/16B3748', why: 'dropped' },
      msg: 'changes are lost to the consumer of a slot: it cannot get this range of WAL from it',
    });
  });

  test('for people: one line with the same content', async () => {
    const [line, ...more] = await linesOf({ level: 'info', format: 'plain' }, lost);
    expect(more).toEqual([]);
    expect(line!.trimEnd()).not.toContain('\n');
    expect(line).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ERROR: changes are lost.*"slot":"orders".*0\/16B3748/);
  });

  test.each([
    ['debug', 'DEBUG'],
    ['info', 'INFO'],
    ['warn', 'WARNING'],
    ['error', 'ERROR'],
    ['fatal', 'CRITICAL'],
  ] as const)('for people: level %s is where Patroni has it, and is called %s', (level, name) => {
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    createLogger({ level: 'trace', format: 'plain', destination })[level]('two\nlines');
    expect(lines.map((line) => line.slice(23))).toEqual([` ${name}: two lines\n`]);
  });

  test('below the level nothing is written', async () => {
    expect(await linesOf({ level: 'info', format: 'json' }, done)).toEqual([]);
    expect(await linesOf({ level: 'debug', format: 'json' }, done)).toHaveLength(1);
    expect(await linesOf({ level: 'silent', format: 'json' }, lost)).toEqual([]);
  });
});

describe('how loud', () => {
  const unready = [
    { slot: 'b', type: 'logical', verdict: { kind: 'not_ready', reason: 'x' }, position: null },
  ] as const;
  const failing = (ageMs: number): AgentEvent => ({
    kind: 'action_failed',
    action: 'a',
    message: 'm',
    sqlstate: null,
    count: 2,
    ageMs,
  });
  test.each<[string, AgentEvent, string]>([
    ['promotion, all ready', { kind: 'promoted', timeline: 2, slots: 1, unready: [] }, 'info'],
    ['promotion, one not ready', { kind: 'promoted', timeline: 2, slots: 1, unready }, 'warn'],
    ['Consul just gone', { kind: 'consul_unreachable', why: 'w', ageMs: 0 }, 'info'],
    ['Consul long gone', { kind: 'consul_unreachable', why: 'w', ageMs: 61_000 }, 'error'],
    ['a failure', failing(0), 'warn'],
    ['an old failure', failing(60_000), 'error'],
    [
      'a slot that was ready',
      {
        kind: 'slot_verdict_changed',
        slot: 'b',
        from: 'ready',
        to: { kind: 'not_ready', reason: 'x' },
        position: null,
      },
      'warn',
    ],
    [
      'a slot that is lost',
      { kind: 'slot_verdict_changed', slot: 'b', from: 'ready', to: { kind: 'lost', reason: 'x' }, position: null },
      'error',
    ],
    ['a wrong configuration', { kind: 'config_refused', index: 3, why: 'w' }, 'error'],
  ])('%s', async (_what, event, level) => {
    const [line] = await linesOf({ level: 'trace', format: 'json' }, event);
    expect(JSON.parse(line!)).toMatchObject({ level });
  });
});

describe('secrets', () => {
  const secrets = [
    'connect to postgres://repl:hunter2@db1:5432/postgres failed',
    'connect to postgres://repl:hun/ter2@hunter2@db1/postgres failed',
    'could not connect: host=db1 user=repl password=hunter2 dbname=postgres',
    "could not connect: host=db1 password='hunter2 hunter2' dbname=postgres",
    'http://consul:8500/v1/kv/a?token=hunter2&wait=1s',
    'X-Consul-Token: hunter2',
    'Authorization: Basic aHVudGVyMjpodW50ZXIy',
    '{"password": "hunter2"}',
    'said "postgres://repl:\\"hunter2@db1" twice',
  ];

  test.each(['json', 'plain'] as const)('do not get into the log, wherever they stand (%s)', (format) => {
    for (const text of secrets) {
      const lines: string[] = [];
      const logger = createLogger({
        level: 'info',
        format,
        destination: { write: (line) => void lines.push(line) },
      });
      logger.info(text);
      logger.info({ why: text, password: 'hunter2', deep: { list: [text], token: 'hunter2' } }, 'static');
      logger.error(new Error(text, { cause: new Error(text) }));
      logger.child({ url: text }).info('child');
      const written = lines.join('');
      expect(written, text).not.toMatch(/hunter2|ter2|aHVudGVy/);
      expect(lines.length).toBeGreaterThanOrEqual(4);
      if (format === 'json') for (const line of lines) JSON.parse(line);
    }
  });

  test('what is no secret stays readable', async () => {
    const [line] = await linesOf(
      { level: 'info', format: 'json' },
      { kind: 'rest_listening', url: 'http://10.0.0.1:8008' },
    );
    expect(JSON.parse(line!)).toMatchObject({ url: 'http://10.0.0.1:8008' });
  });
});

describe('the environment wins over the file', () => {
  const file: LogSettings = { level: 'info', format: 'plain' };
  test.each([
    ['nothing set', {}, file, 0],
    [
      'both set',
      { SLOTKEEPER_LOG_LEVEL: 'DEBUG', SLOTKEEPER_LOG_FORMAT: 'json' },
      { level: 'debug', format: 'json' },
      0,
    ],
    ['empty is not set', { SLOTKEEPER_LOG_LEVEL: '', SLOTKEEPER_LOG_FORMAT: ' ' }, file, 0],
    [
      'unknown words change nothing and are told',
      { SLOTKEEPER_LOG_LEVEL: 'loud', SLOTKEEPER_LOG_FORMAT: 'xml' },
      file,
      2,
    ],
  ])('%s', (_what, environment, settings, mistakes) => {
    const read = logSettings(file, environment);
    expect(read.settings).toEqual(settings);
    expect(read.mistakes).toHaveLength(mistakes);
  });
});
