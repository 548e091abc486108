import { expect, test } from 'vitest';
import { readTimestamp, writeTimestamp } from '../../../src/domain/timestamp.ts';
import { versionNumberOf } from '../../../src/domain/version.ts';

test.each([
  ['2026-01-14T10:09:57Z', '2026-01-14T10:09:57.000Z'],
  ['2026-01-14T10:09:57+00:00', '2026-01-14T10:09:57.000Z'],
  ['2026-01-14 12:09+02', '2026-01-14T10:09:00.000Z'],
  ['2026-01-14T04:39:57.5-0530', '2026-01-14T10:09:57.500Z'],
  ['2026-01-14T10:09:57.123456+00:00', '2026-01-14T10:09:57.123Z'],
  ['2026-01-14T10:09 utc', '2026-01-14T10:09:00.000Z'],
])('%s', (text, expected) => {
  const read = readTimestamp(text);
  expect(read?.hasZone).toBe(true);
  expect(new Date(read?.atWallMs ?? 0).toISOString()).toBe(expected);
});

test('without a zone it is told so', () => {
  expect(readTimestamp('2026-01-14T10:09')).toEqual({ atWallMs: Date.UTC(2026, 0, 14, 10, 9), hasZone: false });
});

test.each(['', 'now', 'tomorrow', '2026-02-31T00:00Z', '2026-13-01T00:00Z', '2026-01-01', '2026-01-01T25:00Z', '1e9'])(
  '%j is no timestamp',
  (text) => {
    expect(readTimestamp(text)).toBeNull();
  },
);

test('is written as Patroni writes it, and read again', () => {
  expect(writeTimestamp(Date.UTC(2026, 0, 2, 3, 4, 5))).toBe('2026-01-02T03:04:05+00:00');
  const at = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
  expect(readTimestamp(writeTimestamp(at))).toEqual({ atWallMs: at, hasZone: true });
});

test.each([
  ['15.3', 150_003],
  ['9.6.24', 90_624],
  ['10.0', 100_000],
  ['15', null],
  ['9.6', null],
  ['15.3.1', null],
  ['a.b', null],
])('the version %s is %s', (text, number) => {
  expect(versionNumberOf(text)).toBe(number);
});
