import { expect, test } from 'vitest';
import { farewell } from '../../../src/act/farewell.ts';
import { scopeKeys } from '../../../src/consul/keys.ts';
import type { ConsulPort } from '../../../src/consul/port.ts';
import type { ManagedServer } from '../../../src/postgres/managed-port.ts';
import type { LocalServer } from '../../../src/postgres/port.ts';
import type { View } from '../../../src/view/view.ts';
import { managed } from '../../support/lead.ts';
import { nowMs } from '../../support/turns.ts';
import { untilAborted, VirtualRun } from '../watch/virtual.ts';

/** What an agent does when it ends while its server never ends by itself, each with the time that has passed. */
async function leaving(view: View, canStop: boolean): Promise<readonly string[]> {
  const run = new VirtualRun();
  const told: string[] = [];
  const tell = (what: string): void => void told.push(`${run.time.nowMs()} ${what}`);
  const stop = (mode: string, signal: AbortSignal): Promise<void> => {
    tell(mode);
    if (mode === 'fast') return untilAborted(signal);
    return canStop ? Promise.resolve() : Promise.reject(new Error('it can not be killed'));
  };
  const transact: ConsulPort['transact'] = ([operation]) => {
    if (operation !== undefined && 'key' in operation) tell(`gives back ${operation.key}`);
    return Promise.resolve({ kind: 'done', entries: [] });
  };
  const clock = { ...run.clock, monotonicMs: () => nowMs + run.time.nowMs() };
  const over = farewell(
    view,
    { keys: scopeKeys('service', 'main'), service: { id: 'x' }, self: { registerService: false } },
    {
      consul: { transact, destroySession: () => Promise.resolve() } as unknown as ConsulPort,
      server: { close: () => Promise.resolve() } as unknown as LocalServer,
      managed: { stop } as unknown as ManagedServer,
      lifeline: {
        guard: ({ kind }) => {
          tell(`guards ${kind}`);
          return Promise.resolve();
        },
        close: () => Promise.resolve(),
      },
      clock,
    },
  );
  await run.until(120_000);
  await over;
  return told;
}

// the lease of `managed` was renewed half a second ago, and is given up 1.5 s before its end: 8 s are left
test('a primary that does not end is stopped at once by the end of its lease, and only then given up', async () => {
  expect(await leaving(managed('alpha', { lead: { guard: null } }), true)).toEqual([
    '0 fast',
    '8000 immediate',
    '8000 gives back service/main/leader',
    '8000 gives back service/main/members/alpha',
    '8000 guards none',
  ]);
});

test('the key of one that cannot be stopped is kept, and its guard', async () => {
  const told = await leaving(managed('alpha'), false);
  expect(told).not.toContain('8000 gives back service/main/leader');
  expect(told).not.toContain('8000 guards none');
});

test('a standby may take longer than any lease', async () => {
  expect((await leaving(managed('beta'), true)).slice(0, 2)).toEqual(['0 fast', '60000 immediate']);
});
