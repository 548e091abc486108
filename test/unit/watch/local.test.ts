import { BehaviorSubject, NEVER, type Observable, Subject, Subscription } from 'rxjs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { decodeDynamicConfig } from '../../../src/config/dynamic.ts';
import type { Ledger } from '../../../src/domain/local.ts';
import type { ServerLook } from '../../../src/domain/server.ts';
import { LedgerError, type LocalServer, ServerError } from '../../../src/postgres/port.ts';
import type { Observation } from '../../../src/view/observation.ts';
import { watchLocal } from '../../../src/watch/local.ts';
import { systemClock } from '../../support/system-clock.ts';

const ledger: Ledger = { member: 'one', systemIdentifier: '7', slots: new Map(), feedbackSet: false, settingsSet: [] };

const standbyLook: ServerLook = {
  systemIdentifier: '7',
  versionNum: 150_018,
  role: 'standby',
  timeline: 1,
  startedAtWallMs: 0,
  currentLsn: null,
  receivedLsn: 1n,
  replayedLsn: 1n,
  replayPaused: false,
  replayedAtWallMs: null,
  receiver: null,
  settings: {
    walLevel: 'logical',
    maxReplicationSlots: 10,
    maxWalSenders: 10,
    hotStandbyFeedback: true,
    primarySlotName: '',
    restoresFromArchive: false,
    upstreamHost: null,
    upstreamPort: null,
    upstreamDatabase: null,
    conninfoHasPassword: false,
    syncReplicationSlots: null,
    synchronizedStandbySlots: null,
    failoverSlotsExtension: null,
    maxSlotWalKeepBytes: null,
  },
  privileges: { superuser: true, replication: true, readBinaryFile: true, monitor: true, logStandbySnapshot: false },
  slots: [],
  replication: [],
  databases: [],
};

type Asked = Pick<LocalServer, 'look' | 'onLost' | 'timelineHistory' | 'copyWasInterrupted' | 'readLedger'>;

/** A server as the port describes it, of which each answer can be chosen; what is not chosen is a healthy standby's. */
function serverThat(answers: Partial<Asked>): LocalServer {
  const unasked = (): never => {
    throw new Error('a watch only looks');
  };
  return {
    look: () => Promise.resolve(standbyLook),
    onLost: () => () => undefined,
    timelineHistory: () => Promise.resolve([]),
    copyWasInterrupted: () => Promise.resolve(false),
    readLedger: () => Promise.resolve(ledger),
    createLogicalSlot: unasked,
    copyFromTemplate: unasked,
    logStandbySnapshot: unasked,
    setFailover: unasked,
    moveIdleSlot: unasked,
    syncSlots: unasked,
    alterSettings: unasked,
    setUpstreamDatabase: unasked,
    createPhysicalSlot: unasked,
    advanceLogicalSlot: unasked,
    advancePhysicalSlot: unasked,
    dropSlot: unasked,
    setFeedback: unasked,
    copySlots: unasked,
    startAfterCopy: unasked,
    writeLedger: unasked,
    close: unasked,
    ...answers,
  };
}

describe('watching the local server', () => {
  let subscription = new Subscription();
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    subscription.unsubscribe();
    vi.useRealTimers();
  });

  function watch(server: LocalServer, pace$: Observable<number> = NEVER, nudge$: Observable<unknown> = NEVER) {
    const seen: Observation[] = [];
    const ends: unknown[] = [];
    subscription = watchLocal({
      server,
      managed: null,
      clock: systemClock,
      decodeConfig: decodeDynamicConfig,
      pace$,
      nudge$,
    }).subscribe({
      next: (observation) => seen.push(observation),
      error: (error: unknown) => ends.push(error),
      complete: () => ends.push('completed'),
    });
    return { seen, ends, kinds: () => seen.map(({ kind }) => kind) };
  }
  const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

  test('begins with a look and the ledger, then looks at the pace', async () => {
    const { kinds } = watch(serverThat({}), new BehaviorSubject(200));
    await pass(0);
    expect(kinds()).toEqual(['look', 'ledger']);
    await pass(199);
    expect(kinds()).toHaveLength(2);
    await pass(1);
    expect(kinds()).toEqual(['look', 'ledger', 'look']);
    await pass(600);
    expect(kinds().filter((kind) => kind === 'look')).toHaveLength(5);
    expect(kinds().filter((kind) => kind === 'ledger')).toHaveLength(1);
  });

  test('looks at once when the connection is lost, but not without a pause', async () => {
    const heard = new Set<() => void>();
    const onLost = (hear: () => void) => {
      heard.add(hear);
      return () => void heard.delete(hear);
    };
    const { kinds } = watch(serverThat({ onLost }), new BehaviorSubject(60_000));
    const lose = (): void => heard.forEach((hear) => hear());
    const looks = () => kinds().filter((kind) => kind === 'look').length;
    await pass(0);
    lose();
    await pass(0);
    expect(looks()).toBe(2);
    lose();
    await pass(999);
    expect(looks()).toBe(2);
    lose();
    await pass(1);
    lose();
    await pass(0);
    expect(looks()).toBe(3);
    subscription.unsubscribe();
    expect(heard.size).toBe(0);
  });

  test('has a pace of its own until it is told one, and keeps the last when no more are told', async () => {
    const pace$ = new Subject<number>();
    const { kinds } = watch(serverThat({}), pace$);
    await pass(3_000);
    expect(kinds().filter((kind) => kind === 'look')).toHaveLength(4);
    pace$.next(100);
    pace$.complete();
    await pass(1_000);
    expect(kinds().filter((kind) => kind === 'look').length).toBeGreaterThanOrEqual(13);
  });

  test('a new pace counts for the wait that has begun, from the end of the last look', async () => {
    const pace$ = new BehaviorSubject(10_000);
    const { kinds } = watch(serverThat({}), pace$);
    await pass(400);
    pace$.next(500);
    await pass(99);
    expect(kinds()).toEqual(['look', 'ledger']);
    await pass(1);
    expect(kinds()).toEqual(['look', 'ledger', 'look']);
  });

  test('a pace that changes all the time does not put the look off', async () => {
    const pace$ = new BehaviorSubject(1_000);
    const { kinds } = watch(serverThat({}), pace$);
    for (let change = 0; change < 12; change += 1) {
      await pass(100);
      pace$.next(1_000 + change);
    }
    expect(kinds()).toEqual(['look', 'ledger', 'look']);
  });

  test('a nudge brings the next look at once, also one that comes during a look', async () => {
    const nudge$ = new Subject<string>();
    const answers: (() => void)[] = [];
    const look = vi.fn(
      () =>
        new Promise<ServerLook>((resolve) => {
          answers.push(() => resolve(standbyLook));
        }),
    );
    watch(serverThat({ look }), new BehaviorSubject(60_000), nudge$);
    await pass(0);
    nudge$.next('during');
    nudge$.next('and again');
    await pass(0);
    expect(look).toHaveBeenCalledTimes(1);
    answers[0]!();
    await pass(0);
    expect(look).toHaveBeenCalledTimes(2);
    answers[1]!();
    await pass(1_000);
    expect(look).toHaveBeenCalledTimes(2);
    nudge$.next('between');
    await pass(0);
    expect(look).toHaveBeenCalledTimes(3);
  });

  test('says when the look began and when it was over', async () => {
    const look = (): Promise<ServerLook> =>
      new Promise((resolve) => {
        setTimeout(() => resolve(standbyLook), 30);
      });
    const began = systemClock.monotonicMs();
    const { seen } = watch(serverThat({ look }));
    await pass(30);
    expect(seen[0]).toMatchObject({ kind: 'look', startedAtMs: began, atMs: began + 30, look: standbyLook });
  });

  test('a failing look is trouble, with what is behind it, and the watch goes on', async () => {
    let up = false;
    const server = serverThat({
      look: () => (up ? Promise.resolve(standbyLook) : Promise.reject(new ServerError('no', 'not_running', null))),
      copyWasInterrupted: () => Promise.resolve(true),
    });
    const { seen, ends, kinds } = watch(server, new BehaviorSubject(100));
    await pass(150);
    expect(seen).toMatchObject([
      { kind: 'server_trouble', trouble: 'not_running', why: 'no', copyInterrupted: true },
      { kind: 'server_trouble' },
    ]);
    up = true;
    await pass(100);
    expect(kinds().slice(2)).toEqual(['look', 'ledger']);
    expect(ends).toEqual([]);
  });

  test('neither a bug nor an unreadable directory ends it', async () => {
    const server = serverThat({
      look: () => {
        throw new Error('bug');
      },
      copyWasInterrupted: () => Promise.reject(new Error('EACCES')),
    });
    const { seen, ends } = watch(server, new BehaviorSubject(100));
    await pass(250);
    expect(seen).toHaveLength(3);
    expect(seen[0]).toMatchObject({ kind: 'server_trouble', trouble: 'other', why: 'bug', copyInterrupted: false });
    expect(ends).toEqual([]);
  });

  test('a look that hangs is given up after five seconds and aborted', async () => {
    const signals: AbortSignal[] = [];
    const look = (signal: AbortSignal): Promise<ServerLook> => {
      signals.push(signal);
      return new Promise(() => undefined);
    };
    const { seen } = watch(serverThat({ look }), new BehaviorSubject(100));
    await pass(4_999);
    expect(seen).toEqual([]);
    expect(signals[0]?.aborted).toBe(false);
    await pass(1);
    expect(seen).toMatchObject([{ kind: 'server_trouble', trouble: 'timeout' }]);
    expect(signals[0]?.aborted).toBe(true);
    await pass(100);
    expect(signals).toHaveLength(2);
  });

  test('leaving aborts the look under way and looks no more', async () => {
    const signals: AbortSignal[] = [];
    const look = (signal: AbortSignal): Promise<ServerLook> => {
      signals.push(signal);
      return new Promise(() => undefined);
    };
    watch(serverThat({ look }), new BehaviorSubject(100));
    await pass(0);
    subscription.unsubscribe();
    expect(signals[0]?.aborted).toBe(true);
    await pass(20_000);
    expect(signals).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('each timeline of a primary is followed by its history, once', async () => {
    let timeline = 2;
    const timelineHistory = vi.fn((of: number) => Promise.resolve([{ timeline: of - 1, lsn: 5n, reason: 'x' }]));
    const server = serverThat({
      look: () => Promise.resolve({ ...standbyLook, role: 'primary', timeline }),
      timelineHistory,
    });
    const { seen, kinds } = watch(server, new BehaviorSubject(100));
    await pass(250);
    expect(kinds()).toEqual(['look', 'ledger', 'timeline_history', 'look', 'look']);
    timeline = 3;
    await pass(100);
    expect(seen.at(-1)).toMatchObject({ kind: 'timeline_history', timeline: 3, switches: [{ timeline: 2 }] });
    expect(timelineHistory).toHaveBeenCalledTimes(2);
  });

  test('a history that cannot be read is a problem, tried again after a while, and taken back', async () => {
    let readable = false;
    const server = serverThat({
      look: () => Promise.resolve({ ...standbyLook, role: 'primary', timeline: 2 }),
      timelineHistory: () =>
        readable ? Promise.resolve([]) : Promise.reject(new ServerError('no replication', 'refused', '42501')),
    });
    const { seen, kinds } = watch(server, new BehaviorSubject(1_000));
    await pass(9_500);
    const problems = (): readonly Observation[] => seen.filter(({ kind }) => kind === 'problem');
    expect(problems()).toMatchObject([
      { present: true, problem: { code: 'timeline_history_unreadable', what: 'no replication' } },
    ]);
    readable = true;
    await pass(2_000);
    expect(problems().at(-1)).toMatchObject({ present: false, problem: { code: 'timeline_history_unreadable' } });
    expect(kinds()).toContain('timeline_history');
  });

  test('an unreadable ledger is a problem, and an empty one is gone on with', async () => {
    const server = serverThat({ readLedger: () => Promise.reject(new LedgerError('torn', ledger)) });
    const { seen } = watch(server, new BehaviorSubject(100));
    await pass(250);
    expect(seen.filter(({ kind }) => kind !== 'look')).toMatchObject([
      { kind: 'problem', present: true, problem: { code: 'ledger_unreadable', severity: 'warning' } },
      { kind: 'ledger', ledger },
    ]);
  });
});
