import { connect } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { decodeMember } from '../consul/codec/member.ts';
import { memberKey, type ScopeKeys } from '../consul/keys.ts';
import type { ConsulPort } from '../consul/port.ts';
import type { Self } from '../view/view.ts';
import { answerWithin } from '../watch/patience.ts';

/** Two agents of one name would take each other's keys; the words are those that Patroni's users look for. */
export class TakenNameError extends Error {
  override readonly name = 'TakenNameError';

  constructor(member: string) {
    super(`Can't start; there is already a node named '${member}' running`);
  }
}

const limitMs = 3_000;

/**
 * Throws TakenNameError when an agent for another server runs under our name: its member key is there, and somebody listens
 * where it says that its REST interface is: to be asked before our own one listens. What can't be found out is no reason not to start: an agent that finds its name
 * taken later does nothing to its server (`isTakenByAnother`).
 */
export async function refuseTakenName(
  self: Pick<Self, 'name' | 'connUrl'>,
  keys: ScopeKeys,
  { consul, clock }: { readonly consul: Pick<ConsulPort, 'readPrefix'>; readonly clock: Clock },
): Promise<void> {
  const key = memberKey(keys, self.name);
  const never = new AbortController().signal;
  const read = await answerWithin(clock, limitMs, never, (signal) =>
    consul.readPrefix(key, { index: 0, waitMs: limitMs, signal }),
  ).catch(() => null);
  const entry = read?.entries.find((one) => one.key === key);
  const member = entry?.session == null ? null : decodeMember(entry.value ?? '', () => undefined);
  if (member === null || member.connUrl === self.connUrl || member.apiUrl === null) return;
  if (await isListening(member.apiUrl)) throw new TakenNameError(self.name);
}

/** No question is asked: an answer may need a certificate that we don't have. */
function isListening(url: string): Promise<boolean> {
  if (!URL.canParse(url)) return Promise.resolve(false);
  const { hostname, port, protocol } = new URL(url);
  const usual = protocol === 'https:' ? 443 : 80;
  const host = hostname.replaceAll(/[[\]]/g, '');
  return new Promise((resolve) => {
    const socket = connect({ host, port: port === '' ? usual : Number(port), timeout: limitMs });
    const end = (answers: boolean): void => {
      socket.destroy();
      resolve(answers);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}
