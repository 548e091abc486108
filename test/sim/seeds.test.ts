import { expect, test } from 'vitest';
import { runSeeds, summary } from './many-seeds.ts';
import { explain, runSeed } from './run-seed.ts';

// SLOTKEEPER_SEED=n replays one history, SLOTKEEPER_SEEDS=n runs the seeds from 1 to n.
const wantedSeed = process.env['SLOTKEEPER_SEED'];
const wantedCount = process.env['SLOTKEEPER_SEEDS'];

/** Without a wish. Seeds are the same everywhere; more of them are run by SLOTKEEPER_SEEDS=10000 npm run test:sim. */
const usual = { atLeast: 2_000, budgetMs: 0 };

if (wantedSeed !== undefined) {
  test(`seed ${wantedSeed} breaks no rule`, { timeout: 0 }, async () => {
    const report = await runSeed(Number(wantedSeed));
    if (report.violation !== null) expect.fail(explain(report));
  });
} else {
  test('no history breaks a rule', { timeout: 0 }, async () => {
    const done = await runSeeds(wantedCount === undefined ? usual : { atLeast: Number(wantedCount), budgetMs: 0 });
    console.info(summary(done));
    if (done.violation !== null) expect.fail(done.violation);
  });

  test('the same seed does the same, in this process and in another', { timeout: 0 }, async () => {
    const [first, second, other] = [await runSeed(2), await runSeed(2), await runSeed(1)];
    expect(second.digest).toBe(first.digest);
    expect(other.digest).not.toBe(first.digest);
    const { digests } = await runSeeds({ atLeast: 2, budgetMs: 0 });
    expect(digests.get(2)).toBe(first.digest);
    expect(digests.get(1)).toBe(other.digest);
  });
}
