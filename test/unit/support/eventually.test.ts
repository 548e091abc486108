import { expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';

test('resolves to the first answer that is one', async () => {
  const answers = [undefined, null, false, 0];
  expect(await eventually(() => answers.shift(), { what: 'a number', intervalMs: 1 })).toBe(0);
});

test('says what was waited for and what was seen last', async () => {
  const ask = (): never => {
    throw new Error('still three');
  };
  await expect(eventually(ask, { what: 'a fourth', timeoutMs: 5, intervalMs: 1 })).rejects.toThrow(
    /^waited \d+ ms for a fourth: still three$/,
  );
});
