import process from 'node:process';
import type { RangeReport, SeedRange } from '../seed-range.ts';
import { wantedScene } from './lead-scenes.ts';
import { explainLead, runLeadSeed } from './run-lead-seed.ts';

// A process that runs ranges of seeds for `many-seeds.ts`, one after the other, until its parent is gone.

const scene = wantedScene();

async function run({ from, to }: SeedRange): Promise<RangeReport> {
  const digests: string[] = [];
  let violation: RangeReport['violation'] = null;
  for (let seed = from; seed <= to && violation === null; seed += 1) {
    const report = await runLeadSeed(seed, { scene });
    digests.push(report.digest);
    if (report.violation !== null) violation = { seed, explanation: explainLead(report) };
  }
  const { user, system } = process.cpuUsage();
  return { digests, violation, cpuMs: (user + system) / 1_000 };
}

process.on('message', (range: SeedRange) => {
  void run(range).then((report) => process.send?.(report));
});
process.on('disconnect', () => process.exit());
