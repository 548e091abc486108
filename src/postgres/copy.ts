import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { CopyResult } from '../domain/local.ts';
import type { ServerControl } from './control.ts';
import { type FetchedWal, type WalOnDisk, hasWal } from './copy-wal.ts';
import type { FetchedSlot, SkippedSlot } from './copy-source.ts';
import {
  clearStaging,
  copyIntent,
  placeSlot,
  placeSnapshots,
  placeWal,
  readIntent,
  removeSlot,
  stage,
  writeIntent,
} from './copy-staging.ts';
import { type DataDirectory, ownershipOf, postmasterPid, walFileSuffixes } from './data-directory.ts';

/** What a copy works with, once it is decided what to copy. */
export interface CopyPlace {
  readonly member: string;
  readonly directory: DataDirectory;
  readonly control: ServerControl;
  readonly clock: Clock;
  /** Resolves when the server accepts connections, or runs and does not for too long; throws when it is down. */
  readonly untilReady: () => Promise<void>;
}

/** What is to be put into place. `remove`: slots that go without a new one in their place. */
export interface CopyWork {
  readonly slots: readonly FetchedSlot[];
  readonly remove: readonly string[];
  /** WAL that this server lacks. */
  readonly wal: readonly FetchedWal[];
  readonly target: Omit<WalOnDisk, 'walFiles'>;
}

/** A step of a copy; an agent may die between any two of them. */
export interface CopyStep {
  readonly name: string;
  /** Whether the copy may be given up instead of it: not once the server is down. */
  readonly mayBeGivenUp: boolean;
  readonly run: () => Promise<void>;
}

interface Progress {
  readonly placed: Set<string>;
  readonly skipped: SkippedSlot[];
  stoppedAtMs: number | null;
}

/** The steps up to the point where the server can be started again, in order. */
export function copySteps(place: CopyPlace, work: CopyWork, progress: Progress = newProgress()): readonly CopyStep[] {
  const { directory } = place;
  const intent = copyIntent(place.member, work.slots, work.remove);
  return [
    {
      name: 'stage',
      mayBeGivenUp: true,
      run: async () => stage(directory, work.slots, work.wal, await ownershipOf(directory)),
    },
    {
      name: 'intend',
      mayBeGivenUp: true,
      run: async () => writeIntent(directory, intent, await ownershipOf(directory)),
    },
    {
      name: 'stop',
      mayBeGivenUp: true,
      run: async () => {
        progress.stoppedAtMs = place.clock.monotonicMs();
        await place.control.stop();
      },
    },
    ...(work.wal.length === 0 ? [] : [placement(directory)]),
    { name: 'place snapshots', mayBeGivenUp: false, run: whileDown(directory, () => placeSnapshots(directory)) },
    ...work.slots.map((slot): CopyStep => ({
      name: `place ${slot.name}`,
      mayBeGivenUp: false,
      run: whileDown(directory, async () => {
        // A standby cleans up its WAL once more when it stops.
        const walFiles = await walFileSuffixes(directory);
        if (!hasWal(slot.state.restartLsn, { ...work.target, walFiles })) {
          progress.skipped.push({
            name: slot.name,
            why: 'the WAL from its restart position went when this server stopped',
          });
          return;
        }
        await placeSlot(directory, slot.name);
        progress.placed.add(slot.name);
      }),
    })),
    ...work.remove.map((name): CopyStep => ({
      name: `remove ${name}`,
      mayBeGivenUp: false,
      run: whileDown(directory, () => removeSlot(directory, name)),
    })),
  ];
}

/**
 * Stops the server, puts the slots in place, starts it. Until the stop an abort gives the copy up; from then on it goes
 * to its end, since a server that is down helps nobody. What was staged stays until the caller has remembered the result
 * and clears it. Throws when the slots could not be put in place; then the server runs without them, unless the message
 * says that it does not run.
 */
export async function runCopy(place: CopyPlace, work: CopyWork, signal: AbortSignal): Promise<CopyResult> {
  const progress = newProgress();
  try {
    for (const step of copySteps(place, work, progress)) {
      if (step.mayBeGivenUp) signal.throwIfAborted();
      await step.run();
    }
  } catch (error) {
    await giveUp(place, progress, error);
  }
  await startWith(place, [...progress.placed]);
  return {
    copied: work.slots
      .filter(({ name }) => progress.placed.has(name))
      .map(({ name, state, snapshotFile }) => ({
        name,
        restartLsn: state.restartLsn,
        snapshot: snapshotFile === null ? 'none' : 'copied',
      })),
    skipped: progress.skipped,
    downMs: Math.round(place.clock.monotonicMs() - (progress.stoppedAtMs ?? place.clock.monotonicMs())),
  };
}

/**
 * Starts the server that an earlier agent stopped. Whatever that one had put in place is whole, and stays if it can. The
 * intent, which says what that is, stays until it is remembered.
 */
export async function finishInterrupted(place: CopyPlace): Promise<void> {
  const intent = await readIntent(place.directory, place.member);
  await startWith(place, intent?.slots ?? []);
}

/**
 * Starts the server; when it does not come up, takes the slots out again and starts it without them. Throws when it
 * had to: the intent stays as long as the server is down, so that it will be tried again.
 */
async function startWith(place: CopyPlace, slots: readonly string[]): Promise<void> {
  const { directory } = place;
  let failure: unknown;
  try {
    await startUnlessRunning(place);
    return;
  } catch (error) {
    failure = error;
  }
  const why = `the server did not start with slots ${slots.join(', ')}: ${describeError(failure)}`;
  if (slots.length === 0 || (await postmasterPid(directory)) !== null) throw new Error(why, { cause: failure });
  for (const name of slots) await removeSlot(directory, name);
  try {
    await startUnlessRunning(place);
  } catch (error) {
    throw new Error(`${why}; without them it does not start either, and is down: ${describeError(error)}`, {
      cause: error,
    });
  }
  await clearStaging(directory);
  throw new Error(`${why}; it runs again without them`, { cause: failure });
}

async function startUnlessRunning({ directory, control, untilReady }: CopyPlace): Promise<void> {
  if ((await postmasterPid(directory)) === null) {
    try {
      await control.start();
    } catch (error) {
      // A start that takes longer than the command waits is not a failed one.
      if ((await postmasterPid(directory)) === null) throw error;
    }
  }
  await untilReady();
}

/** After a step failed: nothing half-done stays, and the server runs. Always throws. */
async function giveUp(place: CopyPlace, progress: Progress, cause: unknown): Promise<never> {
  const { directory } = place;
  const why = `the slots were not copied: ${describeError(cause)}`;
  if (progress.stoppedAtMs !== null) {
    if ((await postmasterPid(directory)) !== null) {
      // It may yet stop, by our order: the intent stays until a look has shown that it runs.
      throw new Error(why, { cause });
    }
    for (const name of progress.placed) await removeSlot(directory, name);
    await startUnlessRunning(place).catch((error: unknown) => {
      throw new Error(`${why}; and the server does not start: ${describeError(error)}`, { cause: error });
    });
  }
  await clearStaging(directory);
  throw new Error(why, { cause });
}

function placement(directory: DataDirectory): CopyStep {
  const place = async (): Promise<void> => placeWal(directory, await ownershipOf(directory));
  return { name: 'place WAL', mayBeGivenUp: false, run: whileDown(directory, place) };
}

/** Nothing in a data directory is touched while a server works on it, whoever has started it meanwhile. */
function whileDown(directory: DataDirectory, work: () => Promise<void>): () => Promise<void> {
  return async () => {
    const pid = await postmasterPid(directory);
    if (pid !== null) throw new Error(`the server runs (process ${pid}): it did not stop, or something started it`);
    await work();
  };
}

function newProgress(): Progress {
  return { placed: new Set(), skipped: [], stoppedAtMs: null };
}
