import { BehaviorSubject, Subject } from 'rxjs';
import { beforeEach, describe, expect, test } from 'vitest';
import { ConsulError, TtlRefusedError, type ConsulPort, type SessionSpec } from '../../../src/consul/port.ts';
import { endSession, keepSession } from '../../../src/watch/session.ts';
import { untilAborted, VirtualRun } from './virtual.ts';

type Port = Pick<ConsulPort, 'createSession' | 'renewSession' | 'destroySession'>;
type Answer<T> = T | Error | 'hang' | { readonly afterMs: number; readonly answer: T | Error };

/** TTL 15 s: renewed every 5 s. */
const spec: SessionSpec = {
  name: 'main-a',
  ttlSeconds: 15,
  lockDelaySeconds: 0,
  behavior: 'delete',
  nodeChecks: [],
  serviceChecks: [],
};
const down = new ConsulError('connection refused', null);

let run: VirtualRun;
/** Every call as `[time, verb, argument]`. */
let calls: [number, string, unknown][];
let creations: Answer<string>[];
let renewals: Answer<'renewed' | 'gone'>[];
let spec$: BehaviorSubject<SessionSpec>;
let suspect$: Subject<string>;
let leave: () => void;

beforeEach(() => {
  run = new VirtualRun();
  calls = [];
  creations = [];
  renewals = [];
  spec$ = new BehaviorSubject(spec);
  suspect$ = new Subject();
});

/** Answers from the scripts; when they are over every creation gives `s<number>` and every renewal succeeds. */
const consul: Port = {
  createSession(asked, signal) {
    const number = calls.filter(([, verb]) => verb === 'create').length + 1;
    calls.push([run.time.nowMs(), 'create', asked.ttlSeconds]);
    return answer(creations.shift() ?? `s${number}`, signal);
  },
  renewSession(id, signal) {
    calls.push([run.time.nowMs(), 'renew', id]);
    return answer(renewals.shift() ?? 'renewed', signal);
  },
  destroySession(id) {
    calls.push([run.time.nowMs(), 'destroy', id]);
    return Promise.resolve();
  },
};

async function answer<T extends string>(step: Answer<T>, signal: AbortSignal): Promise<T> {
  if (step === 'hang') return untilAborted(signal);
  if (typeof step === 'object' && 'afterMs' in step) {
    await Promise.race([run.at(run.time.nowMs() + step.afterMs), untilAborted(signal)]);
    return answer(step.answer, signal);
  }
  if (step instanceof Error) throw step;
  return step;
}

function keep(random = 0): void {
  leave = run.follow(keepSession({ consul, clock: run.clock, random: () => random, spec$, suspect$ }));
}

const sessions = (): unknown[] => run.all('session').map(({ atMs, session }) => [atMs, session]);
const problems = (): unknown[] => run.all('problem').map((one) => [one.atMs, one.problem.code, one.present]);
const held = (id: string, renewedAtMs: number, ttlSeconds = 15, clampedFrom: number | null = null): unknown => ({
  kind: 'held',
  id,
  ttlSeconds,
  clampedFrom,
  renewedAtMs,
});

describe('renewal', () => {
  test('comes at a third of the TTL, and the lease counts from before it was sent', async () => {
    creations = [{ afterMs: 300, answer: 's1' }];
    renewals = [{ afterMs: 700, answer: 'renewed' }];
    keep();
    await run.until(12_000);
    expect(calls).toEqual([
      [0, 'create', 15],
      [5000, 'renew', 's1'],
      [10_000, 'renew', 's1'],
    ]);
    expect(sessions()).toEqual([
      [300, held('s1', 0)],
      [5700, held('s1', 5000)],
      [10_000, held('s1', 10_000)],
    ]);
  });

  test('nothing is created before the first spec', async () => {
    const none$ = new Subject<SessionSpec>();
    run.follow(keepSession({ consul, clock: run.clock, random: () => 0, spec$: none$, suspect$ }));
    await run.until(60_000);
    expect(calls).toEqual([]);
    none$.next(spec);
    await run.until(60_000);
    expect(calls).toEqual([[60_000, 'create', 15]]);
  });

  test('a session that is gone is made again at once', async () => {
    renewals = ['gone'];
    keep();
    await run.until(5000);
    expect(sessions()).toEqual([
      [0, held('s1', 0)],
      [5000, { kind: 'none', why: 'Consul does not know the session any more' }],
      [5000, held('s2', 5000)],
    ]);
  });

  test('failures back off, are told, and are taken back by success', async () => {
    renewals = [down, down, down];
    keep();
    await run.until(8000);
    expect(calls.map(([atMs]) => atMs)).toEqual([0, 5000, 5125, 5375, 5875]);
    expect(problems()).toEqual([
      [5000, 'session_renewal', true],
      [5125, 'session_renewal', true],
      [5375, 'session_renewal', true],
      [5875, 'session_renewal', false],
    ]);
    expect(sessions()).toEqual([
      [0, held('s1', 0)],
      [5875, held('s1', 5875)],
    ]);
  });

  test('while Consul is silent the lease runs out at its time, and a renewal that succeeds later brings it back', async () => {
    renewals = ['hang', 'hang', 'hang', 'hang'];
    keep();
    await run.until(14_999);
    expect(sessions()).toEqual([[0, held('s1', 0)]]);
    await run.until(60_000);
    expect(sessions().slice(1, 3)).toEqual([
      [15_000, { kind: 'none', why: 'the lease ran out: Consul has not renewed the session in time' }],
      [expect.any(Number), { ...(held('s1', 0) as object), renewedAtMs: expect.any(Number) as number }],
    ]);
    expect(calls.filter(([, verb]) => verb === 'create')).toHaveLength(1);
  });

  test('no renewal is waited for past the end of the lease', async () => {
    renewals = ['hang', 'hang', 'hang'];
    keep();
    await run.until(15_000);
    // 5 s each at most, the second one only until the lease ends at 15 s.
    expect(calls.map(([atMs, verb]) => [atMs, verb]).slice(0, 3)).toEqual([
      [0, 'create'],
      [5000, 'renew'],
      [10_125, 'renew'],
    ]);
    expect(run.all('session').at(-1)).toMatchObject({ atMs: 15_000, session: { kind: 'none' } });
  });
});

describe('a TTL that Consul does not take', () => {
  const refused = new TtlRefusedError('Invalid Session TTL', 20, 86_400);

  test('is clamped to the bound in the answer: one retry at once, one warning', async () => {
    creations = [refused];
    keep();
    await run.until(30_000);
    expect(calls.slice(0, 3)).toEqual([
      [0, 'create', 15],
      [0, 'create', 20],
      [20_000 / 3, 'renew', 's2'],
    ]);
    expect(sessions()[0]).toEqual([0, held('s2', 0, 20, 15)]);
    expect(problems()).toEqual([[0, 'session_ttl', true]]);
    expect(run.all('problem')[0]?.problem.what).toMatch(/15 s .* the session has 20 s/);
    expect(run.all('problem')[0]?.problem.fix).toMatch(/set ttl to 40/);
  });

  test('is not asked for again when the session has to be made again, and not warned about again', async () => {
    creations = [refused];
    renewals = ['gone'];
    keep();
    await run.until(10_000);
    expect(calls.filter(([, verb]) => verb === 'create').map(([, , ttl]) => ttl)).toEqual([15, 20, 20]);
    expect(problems()).toEqual([[0, 'session_ttl', true]]);
  });

  test('a Consul that refuses its own bound does not make a loop', async () => {
    creations = Array.from({ length: 20 }, () => refused);
    keep();
    await run.until(1000);
    expect(calls.map(([atMs, , ttl]) => [atMs, ttl])).toEqual([
      [0, 15],
      [0, 20],
      [125, 20],
      [375, 20],
      [875, 20],
    ]);
    expect(run.all('session').at(-1)?.session.kind).toBe('none');
    expect(problems()).toEqual([]);
  });

  test('nor does one whose bound grows with every refusal', async () => {
    creations = Array.from({ length: 20 }, (_, i) => new TtlRefusedError('Invalid Session TTL', 20 + i, 86_400));
    keep();
    await run.until(200);
    expect(calls.map(([atMs, , ttl]) => [atMs, ttl])).toEqual([
      [0, 15],
      [0, 20],
      [125, 21],
      [125, 22],
    ]);
  });

  test('the warning goes when the configuration asks for one that Consul takes', async () => {
    creations = [refused];
    keep();
    await run.until(1000);
    spec$.next({ ...spec, ttlSeconds: 25 });
    await run.until(2000);
    expect(problems()).toEqual([
      [0, 'session_ttl', true],
      [1000, 'session_ttl', false],
    ]);
  });
});

describe('a suspicion', () => {
  test('renews at once, and finds out', async () => {
    renewals = ['gone'];
    keep();
    await run.until(2000);
    suspect$.next('invalid session');
    await run.until(2000);
    expect(calls).toEqual([
      [0, 'create', 15],
      [2000, 'renew', 's1'],
      [2000, 'create', 15],
    ]);
  });

  test('many of them are answered by a few renewals', async () => {
    keep();
    await run.until(1000);
    for (let ms = 1000; ms < 2000; ms += 10) {
      suspect$.next('invalid session');
      await run.until(ms);
    }
    expect(calls.filter(([, verb]) => verb === 'renew').map(([atMs]) => atMs)).toEqual([1000, 1250, 1500, 1750]);
  });

  test('does not break the back-off', async () => {
    renewals = [down, down, down, down];
    keep();
    await run.until(5001);
    suspect$.next('invalid session');
    await run.until(5300);
    expect(calls.map(([atMs]) => atMs)).toEqual([0, 5000, 5125]);
  });

  test('without a session is no news', async () => {
    creations = [down, down];
    keep();
    await run.until(10);
    suspect$.next('invalid session');
    await run.until(124);
    expect(calls).toHaveLength(1);
  });
});

describe('another spec', () => {
  test('makes another session, and only then destroys the former', async () => {
    keep();
    await run.until(1000);
    spec$.next({ ...spec, ttlSeconds: 12 });
    await run.until(1000);
    expect(calls).toEqual([
      [0, 'create', 15],
      [1000, 'create', 12],
      [1000, 'destroy', 's1'],
    ]);
    expect(sessions().at(-1)).toEqual([1000, held('s2', 1000, 12)]);
  });

  test('leaves the former to whoever knows what its lock delay would lock', async () => {
    keep();
    await run.until(1000);
    spec$.next({ ...spec, ttlSeconds: 12, lockDelaySeconds: 12 });
    await run.until(2000);
    expect(calls.map(([, what]) => what)).toEqual(['create', 'create']);
  });

  test('that says the same changes nothing', async () => {
    keep();
    await run.until(1000);
    spec$.next({ ...spec });
    await run.until(4000);
    expect(calls).toHaveLength(1);
  });

  test('that says the same does not break the back-off', async () => {
    creations = [down, down, down];
    keep();
    await run.until(200);
    spec$.next({ ...spec });
    await run.until(374);
    expect(calls.map(([atMs]) => atMs)).toEqual([0, 125]);
  });

  test('taken back before it was made changes nothing', async () => {
    keep();
    await run.until(1000);
    spec$.next({ ...spec, ttlSeconds: 12 });
    spec$.next({ ...spec });
    await run.until(4000);
    expect(calls).toHaveLength(1);
  });

  test('that Consul refuses leaves the former session alive', async () => {
    creations = ['s1', ...Array.from({ length: 20 }, () => new ConsulError("Missing check 'x' registration", 500))];
    keep();
    await run.until(1000);
    spec$.next({ ...spec, nodeChecks: ['x'] });
    await run.until(20_000);
    expect(calls.filter(([, verb]) => verb === 'renew').map(([atMs]) => atMs)).toEqual([5000, 10_000, 15_000, 20_000]);
    expect(run.all('session').every(({ session }) => session.kind === 'held')).toBe(true);
  });

  test('that hangs does not hold up the renewal of the former session beyond a sixth of its TTL', async () => {
    creations = ['s1', 'hang', 'hang', 'hang', 'hang', 'hang'];
    keep();
    await run.until(4900);
    spec$.next({ ...spec, ttlSeconds: 12 });
    await run.until(14_999);
    expect(calls.find(([, verb]) => verb === 'renew')?.[0]).toBe(4900 + 2500);
    expect(run.all('session').every(({ session }) => session.kind === 'held')).toBe(true);
  });
});

describe('creation', () => {
  test('backs off, says why there is no session, and goes on', async () => {
    creations = [down, down, 'hang'];
    keep(0.5);
    await run.until(20_000);
    expect(calls.filter(([, verb]) => verb === 'create').map(([atMs]) => atMs)).toEqual([0, 188, 563, 11_313]);
    expect(sessions().slice(0, 2)).toEqual([
      [0, { kind: 'none', why: 'connection refused' }],
      [188, { kind: 'none', why: 'connection refused' }],
    ]);
    expect(sessions()[2]).toMatchObject([10_563, { kind: 'none', why: 'no answer from Consul within 10000 ms' }]);
    expect(sessions()[3]).toEqual([11_313, held('s4', 11_313)]);
  });
});

describe('leaving', () => {
  test('stops everything and leaves the session to endSession', async () => {
    keep();
    await run.until(1000);
    leave();
    await run.until(60_000);
    expect(calls).toHaveLength(1);
    expect(run.ended).toBeNull();
    await endSession({ consul, clock: run.clock }, 's1', 1000);
    expect(calls.at(-1)).toEqual([60_000, 'destroy', 's1']);
  });

  test('while a renewal is under way drops its answer', async () => {
    renewals = ['hang'];
    keep();
    await run.until(5001);
    leave();
    await run.until(60_000);
    expect(sessions()).toEqual([[0, held('s1', 0)]]);
  });

  test('endSession gives up on a Consul that hangs', async () => {
    const hanging = { ...consul, destroySession: (_: string, signal: AbortSignal) => untilAborted(signal) };
    const ended = expect(endSession({ consul: hanging, clock: run.clock }, 's1', 1000)).rejects.toThrow(ConsulError);
    await run.until(1000);
    await ended;
  });
});
