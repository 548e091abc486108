import type { RestAccess } from '../config/sections/ctl.ts';
import { encodeFailsafeCall } from './failsafe-call.ts';
import { askMember } from './member-rest.ts';
import type { Peers } from './port.ts';

/** A member that takes longer is taken for one that does not answer: the next question follows within the same lease. */
const answerMs = 2_000;

/** The other members, asked over HTTP or HTTPS as their keys say. */
export function createPeers(access: RestAccess): Peers {
  return {
    askFailsafe: async (apiUrl, call, signal) => {
      const asked = { method: 'POST', path: '/failsafe', body: encodeFailsafeCall(call), timeoutMs: answerMs } as const;
      const { status, text, headers } = await askMember(access, apiUrl, asked, signal);
      if (status !== 200 || text !== 'Accepted') return { kind: 'refused', why: `${status}: ${text.slice(0, 200)}` };
      const { lsn } = headers;
      return { kind: 'accepted', position: typeof lsn === 'string' && /^\d{1,19}$/.test(lsn) ? BigInt(lsn) : null };
    },
  };
}
