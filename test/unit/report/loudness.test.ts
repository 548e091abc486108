import { describe, expect, test } from 'vitest';
import { isSaidAgain, loudnessOf, withoutNumbers } from '../../../src/report/loudness.ts';

test.each([
  [0, 'info'],
  [9_999, 'info'],
  [10_000, 'warn'],
  [59_999, 'warn'],
  [60_000, 'error'],
  [86_400_000, 'error'],
])('trouble %i ms old is said as %s', (ageMs, level) => {
  expect(loudnessOf(ageMs)).toBe(level);
});

test('what lasts a night is said a dozen times, further and further apart', () => {
  const said: number[] = [];
  for (let second = 1; second <= 8 * 3_600; second += 1) {
    if (isSaidAgain((second - 1) * 1_000, second * 1_000)) said.push(second);
  }
  expect(said).toEqual([10, 60, 120, 240, 480, 960, 1_920, 3_840, 7_680, 15_360]);
});

describe('two sentences say the same', () => {
  test.each([
    [
      'at 0/3000, while the consumer has confirmed 0/2F00',
      'at 16/B374D848, while the consumer has confirmed 16/B3740000',
    ],
    ['failed 3 times, next attempt in 7 s: timeout', 'failed 4 times, next attempt in 12.5 s: timeout'],
    ['the snapshot 0-16B3748.snap is not here', 'the snapshot 0-26B3748.snap is not here'],
  ])('%s', (one, other) => {
    expect(withoutNumbers(one)).toBe(withoutNumbers(other));
  });

  test.each([
    ['the physical slot node_1 has no catalog_xmin', 'the physical slot node_2 has no catalog_xmin'],
    ['hot_standby_feedback is off here', 'hot_standby_feedback is on here'],
  ])('but not %s', (one, other) => {
    expect(withoutNumbers(one)).not.toBe(withoutNumbers(other));
  });
});
