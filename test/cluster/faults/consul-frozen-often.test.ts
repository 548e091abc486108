import { afterAll, beforeAll, describe, test } from 'vitest';
import { faultNamed } from '../../support/faults/faults.ts';
import { phaseNamed } from '../../support/faults/phases.ts';
import { play } from '../../support/faults/round.ts';
import { openScene, type Scene } from '../../support/faults/scene.ts';

const times = 20;
const frozenMs = 60_000;
const settings = {
  default: {},
  'fastest allowed': { ttl: 20, loop_wait: 1, retry_timeout: 3 },
};

/** Where an established manager ends up with two writable primaries on one timeline: its renewal races with the expiry. */
describe.for(Object.entries(settings))('Consul frozen for a minute, %s settings', ([, dynamicConfig]) => {
  let scene: Scene;
  beforeAll(async () => {
    // what "fastest" means is the agents' to say: Consul shall not slow them down
    scene = await openScene({ dynamicConfig, consulConfig: { session_ttl_min: '1s' } });
    await scene.begin();
  });
  afterAll(() => scene.close());

  test.for(Array.from({ length: times }, (_, index) => index + 1))('time %i', async (_time, { task }) => {
    await play(scene, { phase: phaseNamed('leading'), fault: faultNamed('Consul frozen'), lastsMs: frozenMs }, task);
  });
});
