import { describeError } from '../base/errors.ts';
import type { FailsafeAnswer, FailsafeCall } from '../domain/failsafe.ts';
import type { Peers } from '../peer/port.ts';

/** Asks all members at once; one that does not answer has not agreed. Never rejects. */
export async function askOthers(
  peers: Peers,
  members: ReadonlyMap<string, string>,
  call: FailsafeCall,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, FailsafeAnswer>> {
  const answers = [...members].map(async ([name, url]): Promise<readonly [string, FailsafeAnswer]> => {
    try {
      return [name, await peers.askFailsafe(url, call, signal)];
    } catch (error) {
      return [name, { kind: 'refused', why: describeError(error) }];
    }
  });
  return new Map(await Promise.all(answers));
}
