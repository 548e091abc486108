import { leaderName } from '../../../src/domain/cluster.ts';
import type { Fault } from './faults.ts';
import type { Scene } from './scene.ts';

/**
 * What an operator asks for at a bad moment. It may be refused, or come to nothing; it must do no harm. A failover is not
 * among them: who asks for it takes what the candidate lacks for lost.
 */
export const operatorActions: readonly Fault[] = [
  asking('a switchover is asked for', 'switchover', async ({ cluster }) => {
    const leader = leaderName(await cluster.read());
    return { leader };
  }),
  asking('its restart is asked for', 'restart', () => Promise.resolve({})),
  asking('its data is to be copied anew', 'reinitialize', () => Promise.resolve({})),
];

function asking(
  name: string,
  path: string,
  bodyOf: (scene: Scene) => Promise<Readonly<Record<string, unknown>>>,
): Fault {
  return {
    name,
    lastsMs: 0,
    exclusive: 'local',
    begin: async (scene, victim) => {
      const { restUrl } = scene.cluster.member(victim).agent;
      const body = await bodyOf(scene).catch(() => ({}));
      const request = { method: 'POST', body: JSON.stringify(body), signal: AbortSignal.timeout(60_000) };
      // not waited for: the answer comes when the work is done
      const answered = fetch(`${restUrl}/${path}`, request).then(
        (answer) => answer.body?.cancel(),
        () => undefined,
      );
      return () => answered.then(() => undefined);
    },
  };
}
