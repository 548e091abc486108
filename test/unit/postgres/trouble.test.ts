import { describe, expect, test } from 'vitest';
import { ServerError } from '../../../src/postgres/port.ts';
import { serverError } from '../../../src/postgres/trouble.ts';

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

describe('what an error says of the server', () => {
  test.each([
    ['57P03', 'the database system is starting up', 'starting', '57P03'],
    ['57P03', 'the database system is shutting down', 'stopping', '57P03'],
    ['57P03', 'Das Datenbanksystem startet', 'starting', '57P03'],
    ['57P01', 'terminating connection due to administrator command', 'stopping', '57P01'],
    ['57014', 'canceling statement due to statement timeout', 'timeout', '57014'],
    ['28P01', 'password authentication failed for user "x"', 'refused', '28P01'],
    ['53300', 'sorry, too many clients already', 'refused', '53300'],
    ['55006', 'replication slot "s" is active', 'refused', '55006'],
    ['ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:5432', 'not_running', null],
    ['ENOENT', 'connect ENOENT /run/.s.PGSQL.5432', 'not_running', null],
    ['ETIMEDOUT', 'connect ETIMEDOUT', 'timeout', null],
    ['ECONNRESET', 'read ECONNRESET', 'other', null],
    ['EPIPE', 'write EPIPE', 'other', null],
  ])('%s %s: %s', (code, message, trouble, sqlstate) => {
    const error = serverError('do it', coded(code, message));
    expect(error).toMatchObject({ trouble, sqlstate, message: `do it: ${message}` });
  });

  test('a connection that took too long', () => {
    expect(serverError('connect', new Error('timeout expired'))).toMatchObject({ trouble: 'timeout', sqlstate: null });
  });

  test('a host with two addresses that both refuse', () => {
    const both = new AggregateError([
      coded('ECONNREFUSED', 'connect ECONNREFUSED ::1:5432'),
      coded('ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:5432'),
    ]);
    const error = serverError('connect', Object.assign(both, { code: 'ECONNREFUSED' }));
    expect(error.trouble).toBe('not_running');
    expect(error.message).toContain('127.0.0.1');
  });

  test('is not wrapped twice', () => {
    const first = new ServerError('inner', 'refused', '42501');
    expect(serverError('outer', first)).toBe(first);
  });
});
