import { realpath } from 'node:fs/promises';
import { isMissing } from '../postgres/durable-file.ts';
import { isBeingStarted } from './fence.ts';
import { type GuardRecord, readGuard } from './guard-file.ts';
import { within } from './patience.ts';
import { postmasterOn, startsAsStandby } from './postmaster.ts';
import type { ProcessIdentity } from './process-table.ts';

/** What is to be seen on the machine. */
export interface Sight {
  /** The data directory without symbolic links. */
  readonly root: string;
  readonly isRemoved: boolean;
  readonly postmaster: ProcessIdentity | null;
  readonly server: 'none' | 'starting' | 'standby' | 'primary';
  readonly record: GuardRecord | null;
}

/** A disk that hangs must not keep a fence waiting. */
const readMs = 200;

/** `forStarters`: whether to look for what is about to start a server, which takes a look at every process. */
export async function lookAround(dataDir: string, last: Sight | null, forStarters: boolean): Promise<Sight> {
  const found = await within(readMs, realpath(dataDir).catch(nullWhenMissing), last?.root ?? dataDir);
  const root = found ?? last?.root ?? dataDir;
  const [postmaster, isStandby, record] = await Promise.all([
    within(readMs, postmasterOn(root), last?.postmaster ?? null),
    within(readMs, startsAsStandby(root), last?.server === 'standby'),
    within(readMs, readGuard(root), last?.record ?? null),
  ]);
  const running = isStandby ? 'standby' : 'primary';
  const server = postmaster !== null ? running : forStarters && isBeingStarted(root) ? 'starting' : 'none';
  return { root, isRemoved: found === null, postmaster, server, record };
}

function nullWhenMissing(error: unknown): null {
  if (isMissing(error)) return null;
  throw error;
}
