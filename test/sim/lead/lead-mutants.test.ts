import path from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import type { Edit } from '../compiled.ts';
import { runSeeds } from '../many-seeds.ts';
import { type Change, leadMutants } from './lead-mutants.ts';
import { sceneVariable } from './lead-scenes.ts';

/** How many histories it may take until a broken rule is noticed. */
const mostSeeds = 25;

const entry = path.join(import.meta.dirname, 'lead-seed-process.ts');

afterEach(() => {
  vi.unstubAllEnvs();
});

/** A rule that nobody would miss is not checked: each is broken on purpose, and some seed has to notice. */
test.each(leadMutants)('$name', { timeout: 600_000 }, async ({ scene, finds, changes }) => {
  vi.stubEnv(sceneVariable, scene);
  const undone = new Set(changes);
  const edit: Edit = (file, text) => changes.filter((change) => change.file === file).reduce(broken(undone), text);
  const { violation } = await runSeeds({ atLeast: mostSeeds, budgetMs: 0 }, entry, edit);
  expect([...undone], 'what is to be broken is not there any more').toEqual([]);
  expect(violation, `no violation in ${String(mostSeeds)} seeds`).not.toBeNull();
  const rule = /^seed \d+ \([^)]*\): ([^:]+):/.exec(violation ?? '')?.[1];
  expect(finds, violation ?? '').toContain(rule);
});

function broken(undone: Set<Change>): (text: string, change: Change) => string {
  return (text, change) => {
    if (text.includes(change.from)) undone.delete(change);
    return text.replace(change.from, change.to);
  };
}
