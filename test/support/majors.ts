import process from 'node:process';
import type { Method } from '../../src/domain/slot.ts';
import { missingToManage, type PostgresBinaries } from '../../src/sandbox/binaries.ts';
import { findPostgres, oldestMajor } from '../../src/sandbox/locate.ts';
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
 * The servers that `ha: manage` is tested on: those of `clusterMajors` that are complete. What was fetched from npm is not:
 * `PG_BIN_DIR_17` names a complete installation of 17. Which ones were left out is told; throws when none is left.
 */
export async function completePostgres(): Promise<readonly PostgresBinaries[]> {
  const complete: PostgresBinaries[] = [];
  const lacking: string[] = [];
  for (const major of clusterMajors()) {
    const found = await findPostgres(major);
    const missing = missingToManage(found.binDir);
    if (missing.length === 0) complete.push(found);
    else lacking.push(`PostgreSQL ${major} in ${found.binDir} has no ${missing.join(', no ')}`);
  }
  if (complete.length === 0) throw new Error(`${lacking.join('; ')}: install it, or set PG_BIN_DIR_<major>`);
  for (const each of lacking) console.info(`not tested with ha: manage: ${each}`);
  return complete;
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
