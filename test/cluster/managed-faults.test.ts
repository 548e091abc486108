import { afterAll, afterEach, beforeAll, beforeEach, describe, test } from 'vitest';
import { faultNamed } from '../support/faults/faults.ts';
import { phaseNamed } from '../support/faults/phases.ts';
import { play } from '../support/faults/round.ts';
import { openScene, type Scene } from '../support/faults/scene.ts';

/** Past every lease: its session has the least TTL that `ttl: 20` gives, and Consul expires it after twice that at most. */
const pastLeaseMs = 15_000;

/** A few of what `npm run test:faults` plays; after each the cluster is whole, and nothing was written twice or lost. */
describe('ha: manage, under faults', { timeout: 300_000 }, () => {
  let scene: Scene;
  let failed: string | null = null;
  beforeAll(async () => {
    scene = await openScene({
      dynamicConfig: { ttl: 20, loop_wait: 1, retry_timeout: 3 },
      consulConfig: { session_ttl_min: '1s' },
    });
    await scene.begin();
  }, 300_000);
  beforeEach(({ skip }) => skip(failed !== null, `begins where "${failed ?? ''}" should have ended`));
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return;
    failed = task.name;
    console.error(await scene.describe());
  });
  afterAll(() => scene.close());

  test.for([
    ['leading', 'Consul frozen', pastLeaseMs],
    ['leading', 'cut off from Consul, silently', pastLeaseMs],
    ['leading', 'server frozen', 5_000],
    ['leading', 'agent and lifeline frozen', pastLeaseMs],
    ['switchover, of the old leader', 'agent and server killed', 2_000],
  ] as const)('%s: %s', async ([phase, fault, lastsMs], { task }) => {
    await play(scene, { phase: phaseNamed(phase), fault: faultNamed(fault), lastsMs }, task);
  });
});
