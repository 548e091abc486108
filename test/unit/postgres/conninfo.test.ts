import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { databaseOf, hasPassword, parseUrl, upstreamOf, withDatabase } from '../../../src/postgres/conninfo.ts';

describe('primary_conninfo', () => {
  test.each([
    ['host=db1 port=5433 user=rep password=x', 'db1', 5433],
    [`user=rep passfile='/srv/a b' host='10.0.0.1' port='5432' sslmode=prefer`, '10.0.0.1', 5432],
    [`host = db1 port = 5432`, 'db1', 5432],
    // libpq refuses it, too: quotes are not doubled.
    [`password='it''s' host=db1`, null, null],
    [`password='host=evil port=1' host=db1 port=2`, 'db1', 2],
    [`password=a\\ host\\=evil host=db1`, 'db1', null],
    [`password='a\\'b host=evil' host='d\\'b1'`, `d'b1`, null],
    ['host=db1,db2 port=5432,5433', 'db1', 5432],
    ['hostaddr=10.1.1.1 port=6000', '10.1.1.1', 6000],
    ['host=/var/run/postgresql', '/var/run/postgresql', null],
    ['postgres://rep:secret@db1:5444/postgres?sslmode=require', 'db1', 5444],
    ['postgresql://[::1]:5444', '::1', 5444],
    ['host=db1 port=0', 'db1', null],
    ['host=db1 port=70000', 'db1', null],
    ['', null, null],
    ['nonsense', null, null],
  ])('%s', (conninfo, host, port) => {
    expect(upstreamOf(conninfo)).toEqual({ host, port });
  });

  test('a value is found whatever stands in the password before it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii' }), (password) => {
        const quoted = password.replaceAll(/([\\'])/g, '\\$1');
        expect(upstreamOf(`password='${quoted}' host=db1 port=5433`)).toEqual({ host: 'db1', port: 5433 });
      }),
    );
  });
});

describe('a password in a connection string', () => {
  test.each([
    ['host=db1 user=rep password=x', true],
    [`host=db1 password = 'a b'`, true],
    ['host=db1 sslpassword=x', true],
    [`host=db1 password=''`, false],
    ['host=db1 user=rep passfile=/srv/pass', false],
    [`host=db1 application_name='password=x'`, false],
    ['postgres://rep:secret@db1/app', true],
    ['postgres://db1?user=rep&password=x', true],
    ['postgres://db1/app?sslpassword=x', true],
    ['postgres://rep@db1:5432/app?passfile=/srv/pass', false],
    ['postgres://rep:@[::1]:5432', false],
    ['postgres://db1:5432/app?password=', false],
    ['', false],
  ])('of %s: %s', (conninfo, found) => {
    expect(hasPassword(conninfo)).toBe(found);
  });
});

describe('the database in a connection string', () => {
  test.each([
    ['host=db1 user=rep', null],
    ['host=db1 dbname=app', 'app'],
    [`host=db1 dbname = 'my app'`, 'my app'],
    [`dbname=first dbname=last`, 'last'],
    [`host=db1 dbname=''`, null],
    [`password='dbname=evil' host=db1`, null],
    ['', null],
    ['postgres://rep:secret@db1:5444', null],
    ['postgres://rep:secret@db1:5444/', null],
    ['postgres://rep:secret@db1/app', 'app'],
    ['postgres://rep:secret@db1/a%20b+c?sslmode=require', 'a b+c'],
    ['postgresql://db1/app?dbname=other', 'other'],
    ['postgresql://db1?dbname=', null],
    // What stands before the @ is no path and no query.
    ['postgres://rep:a?dbname=x@db1', null],
    ['postgres://[::1]:5444/app', 'app'],
  ])('of %s', (conninfo, database) => {
    expect(databaseOf(conninfo)).toBe(database);
  });

  test.each([
    ['host=db1', `host=db1 dbname='app'`],
    [`host=db1 dbname=''`, `host=db1 dbname='' dbname='app'`],
    ['postgres://db1', 'postgres://db1?dbname=app'],
    ['postgres://db1/?', 'postgres://db1/?dbname=app'],
    ['postgres://db1?sslmode=require', 'postgres://db1?sslmode=require&dbname=app'],
    ['postgres://rep:a?b@db1', 'postgres://rep:a?b@db1?dbname=app'],
  ])('is put into %s', (conninfo, wanted) => {
    expect(withDatabase(conninfo, 'app')).toBe(wanted);
  });

  test('is found where it was put, and the rest is as it was', () => {
    const forms = fc.constantFrom(
      `host=db1 port=5433 password='a\\'b'`,
      'postgres://rep:a%20b@db1:5433',
      'postgres://db1:5433?sslmode=require',
    );
    fc.assert(
      fc.property(forms, fc.string({ unit: 'grapheme', minLength: 1 }), (conninfo, database) => {
        const whole = withDatabase(conninfo, database);
        expect(databaseOf(whole)).toBe(database);
        expect(upstreamOf(whole)).toEqual({ host: 'db1', port: 5433 });
        expect(whole.startsWith(conninfo)).toBe(true);
      }),
    );
  });
});

describe("a member's connection URL", () => {
  test.each([
    ['postgres://db1:5433/app', { host: 'db1', port: 5433, database: 'app' }],
    ['postgresql://db1/app', { host: 'db1', port: 5432, database: 'app' }],
    ['postgres://db1', { host: 'db1', port: 5432, database: 'postgres' }],
    ['postgres://db1/', { host: 'db1', port: 5432, database: 'postgres' }],
    ['postgres://u:p%40ss@db1:5433/a%20b?sslmode=disable', { host: 'db1', port: 5433, database: 'a b' }],
    ['postgres://[fe80::1]:5433/app', { host: 'fe80::1', port: 5433, database: 'app' }],
    ['postgres:///app?host=/run/pg&port=5434', { host: '/run/pg', port: 5434, database: 'app' }],
  ])('%s', (url, address) => {
    expect(parseUrl(url)).toEqual(address);
  });

  test.each([
    '',
    'http://db1/app',
    'postgres://',
    'postgres:///app',
    'postgres://db1:0/x',
    'postgres://db1:99999/x',
    'db1:5432',
    'postgres://db1/%ff',
  ])('%s is none', (url) => {
    expect(parseUrl(url)).toBeUndefined();
  });

  test('whatever it is, it is an address or none', () => {
    fc.assert(
      fc.property(fc.string(), (rest) => {
        const address = parseUrl(`postgres://${rest}`);
        if (address !== undefined) expect(address.port).toBeGreaterThan(0);
      }),
    );
  });
});
