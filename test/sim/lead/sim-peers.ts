import type { FailsafeAnswer, FailsafeCall } from '../../../src/domain/failsafe.ts';
import type { Peers } from '../../../src/peer/port.ts';
import type { Random } from '../random.ts';
import type { LeadMember, LeadWorld } from './lead-world.ts';
import type { SimProcess } from './sim-process.ts';

/** What the real client allows one question. */
const patienceMs = 2_000;
const tripMs = 20;

/**
 * The way from one agent to the others. A question that gets there is answered when the other process has its turn, by its
 * real loop; the answer may come after whoever asked has given up, and binds all the same.
 */
export function simPeers(world: LeadWorld, asker: LeadMember, self: SimProcess, random: Random): Peers {
  const { time } = world;
  return {
    askFailsafe: (apiUrl, call, signal) =>
      new Promise<FailsafeAnswer>((resolve, reject) => {
        const give = (why: string): void => {
          self.whenAwake(() => {
            reject(new Error(why));
          });
        };
        signal.addEventListener('abort', () => {
          give('given up');
        });
        time.in(patienceMs, () => {
          give('no answer in time');
        });
        const other = world.member(new URL(apiUrl).hostname);
        const isCut = (): boolean =>
          asker.isAlone || other.isAlone || world.agentsApart.areApart(asker.name, other.name);
        const after = (act: () => void): void => {
          time.in(random.next() * tripMs, () => {
            if (isCut()) world.tally.count('agents: question lost');
            else act();
          });
        };
        after(() => {
          const { process } = other;
          if (process === null || other.agent?.life.alive !== true) {
            give('connection refused');
            return;
          }
          void process.turn().then(() => {
            const answer = answerOf(other, call);
            after(() => {
              self.whenAwake(() => {
                resolve(answer);
              });
            });
          });
        });
      }),
  };
}

/** What the REST interface of the member answers (`report/rest/failsafe.ts`). */
function answerOf(member: LeadMember, call: FailsafeCall): FailsafeAnswer {
  const view = () => member.agent?.turn?.view ?? null;
  if (view()?.config?.lead.failsafeMode === false) return { kind: 'refused', why: 'failsafe_mode is off' };
  const id = (member.asked += 1);
  member.requests$.next({ kind: 'failsafe', id, call });
  return view()?.memory.requests.outcomes.get(id)?.kind === 'accepted'
    ? { kind: 'accepted', position: null }
    : { kind: 'refused', why: 'it does not agree' };
}
