import { describe, expect, test } from 'vitest';
import { decoded, entry } from './entries.ts';

/** The keys of leadership as Patroni and its tools write them, and as nobody should. */

const nobody = { leader: null, candidate: null, scheduledAt: null, force: false };

describe('failover', () => {
  const read = (raw: string | null) => decoded(entry('failover', raw)).failover;

  test.each([
    ['a switchover', '{"leader":"a","member":"b"}', { ...nobody, leader: 'a', candidate: 'b' }],
    ['a manual failover', '{"member":"b"}', { ...nobody, candidate: 'b' }],
    ['empty texts', '{"leader":"","member":"b"}', { ...nobody, candidate: 'b' }],
    ['nothing left of it', '{}', nobody],
    ['nothing at all', '', nobody],
    ['null', 'null', nobody],
    ['the older form', 'a:b', { ...nobody, leader: 'a', candidate: 'b' }],
    ['the older form with blanks', ' a : b ', { ...nobody, leader: 'a', candidate: 'b' }],
    ['the older form of a failover', ':b', { ...nobody, candidate: 'b' }],
    ['the older form of a switchover to anybody', 'a:', { ...nobody, leader: 'a' }],
    ['our own field', '{"leader":"a","force":true}', { ...nobody, leader: 'a', force: true }],
  ])('%s', (_what, raw, value) => {
    expect(read(raw)).toMatchObject({ value, problem: null });
  });

  test.each(['2026-01-14T10:09:57.139412+00:00', '2026-01-14T10:09:57+02:00', '2026-01-14T10:09:57.1394Z'])(
    'at %s',
    (at) => {
      const key = read(JSON.stringify({ leader: 'a', scheduled_at: at }));
      expect(key).toMatchObject({ value: { ...nobody, leader: 'a', scheduledAt: at }, problem: null });
    },
  );

  test.each(['tomorrow', '2026-01-14T10:09:57', '2026-02-31T00:00:00Z'])(
    'at %j is not at once: it is no request that could be followed',
    (at) => {
      const key = read(JSON.stringify({ leader: 'a', scheduled_at: at }));
      expect(key?.value).toBeNull();
      expect(key?.problem).toMatch(/failover: scheduled_at is ".*", allowed is a time in ISO 8601 with its zone/);
    },
  );

  test.each([
    ['[]', /failover: is an array of 0, allowed is an object/],
    ['{"leader":', /is not JSON/],
    ['"a"', /is "a", allowed is an object/],
  ])('%s is none', (raw, problem) => {
    const key = read(raw);
    expect(key?.value).toBeNull();
    expect(key?.problem).toMatch(problem);
  });

  test('a name that no member can have is nobody, and does not reach a terminal', () => {
    const key = read(JSON.stringify({ leader: 'a', member: '\u001b[2Jb' }));
    expect(key?.value).toEqual({ ...nobody, leader: 'a' });
    expect(key?.problem).toMatch(/member is .*, allowed is a member's name/);
    expect(key?.problem).not.toContain('\u001b');
  });
});

describe('sync', () => {
  const read = (raw: string | null) => decoded(entry('sync', raw)).sync;

  test.each([
    ['one standby', '{"leader":"a","sync_standby":"b"}', { leader: 'a', standbys: ['b'] }],
    ['several', '{"leader":"a","sync_standby":"b,c"}', { leader: 'a', standbys: ['b', 'c'] }],
    ['none', '{"leader":"a","sync_standby":null}', { leader: 'a', standbys: [] }],
    ['with a quorum', '{"leader":"a","sync_standby":"b,c","quorum":1}', { leader: 'a', standbys: ['b', 'c'] }],
    ['switched off', '{}', { leader: null, standbys: [] }],
    ['nothing', '', { leader: null, standbys: [] }],
  ])('%s', (_what, raw, value) => {
    expect(read(raw)).toMatchObject({ value, problem: null });
  });

  test.each(['{', '[]', '3', 'a,b'])('%s is not taken for "nobody is synchronous"', (raw) => {
    const key = read(raw);
    expect(key?.value).toBeNull();
    expect(key?.problem).toMatch(/sync: is /);
  });
});

describe('failsafe', () => {
  test('is read member by member', () => {
    const key = decoded(entry('failsafe', '{"a":"http://a:8008/patroni","b":7,"__proto__":"http://p/"}')).failsafe;
    expect([...(key?.value ?? [])]).toEqual([
      ['a', 'http://a:8008/patroni'],
      ['__proto__', 'http://p/'],
    ]);
    expect(key?.problem).toMatch(/failsafe: b is 7, allowed is a URL/);
  });
});

describe('terms', () => {
  test('one that cannot be read is left out, and told', () => {
    const raw = JSON.stringify([{ term: 3, leader: 'a', timeline: 1 }, { term: 'x', leader: 'b' }, 7]);
    const key = decoded(entry('slotkeeper/terms', raw)).terms;
    expect(key?.value).toEqual([{ term: 3, leader: 'a', timeline: 1, from: null }]);
    expect(key?.problem).toMatch(/term 2.*term 3/);
  });
});

describe('a scheduled restart in a member key', () => {
  const read = (scheduled: unknown) =>
    decoded(entry('members/a', JSON.stringify({ role: 'replica', scheduled_restart: scheduled }))).members.get('a');

  test('as Patroni writes it', () => {
    const key = read({
      schedule: '2026-03-01T10:00:00+00:00',
      role: 'replica',
      postgres_version: '15.3',
      restart_pending: true,
      postmaster_start_time: '2026-02-01 10:00:00.000+00:00',
    });
    expect(key).toMatchObject({
      value: {
        scheduledRestart: {
          scheduledAt: '2026-03-01T10:00:00+00:00',
          role: 'replica',
          postgresVersion: '15.3',
          onlyIfPending: true,
          timeoutSeconds: null,
        },
      },
      problem: null,
    });
  });

  test.each([[{}], [{ schedule: 'soon' }]])('%j is none', (scheduled) => {
    const key = read(scheduled);
    expect(key?.value?.scheduledRestart).toBeNull();
    expect(key?.problem).toMatch(/scheduled_restart\.schedule/);
  });
});
