import { Subject } from 'rxjs';
import { beforeEach, describe, expect, test } from 'vitest';
import type { DecodeConfig } from '../../../src/consul/codec.ts';
import {
  ConsulError,
  type ConsulPort,
  type KvEntry,
  type PrefixRead,
  type ReadOptions,
} from '../../../src/consul/port.ts';
import { watchPrefix } from '../../../src/watch/prefix.ts';
import { entry, keys } from '../consul/entries.ts';
import { untilAborted, VirtualRun } from './virtual.ts';

/** What Consul does with one read. After the last step of a script every read blocks. */
type Step =
  | { readonly afterMs?: number; readonly index: number; readonly entries?: readonly KvEntry[] }
  | { readonly afterMs?: number; readonly error: Error }
  | 'hang';

interface Call extends ReadOptions {
  readonly atMs: number;
}

let run: VirtualRun;
let calls: Call[];
let leave: () => void;
let doubt$: Subject<null>;
const status = entry('status', '{"optime":1}');

beforeEach(() => {
  run = new VirtualRun();
  calls = [];
  doubt$ = new Subject();
});

/** Follows the prefix on a Consul that goes through the steps; `random` is the jitter. */
function follow(
  steps: readonly Step[],
  random = 0,
  decodeConfig: DecodeConfig = () => ({ config: null, problems: [] }),
) {
  const script = [...steps];
  const consul: Pick<ConsulPort, 'readPrefix'> = {
    async readPrefix(_, options): Promise<PrefixRead> {
      calls.push({ ...options, atMs: run.time.nowMs() });
      const step = script.shift() ?? 'hang';
      if (step === 'hang') return untilAborted(options.signal);
      await run.at(run.time.nowMs() + (step.afterMs ?? 0));
      if ('error' in step) throw step.error;
      return { index: step.index, entries: step.entries ?? [] };
    },
  };
  leave = run.follow(watchPrefix({ consul, keys, decodeConfig, clock: run.clock, random: () => random, doubt$ }));
}

const indexes = (): number[] => calls.map(({ index }) => index);
const down = new ConsulError('connection refused', null);

describe('news', () => {
  test('the first answer is news, also when nothing is there: absent is not the same as not received', async () => {
    follow([{ error: down }, { afterMs: 10, index: 5 }]);
    await run.until(0);
    expect(run.kinds()).toEqual(['consul_trouble']);
    await run.until(1000);
    expect(run.kinds()).toEqual(['consul_trouble', 'keys']);
    expect(run.all('keys')[0]?.keys).toMatchObject({ index: 5, status: null, leader: null });
  });

  test('another index with another content is news', async () => {
    const moved = { ...status, value: '{"optime":2}', modifyIndex: 8 };
    follow([
      { index: 7, entries: [status] },
      { afterMs: 100, index: 8, entries: [moved] },
    ]);
    await run.until(1000);
    expect(run.all('keys').map((one) => [one.atMs, one.keys.status?.value?.optime])).toEqual([
      [0, 1n],
      [105, 2n],
    ]);
    expect(indexes()).toEqual([0, 7, 8]);
  });

  test('the same index is contact, not news', async () => {
    follow([
      { index: 7, entries: [status] },
      { afterMs: 100, index: 7, entries: [{ ...status, value: '{"optime":2}' }] },
    ]);
    await run.until(1000);
    expect(run.kinds()).toEqual(['keys', 'consul_contact']);
  });

  test('equal content under another index is contact, not news', async () => {
    follow([
      { index: 7, entries: [status] },
      { index: 8, entries: [{ ...status }] },
    ]);
    await run.until(1000);
    expect(run.kinds()).toEqual(['keys', 'consul_contact']);
    expect(indexes()).toEqual([0, 7, 8]);
  });

  test('a key that is none of ours is not news', async () => {
    const foreign = entry('notes', '{"leader":"a"}', { modifyIndex: 8 });
    follow([
      { index: 7, entries: [status] },
      { index: 8, entries: [status, foreign] },
    ]);
    await run.until(1000);
    expect(run.kinds()).toEqual(['keys', 'consul_contact']);
  });

  test('a key that is gone is news', async () => {
    follow([{ index: 7, entries: [status] }, { index: 8 }]);
    await run.until(1000);
    expect(run.all('keys').map((one) => one.keys.status === null)).toEqual([false, true]);
  });

  test('only what has changed is decoded', async () => {
    const config = entry('config', '{}');
    const moved = { ...status, value: '{"optime":2}', modifyIndex: 8 };
    let decodings = 0;
    follow(
      [
        { index: 7, entries: [config, status] },
        { index: 8, entries: [config, moved] },
      ],
      0,
      () => {
        decodings += 1;
        return { config: null, problems: [] };
      },
    );
    await run.until(1000);
    const [first, second] = run.all('keys');
    expect(second?.keys.status).not.toBe(first?.keys.status);
    expect(second?.keys.config).toBe(first?.keys.config);
    expect(decodings).toBe(1);
  });
});

describe('doubt', () => {
  test('a read that is held for a second or more is asked for anew, from where it was', async () => {
    const news = { ...status, value: '{"optime":2}', modifyIndex: 8 };
    follow([{ index: 7, entries: [status] }, 'hang', { index: 8, entries: [news] }]);
    await run.until(500);
    doubt$.next(null);
    await run.until(900);
    expect(indexes()).toEqual([0, 7]);
    await run.until(1_200);
    doubt$.next(null);
    await run.until(1_300);
    expect(indexes()).toEqual([0, 7, 7, 8]);
    // it was no trouble
    expect(run.kinds()).toEqual(['keys', 'keys']);
  });

  test('a failed read waits as usual', async () => {
    follow([{ afterMs: 1_500, error: down }]);
    await run.until(1_600);
    doubt$.next(null);
    expect(indexes()).toEqual([0]);
    await run.until(3_000);
    expect(run.kinds()[0]).toBe('consul_trouble');
    expect(indexes()).toEqual([0, 0]);
  });
});

describe('an index that goes backward', () => {
  test('starts again from 0, and what the new Consul has is news', async () => {
    follow([{ index: 70, entries: [status] }, { afterMs: 100, index: 9 }, { index: 9 }]);
    await run.until(1000);
    expect(indexes()).toEqual([0, 70, 0, 9]);
    expect(run.kinds()).toEqual(['keys', 'consul_contact', 'keys']);
    expect(run.all('keys')[1]?.keys).toMatchObject({ index: 9, status: null });
  });

  test('is looked for after every trouble: an index of a former life would block for the whole wait', async () => {
    follow([{ index: 70, entries: [status] }, { error: down }, { index: 9 }]);
    await run.until(1000);
    expect(indexes()).toEqual([0, 70, 0, 9]);
    expect(run.all('keys').map((one) => one.keys.status === null)).toEqual([false, true]);
  });

  test('after a trouble that lost nothing there is no news', async () => {
    follow([{ index: 70, entries: [status] }, { error: down }, { index: 70, entries: [status] }]);
    await run.until(1000);
    expect(run.kinds()).toEqual(['keys', 'consul_trouble', 'consul_contact']);
  });
});

describe('trouble', () => {
  test.each([
    ['refused', down],
    ['429', new ConsulError('Consul answers 429', 429)],
    ['500', new ConsulError('Consul answers 500 No cluster leader', 500)],
    ['anything else', new TypeError('x is not a function')],
  ])('is an observation, waits longer each time and never ends the stream: %s', async (_, error) => {
    follow(Array.from({ length: 8 }, () => ({ error })));
    await run.until(12_000);
    expect(run.ended).toBeNull();
    expect(run.all('consul_trouble').map(({ why }) => why)).toEqual(Array.from({ length: 8 }, () => error.message));
    const waits = calls.slice(1).map(({ atMs }, i) => atMs - (calls[i]?.atMs ?? 0));
    expect(waits).toEqual([125, 250, 500, 1000, 2000, 2500, 2500, 2500]);
  });

  test('the wait has jitter', async () => {
    follow([{ error: down }], 0.5);
    await run.until(1000);
    expect(calls[1]?.atMs).toBe(188);
  });

  test('contact alone resets the back-off, news or not', async () => {
    const failing: Step[] = [{ error: down }, { error: down }, { error: down }];
    follow([{ index: 7 }, ...failing, { index: 7 }, { error: down }]);
    await run.until(10_000);
    expect(run.kinds().slice(-2)).toEqual(['consul_contact', 'consul_trouble']);
    const [before, after] = calls.slice(-2);
    expect((after?.atMs ?? 0) - (before?.atMs ?? 0)).toBe(125);
  });

  test('a read that hangs is given up: after the wait, a sixteenth and a margin', async () => {
    follow([{ index: 7, entries: [status] }, 'hang']);
    const limitMs = 55_000 * (17 / 16) + 10_000;
    await run.until(5 + limitMs - 1);
    expect(run.kinds()).toEqual(['keys']);
    expect(calls[1]?.signal.aborted).toBe(false);
    await run.until(5 + limitMs);
    expect(run.kinds()).toEqual(['keys', 'consul_trouble']);
    expect(calls[1]?.signal.aborted).toBe(true);
  });

  test('a first read that hangs is given up sooner, since it asks for no wait', async () => {
    follow(['hang']);
    await run.until(10_000);
    expect(run.all('consul_trouble')[0]?.why).toMatch(/no answer from Consul within 10000 ms/);
  });
});

describe('calls', () => {
  test('wait 55 s, one at a time', async () => {
    follow([{ index: 7 }, { afterMs: 55_000, index: 7 }]);
    await run.until(60_000);
    expect(calls.map(({ index, waitMs, atMs }) => [index, waitMs, atMs])).toEqual([
      [0, 55_000, 0],
      [7, 55_000, 5],
      [7, 55_000, 55_010],
    ]);
  });

  test.each([
    [0, 5],
    [0.9, 18.5],
  ])('are a pause apart, with jitter: random %d gives %d ms', async (random, pauseMs) => {
    follow([{ index: 7 }, { index: 8, entries: [status] }], random);
    await run.until(1000);
    expect(calls.map(({ atMs }) => atMs)).toEqual([0, pauseMs, 2 * pauseMs]);
  });

  test('that wake for nothing grow rare, and quick again with news', async () => {
    const idle = Array.from({ length: 9 }, (_, i): Step => ({ index: 8 + i }));
    follow([{ index: 7 }, ...idle, { index: 20, entries: [status] }, { index: 21 }]);
    await run.until(5000);
    const waits = calls.slice(1).map(({ atMs }, i) => atMs - (calls[i]?.atMs ?? 0));
    expect(waits).toEqual([5, 10, 20, 40, 80, 160, 320, 500, 500, 500, 5, 5]);
  });

  test('that Consul answers only when the wait is over do not grow rare', async () => {
    follow([{ index: 7 }, ...Array.from({ length: 5 }, (): Step => ({ afterMs: 55_000, index: 7 }))]);
    await run.until(300_000);
    expect(calls.slice(1, 6).map(({ atMs }, i) => atMs - 55_005 * i)).toEqual([5, 5, 5, 5, 5]);
  });
});

describe('leaving', () => {
  test('aborts the call', async () => {
    follow(['hang']);
    await run.until(100);
    leave();
    expect(calls[0]?.signal.aborted).toBe(true);
    await run.until(200_000);
    expect(calls).toHaveLength(1);
    expect(run.seen).toEqual([]);
  });

  test('in the pause between two calls sends nothing more', async () => {
    follow([{ index: 7 }]);
    await run.until(0);
    leave();
    await run.until(1000);
    expect(calls).toHaveLength(1);
  });

  test('in the wait after trouble sends nothing more', async () => {
    follow([{ error: down }]);
    await run.until(10);
    leave();
    await run.until(60_000);
    expect(calls).toHaveLength(1);
    expect(run.ended).toBeNull();
  });

  test('while an answer is under way drops the answer', async () => {
    follow([{ afterMs: 50, index: 7 }]);
    await run.until(10);
    leave();
    await run.until(1000);
    expect(run.seen).toEqual([]);
  });
});
