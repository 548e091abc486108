import type { Connection } from './client.ts';
import { serverControl } from './control.ts';
import { type CopyPlace, finishInterrupted, runCopy } from './copy.ts';
import { type CopyPreparation, prepareCopy } from './copy-preparation.ts';
import { type PlacedSlot, clearStaging, placedSlots, readIntent } from './copy-staging.ts';
import type { DataDirectory } from './data-directory.ts';
import { createLooker } from './looker.ts';
import { type LocalServer, ServerError } from './port.ts';
import type { LocalServerSettings } from './settings.ts';
import type { LookRow } from './sql/look.ts';
import { serverError } from './trouble.ts';
import { untilReady } from './until-ready.ts';

/** The file copy of one server, with what is remembered between its calls. */
export interface FileCopy extends Pick<LocalServer, 'copySlots' | 'copyWasInterrupted' | 'startAfterCopy'> {
  /** The server was seen running: an intent that is still there is of a copy that is over. */
  sawServerRunning(): Promise<void>;
  /** What a copy of an earlier agent has put in place, as far as this one found out. */
  inherited(): readonly PlacedSlot[];
}

export interface FileCopyAccess extends Pick<CopyPreparation, 'settings' | 'ask'> {
  readonly directory: DataDirectory | null;
  readonly connect: (signal: AbortSignal) => Promise<Connection>;
  /** Writes down what is in place, so that an agent that dies now is not the only one that knew. Never throws. */
  readonly remember: (placed: readonly PlacedSlot[]) => Promise<void>;
}

export function createFileCopy(access: FileCopyAccess): FileCopy {
  const { settings, directory } = access;
  const place = directory === null ? null : copyPlace(settings, directory, access.connect);
  let busy = false;
  /** Whether there may be an intent on disk that no copy of this agent is working on. */
  let mayHaveLeftovers = true;
  let clearing: Promise<void> = Promise.resolve();
  let inherited: readonly PlacedSlot[] = [];

  /** On a connection of its own: the one of the looks is asked at the same time. */
  const look = async (signal: AbortSignal): Promise<LookRow> => {
    const looker = createLooker(access.connect);
    try {
      return await looker.look(signal);
    } finally {
      await looker.close();
    }
  };

  const inherit = async (where: DataDirectory): Promise<void> => {
    const intent = await readIntent(where, settings.member);
    if (intent !== null) {
      inherited = await placedSlots(where, intent);
      await access.remember(inherited);
    }
    await clearStaging(where);
  };

  const exclusively = async <T>(verb: string, work: (place: CopyPlace) => Promise<T>): Promise<T> => {
    if (place === null) {
      throw new ServerError(`${verb}: needs the data directory and a way to stop and start the server`, 'other', null);
    }
    if (busy) throw new ServerError(`${verb}: another copy is at work`, 'other', null);
    busy = true;
    try {
      await clearing;
      const result = await work(place);
      mayHaveLeftovers = false;
      return result;
    } catch (error) {
      mayHaveLeftovers = true;
      throw serverError(verb, error);
    } finally {
      busy = false;
    }
  };

  return {
    copySlots: (request, signal) =>
      exclusively('copy slots', async (where) => {
        const preparation = { settings, directory: where.directory, look, ask: access.ask };
        const { work, skipped } = await prepareCopy(preparation, request, signal);
        // Nothing is worth a restart but a slot that will be there after it.
        if (work.slots.length === 0) return { copied: [], skipped, downMs: 0 };
        const result = await runCopy(where, work, signal);
        await access.remember(result.copied);
        await clearStaging(where.directory);
        return { ...result, skipped: [...skipped, ...result.skipped] };
      }),
    startAfterCopy: async (signal) => {
      await exclusively('start the server', async (where) => {
        signal.throwIfAborted();
        await finishInterrupted(where);
      });
      // Whose ledger it is the first look tells; what is in place is remembered then, and the rest cleared away after that.
      mayHaveLeftovers = true;
    },
    copyWasInterrupted: async () => {
      if (busy || directory === null) return false;
      return (await readIntent(directory, settings.member)) !== null;
    },
    sawServerRunning: async () => {
      if (busy || !mayHaveLeftovers || directory === null) return;
      mayHaveLeftovers = false;
      // Where the directory cannot be written there is nothing of ours in it.
      clearing = inherit(directory).catch(() => undefined);
      await clearing;
    },
    inherited: () => inherited,
  };
}

/** Null = the agent has no way to stop and start the server. */
export function copyPlace(
  settings: LocalServerSettings,
  directory: DataDirectory,
  connect: (signal: AbortSignal) => Promise<Connection>,
): CopyPlace | null {
  const { clock, control, timeouts, member } = settings;
  if (control === null) return null;
  return {
    member,
    directory,
    clock,
    control: serverControl(control, directory, timeouts, clock),
    untilReady: () =>
      untilReady(directory, () => connect(new AbortController().signal), { clock, withinMs: timeouts.startMs }),
  };
}
