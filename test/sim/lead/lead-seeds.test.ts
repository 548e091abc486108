import path from 'node:path';
import { expect, test } from 'vitest';
import { runSeeds, summary } from '../many-seeds.ts';
import { expectedInSweep } from './lead-histories.ts';
import { absentKinds } from './lead-kinds.ts';
import { wantedScene } from './lead-scenes.ts';
import { explainLead, runLeadSeed } from './run-lead-seed.ts';

// SLOTKEEPER_LEAD_SEED=n replays one history, SLOTKEEPER_LEAD_SEEDS=n runs the seeds from 1 to n; SLOTKEEPER_LEAD_SCENE=name plays a scene.
const wantedSeed = process.env['SLOTKEEPER_LEAD_SEED'];
const wantedCount = process.env['SLOTKEEPER_LEAD_SEEDS'];

/** Without a wish. Seeds are the same everywhere; more of them are run by SLOTKEEPER_LEAD_SEEDS=10000 npm run test:sim. */
const usualCount = 300;
/** What does not happen in all the usual histories together can't be said to be looked at. */
const leastTimes = 1;
const leastOfEachKind = 1;

const entry = path.join(import.meta.dirname, 'lead-seed-process.ts');

if (wantedSeed !== undefined) {
  test(`leadership: seed ${wantedSeed} breaks no rule`, { timeout: 0 }, async () => {
    const report = await runLeadSeed(Number(wantedSeed), { scene: wantedScene() });
    if (report.violation !== null) expect.fail(explainLead(report, 300));
  });
} else {
  test('leadership: no history breaks a rule', { timeout: 0 }, async () => {
    const done = await runSeeds({ atLeast: Number(wantedCount ?? usualCount), budgetMs: 0 }, entry);
    console.info(`leadership: ${summary(done)}`);
    console.info([...done.counts].map(([what, times]) => `${String(times).padStart(8)} ${what}`).join('\n'));
    if (done.violation !== null) expect.fail(done.violation);
    // Whoever wishes for a few seeds, or for a scene, does not get everything.
    if (Number(wantedCount ?? usualCount) < usualCount || wantedScene() !== null) return;
    expect(absentKinds(done.counts, leastOfEachKind)).toEqual([]);
    expect(expectedInSweep.filter((what) => (done.counts.get(what) ?? 0) < leastTimes)).toEqual([]);
  });

  test('leadership: the same seed does the same, in this process and in another', { timeout: 0 }, async () => {
    const [first, second, other] = [await runLeadSeed(2), await runLeadSeed(2), await runLeadSeed(1)];
    expect(second.digest).toBe(first.digest);
    expect(other.digest).not.toBe(first.digest);
    const { digests } = await runSeeds({ atLeast: 2, budgetMs: 0 }, entry);
    expect(digests.get(2)).toBe(first.digest);
  });
}
