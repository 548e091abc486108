import process from 'node:process';
import { useLightAborts } from './light-abort.ts';
import { explain, runSeed } from './run-seed.ts';
import type { RangeReport, SeedRange } from './seed-range.ts';

// A process that runs ranges of seeds for `many-seeds.ts`, one after the other, until its parent is gone.

async function run({ from, to }: SeedRange): Promise<RangeReport> {
  const digests: string[] = [];
  let violation: RangeReport['violation'] = null;
  for (let seed = from; seed <= to && violation === null; seed += 1) {
    const report = await runSeed(seed);
    digests.push(report.digest);
    if (report.violation !== null) violation = { seed, explanation: explain(report) };
  }
  const { user, system } = process.cpuUsage();
  return { digests, violation, cpuMs: (user + system) / 1_000, counts: [] };
}

useLightAborts();
process.on('message', (range: SeedRange) => {
  void run(range).then((report) => process.send?.(report));
});
process.on('disconnect', () => process.exit());
