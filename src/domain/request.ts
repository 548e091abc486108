import type { FailsafeCall } from './failsafe.ts';
import type { RestartRequest } from './lead.ts';

/**
 * What an operator asks of this one member, by its REST interface. What concerns the whole cluster (a switchover, pause)
 * is a key in Consul instead. `id` tells the request from all others of this run of the agent.
 */
export type AgentRequest = { readonly id: number } & (
  | { readonly kind: 'restart'; readonly restart: RestartRequest }
  /** Takes a scheduled restart back. */
  | { readonly kind: 'cancel_restart' }
  /** The data is replaced by a fresh copy. */
  | {
      readonly kind: 'reinitialize';
      /** Also while something else is being done to the server: a copy is ended for it, else it comes next. */
      readonly force: boolean;
      /** Copy from the leader, whoever else could be copied from. */
      readonly fromLeader: boolean;
    }
  /** A leader that can't reach Consul asks whether it may go on. */
  | { readonly kind: 'failsafe'; readonly call: FailsafeCall }
);

/** What became of a request. */
export type RequestOutcome =
  /** It is being done, or waits for its time. */
  | { readonly kind: 'accepted' }
  | { readonly kind: 'done' }
  /** Nothing was or will be done. `why` in Patroni's words, which its tools look at. */
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'failed'; readonly why: string };
