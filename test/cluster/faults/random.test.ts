import process from 'node:process';
import { afterAll, afterEach, beforeEach, describe, test } from 'vitest';
import { endure } from '../../support/faults/round.ts';
import { openScene, type Scene } from '../../support/faults/scene.ts';
import { describeTrouble, exclusiveIn, someTroubles, sufferAll } from '../../support/faults/troubles.ts';
import { Random } from '../../sim/random.ts';

// SLOTKEEPER_FAULT_SEED=n begins with that round's troubles, SLOTKEEPER_FAULT_ROUNDS=n plays so many. A seed gives the same
// troubles at the same moments; what the servers make of them is theirs.
const first = Number(process.env['SLOTKEEPER_FAULT_SEED'] ?? 1);
const rounds = Number(process.env['SLOTKEEPER_FAULT_ROUNDS'] ?? 30);

/** Several troubles at once, on any members and at any moment, in a cluster that has been through all those before. */
describe('at random moments', () => {
  let scene: Scene | null = null;
  const end = async (): Promise<void> => {
    await scene?.close();
    scene = null;
  };
  beforeEach(async () => {
    if (scene !== null) return;
    scene = await openScene();
    await scene.begin();
  });
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return;
    console.error(await scene?.describe());
    await end();
  });
  afterAll(end);

  test.for(Array.from({ length: rounds }, (_, index) => first + index))('seed %i', async (seed, { task }) => {
    const there = scene!;
    const troubles = someTroubles(new Random(seed), there.names);
    await endure(there, task, {
      name: { phase: `seed ${seed}`, fault: troubles.map(describeTrouble).join('; ') },
      exclusive: exclusiveIn(troubles),
      isFirst: false,
      happen: async () => {
        const beganAtMs = performance.now();
        await sufferAll(there, troubles);
        return beganAtMs;
      },
    });
  });
});
