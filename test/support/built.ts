import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const bootstrap = fileURLToPath(new URL('../../scripts/bootstrap.js', import.meta.url));

/** Cluster tests run the built agent: they shall not pass or fail by an old build. */
export default function setup(): void {
  const { status } = spawnSync(process.execPath, [bootstrap, 'build'], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the build failed');
}
