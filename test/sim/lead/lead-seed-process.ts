import process from 'node:process';
import { useLightAborts } from '../light-abort.ts';
import type { RangeReport, SeedRange } from '../seed-range.ts';
import { Tally } from '../tally.ts';
import { wantedScene } from './lead-scenes.ts';
import { explainLead, runLeadSeed } from './run-lead-seed.ts';

// A process that runs ranges of seeds for `many-seeds.ts`, one after the other, until its parent is gone.

const scene = wantedScene();

async function run({ from, to }: SeedRange): Promise<RangeReport> {
  const digests: string[] = [];
  const tally = new Tally();
  let violation: RangeReport['violation'] = null;
  for (let seed = from; seed <= to && violation === null; seed += 1) {
    const report = await runLeadSeed(seed, { scene });
    digests.push(report.digest);
    tally.add(report.counts);
    if (report.violation !== null) violation = { seed, explanation: explainLead(report) };
  }
  const { user, system } = process.cpuUsage();
  return { digests, violation, cpuMs: (user + system) / 1_000, counts: [...tally.counts] };
}

useLightAborts();
process.on('message', (range: SeedRange) => {
  void run(range).then((report) => process.send?.(report));
});
process.on('disconnect', () => process.exit());
