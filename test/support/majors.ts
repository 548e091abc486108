import process from 'node:process';
import type { Method } from '../../src/domain/slot.ts';
import { oldestMajor } from '../../src/sandbox/locate.ts';
import { nativeSince, templatesSince } from '../../src/view/method.ts';

// One for each way of following a slot: 15 has file copies only, 17 has templates and native failover slots.
const quick = [15, 17];

/** The majors of PostgreSQL to test on: `SLOTKEEPER_TEST_PG_MAJORS`, as in `13,16`. */
export function postgresMajors(): readonly number[] {
  return namedMajors() ?? quick;
}

/** Those of them from this one on; if there are none in this run, this one, so that what it is about is tested in every run. */
export function postgresMajorsSince(first: number): readonly number[] {
  const majors = postgresMajors().filter((major) => major >= first);
  return majors.length > 0 ? majors : [first];
}

/** Those of them before this one; if there are none in this run, the one right before it. */
export function postgresMajorsBefore(first: number): readonly number[] {
  const majors = postgresMajors().filter((major) => major < first);
  return majors.length > 0 ? majors : [first - 1];
}

/** Whole clusters take their time: one major, unless the environment names others. */
export function clusterMajors(): readonly number[] {
  return namedMajors() ?? [15];
}

/**
 * A major of PostgreSQL, one of the ways in which slots get onto its standbys, and what `failover_slots` has to say for it.
 */
export type Variant = readonly [major: number, method: Method, failoverSlots: Readonly<Record<string, unknown>>];

/**
 * What the main job is tested on: each major with what it does by default, and from 17 on also with PostgreSQL's own
 * synchronisation where the environment names majors.
 */
export function clusterVariants(): readonly Variant[] {
  const named = namedMajors();
  return (named ?? quick).flatMap((major): readonly Variant[] => {
    const usual: Variant = [major, major < templatesSince ? 'file_copy' : 'template', {}];
    if (named === null || major < nativeSince) return [usual];
    return [usual, [major, 'native', { method: 'native' }]];
  });
}

function namedMajors(): readonly number[] | null {
  const named = process.env['SLOTKEEPER_TEST_PG_MAJORS'];
  if (named === undefined || named === '') return null;
  const majors = named.split(',').map(Number);
  if (majors.some((major) => !Number.isInteger(major) || major < oldestMajor)) {
    throw new Error(`SLOTKEEPER_TEST_PG_MAJORS is ${JSON.stringify(named)}; it lists majors from ${oldestMajor} on`);
  }
  return majors;
}
