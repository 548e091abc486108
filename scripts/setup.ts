// Makes sure that there are servers to run on: finds what is on this machine and fetches the rest into the cache.

import process from 'node:process';
import { BinaryNotFound } from '../src/sandbox/binaries.ts';
import { findConsul, findPostgres } from '../src/sandbox/locate.ts';
import { postgresMajors } from '../test/support/majors.ts';

const say = (line: string): void => console.log(`slotkeeper: ${line}`);

const given = process.argv.slice(2).map(Number);
const majors = given.length > 0 ? given : postgresMajors();
try {
  const consul = await findConsul(say);
  say(`Consul ${consul.version}: ${consul.file} (${consul.source})`);
  for (const major of majors) {
    const postgres = await findPostgres(major, say);
    say(`PostgreSQL ${postgres.version}: ${postgres.binDir} (${postgres.source})`);
  }
} catch (error) {
  if (!(error instanceof BinaryNotFound)) throw error;
  console.error(`slotkeeper: ${error.message}`);
  process.exitCode = 1;
}
