import { givenUp, serverError } from '../trouble.ts';
import type { ManagedServer } from '../managed-port.ts';
import { bootstrapServer } from './bootstrap.ts';
import { cloneData, restoreData } from './clone.ts';
import { configureServer } from './configure.ts';
import { removeData } from './empty-directory.ts';
import { createFence } from './fence.ts';
import { followUpstream } from './follow.ts';
import { inspect } from './inspect.ts';
import { type ManagedWork, oneAtATime } from './managed-work.ts';
import { placeOf } from './place.ts';
import { readLine } from './read-line.ts';
import { rewindData } from './rewind.ts';
import { restartServer } from './restart.ts';
import { checkpointLocally, promoteServer, startServer, stopServer } from './run-server.ts';
import { readSavedConfig, writeSavedConfig } from './saved-config.ts';
import { serverUserOf } from './server-user.ts';
import type { ManagedServerSettings } from './settings.ts';
import { stopImmediately } from './stop-server.ts';
import { readLed, writeTerm } from './term-file.ts';

/**
 * The real server of an agent that manages it. Nothing is touched before the first call. `latest`: the settings as they are
 * when a work begins; where the data is, and the clock, are those of the beginning.
 */
export function createManagedServer(
  settings: ManagedServerSettings,
  latest: () => ManagedServerSettings = () => settings,
): ManagedServer {
  const place = placeOf(settings);
  const alone = oneAtATime();
  const fence = createFence();
  let copy: AbortController | null = null;

  const doing = async <T>(verb: string, act: (work: ManagedWork) => Promise<T>): Promise<T> => {
    try {
      return await act({
        settings: latest(),
        place,
        alone,
        user: await serverUserOf(place.directory.root, settings.user),
      });
    } catch (error) {
      throw error instanceof Error && error.name === 'AbortError' ? givenUp(verb) : serverError(verb, error);
    }
  };
  /** Work in which a server may come up, or become writable: known to the fence from the moment of the call. */
  const fenced = <T>(verb: string, signal: AbortSignal, act: (work: ManagedWork, signal: AbortSignal) => Promise<T>) =>
    fence.guarded(signal, (limited) => doing(verb, (work) => act(work, limited)));

  /** A copy, which `endCopy` can end. */
  const copying = async (
    verb: string,
    signal: AbortSignal,
    act: (work: ManagedWork, signal: AbortSignal) => Promise<void>,
  ) => {
    const ending = new AbortController();
    copy = ending;
    await doing(verb, (work) => act(work, AbortSignal.any([signal, ending.signal])));
  };

  return {
    inspect: (signal) => doing('look at the data directory', (work) => inspect(work, signal)),
    recall: () =>
      doing('read what is noted beside the data', async () => ({
        ...(await readLed(place.directory, settings.member)),
        configText: await readSavedConfig(place.directory),
      })),
    saveConfig: (text) => doing('save the cluster configuration', () => writeSavedConfig(place.directory, text)),
    bootstrap: (plan, mayOpen, signal) =>
      fenced('bootstrap', signal, (work, limited) => bootstrapServer(work, plan, mayOpen, limited)),
    clone: (source, url, signal, methods = []) =>
      copying('copy the data', signal, (work, limited) => cloneData(work, source, url, methods, limited)),
    restore: (signal) => copying('restore the data', signal, restoreData),
    endCopy: () => copy?.abort(),
    removeData: () => doing('remove the data', (work) => removeData(work)),
    start: (plan, term, signal) =>
      fenced('start the server', signal, (work, limited) =>
        startServer(work, plan, term === null ? 'standby' : { term }, limited),
      ),
    stop: (mode, signal) =>
      mode === 'fast'
        ? doing('stop the server', (work) => stopServer(work, signal))
        : fence.close(() => doing('stop the server', () => stopImmediately(place.directory, settings.clock))),
    promote: (term, newestTimeline, signal) =>
      fenced('promote', signal, (work, limited) => promoteServer(work, term, newestTimeline, limited)),
    checkpoint: (signal) => doing('write a checkpoint', (work) => checkpointLocally(work, signal)),
    recordTerm: (term) => doing('write the term down', () => writeTerm(place.directory, settings.member, term)),
    follow: (plan, signal) => fenced('follow', signal, (work, limited) => followUpstream(work, plan, limited)),
    readLine: (source, identifier, signal) =>
      doing('read the timelines', (work) => readLine(work, source, identifier, signal)),
    rewind: (source, url, signal) =>
      copying('rewind', signal, (work, limited) => rewindData(work, source, url, limited)),
    configure: (plan, signal) => doing('configure the server', (work) => configureServer(work, plan, signal)),
    restart: (plan, signal) =>
      fenced('restart the server', signal, (work, limited) => restartServer(work, plan, limited)),
  };
}
