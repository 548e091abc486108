import { afterAll, afterEach, beforeEach, describe, test } from 'vitest';
import { faults } from '../../support/faults/faults.ts';
import { phases } from '../../support/faults/phases.ts';
import { play } from '../../support/faults/round.ts';
import { openScene, type Scene } from '../../support/faults/scene.ts';

describe.each(phases.map((phase) => [phase.name, phase] as const))('during %s', (_name, phase) => {
  let scene: Scene | null = null;
  const end = async (): Promise<void> => {
    await scene?.close();
    scene = null;
  };
  beforeEach(async () => {
    // What one round has left behind is where the next one begins, unless it failed.
    if (scene !== null && !phase.isFirst) return;
    await end();
    scene = await openScene();
    if (!phase.isFirst) await scene.begin();
  });
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return;
    console.error(await scene?.describe());
    await end();
  });
  afterAll(end);

  test.for(faults.map((fault) => [fault.name, fault] as const))('%s', async ([, fault], { task }) => {
    await play(scene!, { phase, fault }, task);
  });
});
