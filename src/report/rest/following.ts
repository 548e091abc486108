import type { Moment } from './answer.ts';

/** Waiting for something that a later turn of the agent shows, as the answer to a command does. */
export interface Following {
  /** The first answer that `read` has of the present or a later moment; null = none within `timeoutMs`. */
  until<T>(read: (moment: Moment) => T | null, timeoutMs: number): Promise<T | null>;
}

export interface MomentFollower extends Following {
  /** There is a new moment. */
  shown(): void;
  /** Nobody is to wait any longer: the server is closing. */
  end(): void;
}

/** `moment`: the present one; null = no turn has happened yet. */
export function followMoments(moment: () => Moment | null): MomentFollower {
  const waiting = new Set<(isOver: boolean) => void>();
  let hasEnded = false;
  return {
    until: <T>(read: (moment: Moment) => T | null, timeoutMs: number) =>
      new Promise<T | null>((resolve, reject) => {
        const look = (isOver: boolean): void => {
          try {
            const now = moment();
            const found = now === null ? null : read(now);
            if (found !== null || isOver) finish(found);
          } catch (error) {
            waiting.delete(look);
            clearTimeout(timer);
            reject(error instanceof Error ? error : new Error(String(error)));
          }
        };
        const finish = (found: T | null): void => {
          waiting.delete(look);
          clearTimeout(timer);
          resolve(found);
        };
        const timer = setTimeout(() => look(true), timeoutMs);
        waiting.add(look);
        look(hasEnded);
      }),
    shown: () => {
      for (const look of waiting) look(false);
    },
    end: () => {
      hasEnded = true;
      for (const look of waiting) look(true);
    },
  };
}
