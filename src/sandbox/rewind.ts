import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { PostgresServer } from './postgres-server.ts';
import { runAsServer } from './server-user.ts';

/** Where pg_rewind is among the binaries: not every package of them has it. */
export function pgRewind(binDir: string): string | null {
  const file = join(binDir, 'pg_rewind');
  return existsSync(file) ? file : null;
}

/** Turns a stopped server whose history has parted from the other's into a copy of it. The source's settings come along. */
export async function rewindTo(target: PostgresServer, source: PostgresServer): Promise<void> {
  const command = pgRewind(target.binDir);
  if (command === null) throw new Error(`${target.binDir} has no pg_rewind`);
  // it compares with the source's control file, which says the old timeline until its first checkpoint
  await source.query('checkpoint');
  const connection = `${source.conninfo(target.name)} dbname=postgres`;
  const args = [`--target-pgdata=${target.dataDir}`, `--source-server=${connection}`, '--no-sync'];
  await runAsServer(command, args, target.home);
}
