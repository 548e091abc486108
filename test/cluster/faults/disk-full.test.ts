import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, test } from 'vitest';
import type { Fault } from '../../support/faults/faults.ts';
import { phaseNamed } from '../../support/faults/phases.ts';
import { play } from '../../support/faults/round.ts';
import { openScene, type Scene } from '../../support/faults/scene.ts';

const run = promisify(execFile);

/** A disk that can be filled needs a file system of its own, which only root may mount (and not in every container). */
const mountIsAllowed = await run('unshare', ['--mount', 'true']).then(
  () => process.geteuid?.() === 0,
  () => false,
);
if (!mountIsAllowed) console.warn('NOT TESTED: full disks (no right to mount a file system)');

const diskFull: Fault = {
  name: 'disk full',
  lastsMs: 20_000,
  exclusive: 'local',
  begin: async ({ cluster }, victim) => {
    const filler = join(cluster.member(victim).server.home, 'filler');
    // as much as there is, and no more
    await run('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k']).catch(() => undefined);
    await run('dd', ['if=/dev/zero', `of=${filler}.rest`, 'bs=512']).catch(() => undefined);
    return async () => {
      for (const file of [filler, `${filler}.rest`]) await rm(file, { force: true });
    };
  },
};

describe.runIf(mountIsAllowed)('full disks', () => {
  let scene: Scene;
  let failed: string | null = null;
  const homes = (): readonly string[] => [...scene.cluster.members.values()].map(({ server }) => server.home);

  beforeAll(async () => {
    scene = await openScene();
    for (const home of homes()) await mountOver(home);
    await scene.begin();
  });
  beforeEach(({ skip }) => skip(failed !== null, `begins where "${failed ?? ''}" should have ended`));
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') return;
    failed = task.name;
    console.error(await scene.describe());
  });
  afterAll(async () => {
    // a server that still runs there keeps its disk until it is gone
    for (const home of homes()) await run('umount', ['-l', home]);
    await scene.close();
  });

  test.for(['leading', 'copy', 'copy, of its source', 'promotion', 'rewind', 'switchover, of the candidate'])(
    'during %s',
    async (phase, { task }) => {
      await play(scene, { phase: phaseNamed(phase), fault: diskFull }, task);
    },
  );
});

/** A small disk in the place of the folder, with what is in it. */
async function mountOver(folder: string): Promise<void> {
  const aside = `${folder}-aside`;
  await run('cp', ['-a', folder, aside]);
  await run('mount', ['-t', 'tmpfs', '-o', 'size=300m', 'slotkeeper-test', folder]);
  await run('cp', ['-a', `${aside}/.`, folder]);
  await rm(aside, { recursive: true });
}
