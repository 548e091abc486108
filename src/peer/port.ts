import type { FailsafeAnswer, FailsafeCall } from '../domain/failsafe.ts';

/** What one agent asks of another, by its REST interface. `client.ts` is the real one; the simulator has its own. */
export interface Peers {
  /** `POST /failsafe` at the member whose key gives `apiUrl`. Throws MemberError when there is no answer in time. */
  askFailsafe(apiUrl: string, call: FailsafeCall, signal: AbortSignal): Promise<FailsafeAnswer>;
}
