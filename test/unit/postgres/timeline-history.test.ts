import { expect, test } from 'vitest';
import { switchesIn, timelineHistory } from '../../../src/postgres/sql/timeline-history.ts';

test('a history file, as several promotions and a person leave it', () => {
  const text = '# by hand\n\n1\t0/3000060\tno recovery target specified\n\n  2 1/AB  before 2026-01-01\n3\t2/0\n';
  expect(switchesIn(text)).toEqual([
    { timeline: 1, lsn: 0x3000060n, reason: 'no recovery target specified' },
    { timeline: 2, lsn: 0x1_0000_00abn, reason: 'before 2026-01-01' },
    { timeline: 3, lsn: 0x2_0000_0000n, reason: '' },
  ]);
  expect(switchesIn('nonsense\n1 2 3')).toEqual([]);
});

test('comes as bytes from 13 and as text from 14', () => {
  const { read } = timelineHistory(2);
  const expected = [{ timeline: 1, lsn: 0x3000060n, reason: 'x' }];
  expect(read([{ filename: '00000002.history', content: Buffer.from('1\t0/3000060\tx\n') }])).toEqual(expected);
  expect(read([{ filename: '00000002.history', content: '1\t0/3000060\tx\n' }])).toEqual(expected);
  expect(() => read([])).toThrow(/not of the expected shape/);
});
