import process from 'node:process';
import { useLightAborts } from '../light-abort.ts';
import { explainLead, runLeadSeed } from './run-lead-seed.ts';
import { wantedScene } from './lead-scenes.ts';
useLightAborts();
const [from, to] = [Number(process.argv[2]), Number(process.argv[3])];
const scene = wantedScene();
let found = 0;
for (let seed = from; seed <= to && found === 0; seed += 1) {
  const report = await runLeadSeed(seed, { scene });
  if (report.violation !== null) { found = seed; console.log(explainLead(report, Number(process.env['LINES'] ?? 4)).split('\n').map((l) => l.slice(0, 230)).join('\n')); }
}
console.log(found === 0 ? `NONE in ${from}..${to}` : `FOUND at ${found}`, Math.round(process.cpuUsage().user / 1000), 'ms');
