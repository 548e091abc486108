import { expect, test } from 'vitest';
import { explain, runSeed } from './run-seed.ts';

/** Without a wish: as many seeds as fit into this time on the machine at hand, but at least a few. */
const budgetMs = 60_000;
const fewestSeeds = 20;

const wantedSeed = process.env['SLOTKEEPER_SEED'];
const wantedCount = process.env['SLOTKEEPER_SEEDS'];

async function requireNoViolation(seed: number): Promise<void> {
  const report = await runSeed(seed);
  if (report.violation !== null) expect.fail(explain(report));
}

async function requireNone(): Promise<void> {
  const startedAtMs = performance.now();
  const isEnough = (done: number): boolean =>
    wantedCount === undefined
      ? done >= fewestSeeds && performance.now() - startedAtMs > budgetMs
      : done >= Number(wantedCount);
  let done = 0;
  for (; !isEnough(done); done += 1) await requireNoViolation(done + 1);
  console.info(`${String(done)} seeds in ${((performance.now() - startedAtMs) / 1000).toFixed(1)} s`);
}

if (wantedSeed === undefined) test('no history breaks a rule', { timeout: 0 }, requireNone);
else test(`seed ${wantedSeed} breaks no rule`, { timeout: 0 }, () => requireNoViolation(Number(wantedSeed)));

test('the same seed does the same', async () => {
  const [first, second, other] = [await runSeed(4), await runSeed(4), await runSeed(5)];
  expect(second.digest).toBe(first.digest);
  expect(other.digest).not.toBe(first.digest);
});
