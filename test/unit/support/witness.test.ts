import { describe, expect, test } from 'vitest';
import { overlapping, type WritableRun } from '../../support/faults/witness.ts';

const run = (server: string, firstAnsweredAtMs: number, lastRequestedAtMs: number): WritableRun => ({
  server,
  startedAt: `${firstAnsweredAtMs}`,
  firstAnsweredAtMs,
  lastRequestedAtMs,
  writes: 2,
});

describe('the witness of writes', () => {
  test('two servers that wrote at once are found, whoever began', () => {
    const [old, next] = [run('alpha', 10, 200), run('beta', 150, 300)];
    expect(overlapping([old, next])).toEqual([[old, next]]);
    expect(overlapping([next, old])).toEqual([[next, old]]);
    const short = run('gamma', 160, 170);
    expect(overlapping([old, short])).toEqual([[old, short]]);
  });

  test('a write under way when another server began may have been granted before', () => {
    expect(overlapping([run('alpha', 10, 149), run('beta', 150, 300)])).toEqual([]);
    // a single write each: asked at 100 and answered at 400, asked at 200 and answered at 300
    expect(overlapping([run('alpha', 400, 100), run('beta', 300, 200)])).toEqual([]);
  });

  test('a server that was asked before another one began, and again after that, wrote beside it', () => {
    const frozen = run('alpha', 10, 500);
    expect(overlapping([frozen, run('beta', 300, 490)])).toHaveLength(1);
  });

  test('two runs of one server are one after the other', () => {
    expect(overlapping([run('alpha', 10, 200), run('alpha', 150, 300)])).toEqual([]);
  });
});
