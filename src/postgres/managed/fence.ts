/**
 * A stop that must not be late runs beside whatever else is going on, and a server that is only just being started, or
 * promoted, would not be there to be stopped yet. So such work is given up first, and the stop counts once that is over.
 */
export interface Fence {
  guarded<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  close(stop: () => Promise<void>): Promise<void>;
}

interface Guarded {
  readonly abort: AbortController;
  readonly over: Promise<unknown>;
}

export function createFence(): Fence {
  const running = new Set<Guarded>();
  return {
    guarded: async (signal, work) => {
      const abort = new AbortController();
      const result = work(AbortSignal.any([signal, abort.signal]));
      const entry = { abort, over: result.catch(() => undefined) };
      running.add(entry);
      try {
        return await result;
      } finally {
        running.delete(entry);
      }
    },
    close: async (stop) => {
      const given = [...running];
      for (const { abort } of given) abort.abort();
      // At once what runs already, and then what came up until the work noticed.
      await stop();
      await Promise.all(given.map(({ over }) => over));
      await stop();
    },
  };
}
