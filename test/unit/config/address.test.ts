import { describe, expect, it } from 'vitest';
import { formatAddress, parseAddress, parseListen } from '../../../src/config/address.ts';

describe('an address', () => {
  it.each([
    ['db1', 'db1', 5432],
    ['db1:6000', 'db1', 6000],
    ['10.0.0.1:1', '10.0.0.1', 1],
    ['[::1]:6000', '::1', 6000],
    ['[::1]', '::1', 5432],
    ['::1:6000', '::1', 6000],
    ['*:5433', '*', 5433],
    [' db1:6000 ', 'db1', 6000],
  ])('%j', (text, host, port) => {
    expect(parseAddress(text, 5432)).toEqual({ host, port });
  });

  it.each([
    '',
    ':5432',
    'db1:',
    'db1:x',
    'db1:0',
    'db1:65536',
    'a b:1',
    'http://a:1',
    'u@a:1',
    '1:2:3',
    '[x]:1',
    'a,b:1',
  ])('%j is none', (text) => {
    expect(parseAddress(text, 5432)).toBeUndefined();
  });

  it('puts IPv6 into brackets', () => {
    expect(formatAddress({ host: '::1', port: 1 })).toBe('[::1]:1');
    expect(formatAddress({ host: 'db1', port: 1 })).toBe('db1:1');
  });
});

describe('what PostgreSQL listens on', () => {
  it.each([
    ['127.0.0.1:5433', ['127.0.0.1'], 5433],
    ['127.0.0.1,::1:5433', ['127.0.0.1', '::1'], 5433],
    ['10.0.0.1, localhost, *:5433', ['10.0.0.1', 'localhost', '*'], 5433],
    ['*', ['*'], 5432],
  ])('%j', (text, hosts, port) => {
    expect(parseListen(text, 5432)).toEqual({ hosts, port });
  });

  it.each(['', 'a,,b:1', 'a,b:x', ',a:1'])('%j is none', (text) => {
    expect(parseListen(text, 5432)).toBeUndefined();
  });
});
