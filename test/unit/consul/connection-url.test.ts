import { expect, test } from 'vitest';
import { withoutCredentials } from '../../../src/consul/codec/connection-url.ts';

test.each([
  ['postgres://10.0.0.1:5432/postgres', 'postgres://10.0.0.1:5432/postgres'],
  ['postgresql://u:secret@db:5432/app?sslmode=require', 'postgresql://db:5432/app?sslmode=require'],
  ['postgres://u:p@ss@db/app', 'postgres://db/app'],
  ['postgres://u:p%40ss@h1:1,h2:2/app', 'postgres://h1:1,h2:2/app'],
  ['postgres://[::1]:5432/app', 'postgres://[::1]:5432/app'],
  ['postgres://db/app?password=secret&sslmode=require', 'postgres://db/app?sslmode=require'],
  ['postgres://db/app?PASSWORD=secret', 'postgres://db/app'],
])('%j is shown as %j', (url, shown) => {
  expect(withoutCredentials(url)).toBe(shown);
});

test.each([
  '',
  'http://db/app',
  'host=db password=secret',
  'postgres://u:pa/ss@db/app',
  'postgres://a b/c',
  'postgres:/x',
])('%j is not shown at all', (url) => {
  expect(withoutCredentials(url)).toBeNull();
});
