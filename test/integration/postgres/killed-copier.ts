// An agent that dies in the middle of a file copy: does so many steps of one and is killed. Run as a process of its own
// with JSON on the command line: {settings, request, steps}.

import { copySteps } from '../../../src/postgres/copy.ts';
import type { CopyRequest } from '../../../src/domain/local.ts';
import type { LocalServerSettings } from '../../../src/postgres/settings.ts';
import { systemClock } from '../../support/system-clock.ts';
import { copyParts } from './copy-parts.ts';

interface Order {
  readonly settings: Omit<LocalServerSettings, 'clock'>;
  readonly request: CopyRequest;
  /** How many steps to do; one more than there are: the server is started, too. */
  readonly steps: number;
}

const { settings, request, steps } = JSON.parse(process.argv[2] ?? '') as Order;
const { place, prepare } = copyParts({ ...settings, clock: systemClock });
const all = copySteps(place, await prepare(request));
for (const step of all.slice(0, steps)) await step.run();
if (steps > all.length) await place.control.start();
process.kill(process.pid, 'SIGKILL');
