import process from 'node:process';
import { oldestMajor } from '../../src/sandbox/locate.ts';

// One for each way of following a slot: 15 has file copies only, 17 has templates and native failover slots.
const quick = [15, 17];

/** The majors of PostgreSQL to test on: `SLOTKEEPER_TEST_PG_MAJORS`, as in `13,16`. */
export function postgresMajors(): readonly number[] {
  return majorsOr(quick);
}

/** Whole clusters take their time: one major, unless the environment names others. */
export function clusterMajors(): readonly number[] {
  return majorsOr([15]);
}

function majorsOr(usual: readonly number[]): readonly number[] {
  const named = process.env['SLOTKEEPER_TEST_PG_MAJORS'];
  if (named === undefined || named === '') return usual;
  const majors = named.split(',').map(Number);
  if (majors.some((major) => !Number.isInteger(major) || major < oldestMajor)) {
    throw new Error(`SLOTKEEPER_TEST_PG_MAJORS is ${JSON.stringify(named)}; it lists majors from ${oldestMajor} on`);
  }
  return majors;
}
