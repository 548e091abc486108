import { describe, test } from 'vitest';

type Declare = (name: string, body: () => void | Promise<void>) => void;

const notDeclared: Declare = () => undefined;

/** `test` where it applies. Elsewhere the test is not there at all: nothing counts as skipped. */
export function testWhere(applies: boolean): Declare {
  return applies ? test : notDeclared;
}

/** The same for a block of tests. */
export function describeWhere(applies: boolean): Declare {
  return applies ? describe : notDeclared;
}
