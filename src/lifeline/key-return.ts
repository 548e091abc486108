import { describeError } from '../base/errors.ts';
import type { LifelineOrder } from './message.ts';
import { releaseBy } from './release.ts';

const retryMs = 500;

export interface KeyReturn {
  /** Of a server that is stopped: first the leader key of that term, then the member key. Tries until it has an answer. */
  giveBack(held: { readonly term: number; readonly session: string }): void;
  isDone(): boolean;
  stop(): void;
}

/**
 * Gives the leader key back, so that others need not wait for the session's end, and the member key, so that nobody waits
 * for this member's word in the race that follows. Neither costs a lock delay. `say`: what keeps it from that, or null.
 */
export async function keyReturn(order: LifelineOrder, say: (trouble: string | null) => void): Promise<KeyReturn> {
  const release = await releaseBy(order.consul);
  let timer: NodeJS.Timeout | undefined;
  let isDone = true;
  const tryOnce = async (held: { readonly term: number; readonly session: string }): Promise<void> => {
    try {
      const { session, term } = held;
      // Only of that term: the agent, should it live, may lead again by the same session.
      await release({ key: order.leaderKey, session, index: term });
      await release({ key: order.memberKey, session, index: null });
      say(null);
      isDone = true;
    } catch (error) {
      say(`the leader key cannot be given back: ${describeError(error)}`);
      if (!isDone) timer = setTimeout(() => void tryOnce(held), retryMs);
    }
  };
  return {
    giveBack(held) {
      clearTimeout(timer);
      isDone = false;
      void tryOnce(held);
    },
    isDone: () => isDone,
    stop() {
      isDone = true;
      clearTimeout(timer);
    },
  };
}
