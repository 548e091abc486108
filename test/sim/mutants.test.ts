import { expect, test } from 'vitest';
import { methodMutants } from './method-mutants.ts';
import { mutants } from './mutants.ts';
import { runSeed } from './run-seed.ts';

/** How many histories it may take until a broken rule is noticed. */
const mostSeeds = 150;

/** A rule that nobody would miss is not checked: each is broken on purpose, and some seed has to notice. */
test.each([...mutants, ...methodMutants])('$name', { timeout: 600_000 }, async ({ finds, sabotage }) => {
  for (let seed = 1; seed <= mostSeeds; seed += 1) {
    const { violation } = await runSeed(seed, { sabotage });
    if (violation === null) continue;
    expect(finds, violation.message).toContain(violation.rule);
    return;
  }
  expect.fail(`no violation in ${String(mostSeeds)} seeds`);
});
