import type { Place } from './place.ts';
import type { ServerUser } from './server-user.ts';
import type { ManagedServerSettings } from './settings.ts';

/** What every work on a managed server needs to know. `user` is as the disk says at the moment. */
export interface ManagedWork {
  readonly settings: ManagedServerSettings;
  readonly place: Place;
  readonly user: ServerUser;
  /** Configuration files are written by one work at a time. */
  readonly alone: <T>(write: () => Promise<T>) => Promise<T>;
}

/** Runs one after the other, whatever becomes of each. */
export function oneAtATime(): ManagedWork['alone'] {
  let last: Promise<unknown> = Promise.resolve();
  return (write) => {
    const next = last.then(write);
    last = next.catch(() => undefined);
    return next;
  };
}
