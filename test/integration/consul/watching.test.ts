import { NEVER, BehaviorSubject, share, Subject, type Observable, type Subscription } from 'rxjs';
import { type ScopeKeys } from '../../../src/consul/keys.ts';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { decodeDynamicConfig } from '../../../src/config/dynamic.ts';
import type { ConsulClient } from '../../../src/consul/client.ts';
import type { SessionSpec } from '../../../src/consul/port.ts';
import { startConsul, startConsulClient, type ConsulAgent } from '../../../src/sandbox/consul-server.ts';
import { findConsul } from '../../../src/sandbox/locate.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import type { Observation } from '../../../src/view/observation.ts';
import type { SessionState } from '../../../src/view/view.ts';
import { watchPrefix } from '../../../src/watch/prefix.ts';
import { endSession, keepSession } from '../../../src/watch/session.ts';
import { clientOf, freshScope, never, next, realClock, sessionSpec } from './fixtures.ts';

let sandbox: Sandbox;
/** Takes TTLs from 1 s, so that leases end while a test can wait for it. */
let server: ConsulAgent;
/** What runs beside slotkeeper on a host. */
let beside: ConsulAgent;
let client: ConsulClient;
let running: Subscription[] = [];

beforeAll(async () => {
  sandbox = await Sandbox.open();
  const consul = await findConsul();
  server = await startConsul(sandbox, { consul, sessionTtlMin: '1s' });
  beside = await startConsulClient(sandbox, { consul, server });
  client = clientOf(beside.address);
}, 120_000);

afterEach(() => {
  for (const subscription of running) subscription.unsubscribe();
  running = [];
});

afterAll(async () => {
  client.close();
  await sandbox.close();
});

/** A watch that errors is a bug. */
function fail(bug: unknown): never {
  throw bug;
}

/** Runs the stream until the end of the test; what is awaited on the result comes from the one subscription. */
function started(stream$: Observable<Observation>): Observable<Observation> {
  const shared$ = stream$.pipe(share());
  running.push(shared$.subscribe({ error: fail }));
  return shared$;
}

/** Everything below the scope's prefix. */
function followed(keys: ScopeKeys): Observable<Observation> {
  const { random } = Math;
  return started(
    watchPrefix({ consul: client, keys, decodeConfig: decodeDynamicConfig, clock: realClock, random, doubt$: NEVER }),
  );
}

describe('following the prefix', () => {
  const watched = (keys = freshScope()) => ({
    keys,
    stream$: followed(keys),
  });
  const put = (key: string, value: string) => server.request('PUT', `/v1/kv/${key}`, value);

  test('a write by hand is news, with its decoded value', async () => {
    const { keys, stream$ } = watched();
    await next(stream$, 'keys');
    const news = next(stream$, 'keys', (one) => one.keys.status !== null);
    await put(keys.status, '{"optime":42}');
    expect((await news).keys.status?.value?.optime).toBe(42n);
  });

  test('a hostile value is news too, and says what is wrong', async () => {
    const { keys, stream$ } = watched();
    await next(stream$, 'keys');
    const news = next(stream$, 'keys', (one) => one.keys.status !== null);
    await put(keys.status, '{'.repeat(100_000));
    expect((await news).keys.status).toMatchObject({ value: null });
  });

  test('a server that is killed and comes back with its data brings trouble, then contact, and no news', async () => {
    const { keys, stream$ } = watched();
    const seen: Observation[] = [];
    const first = next(stream$, 'keys', (one) => one.keys.status !== null);
    await put(keys.status, '{"optime":1}');
    await first;
    running.push(stream$.subscribe({ next: (one) => seen.push(one), error: fail }));
    const trouble = next(stream$, 'consul_trouble');
    await server.kill();
    expect((await trouble).why).toMatch(/cannot read the keys/);
    // A client agent that has missed the server for long enough to call it failed looks for it every half a minute only.
    const contact = next(stream$, 'consul_contact', () => true, 75_000);
    await server.start();
    await contact;
    expect(seen.filter(({ kind }) => kind === 'keys')).toEqual([]);
  }, 120_000);

  test('a server that comes back without its data shows that the keys are gone', async () => {
    const { keys, stream$ } = watched();
    const first = next(stream$, 'keys', (one) => one.keys.status !== null);
    await put(keys.status, '{"optime":1}');
    const before = await first;
    // The client agent may hand the read that is under way on to the new server, whose indexes are all lower: that holds it
    // for as long as it was asked to, which is 55 s and a sixteenth of that.
    const gone = next(stream$, 'keys', (one) => one.keys.status === null, 75_000);
    await server.restart({ keepData: false });
    expect((await gone).keys.index).toBeLessThan(before.keys.index);
    const news = next(stream$, 'keys', (one) => one.keys.status !== null);
    await put(keys.status, '{"optime":2}');
    expect((await news).keys.status?.value?.optime).toBe(2n);
  }, 120_000);

  test('the client agent that restarts brings trouble, and then news again', async () => {
    const { keys, stream$ } = watched();
    await next(stream$, 'keys');
    const trouble = next(stream$, 'consul_trouble');
    await beside.kill();
    await trouble;
    await put(keys.status, '{"optime":3}');
    const news = next(stream$, 'keys', (one) => one.keys.status !== null);
    await beside.start();
    expect((await news).keys.status?.value?.optime).toBe(3n);
  }, 60_000);
});

describe('keeping a session', () => {
  const kept = (spec: SessionSpec = sessionSpec({ ttlSeconds: 2 })) => {
    const spec$ = new BehaviorSubject(spec);
    const suspect$ = new Subject<string>();
    const stream$ = started(keepSession({ consul: client, clock: realClock, random: Math.random, spec$, suspect$ }));
    return { spec$, suspect$, stream$ };
  };
  const held = async (stream$: Observable<Observation>, other = ''): Promise<SessionState & { kind: 'held' }> => {
    const { session } = await next(
      stream$,
      'session',
      (one) => one.session.kind === 'held' && one.session.id !== other,
    );
    if (session.kind !== 'held') throw new Error('not held');
    return session;
  };
  const exists = async (id: string) => (await server.request('GET', `/v1/session/info/${id}`)).includes(id);

  test('keeps it past twice its TTL, where Consul would have ended it', async () => {
    const { stream$ } = kept();
    const first = await held(stream$);
    const { session } = await next(
      stream$,
      'session',
      (one) => one.session.kind === 'held' && one.session.renewedAtMs > first.renewedAtMs + 4500,
    );
    expect(session).toMatchObject({ id: first.id });
    expect(await exists(first.id)).toBe(true);
  }, 20_000);

  test('a session that nobody renews expires and takes its keys with it', async () => {
    const keys = freshScope();
    const session = await client.createSession(sessionSpec({ ttlSeconds: 1 }), never);
    await client.transact([{ verb: 'lock', key: keys.leader, value: 'a', session }], never);
    const stream$ = followed(keys);
    await next(stream$, 'keys', (one) => one.keys.leader?.session === session);
    await next(stream$, 'keys', (one) => one.keys.leader === null);
    expect(await client.renewSession(session, never)).toBe('gone');
  }, 20_000);

  test('a TTL below the minimum is clamped, once, with one warning', async () => {
    const { stream$ } = kept(sessionSpec({ ttlSeconds: 0.5 }));
    const seen: Observation[] = [];
    running.push(stream$.subscribe({ next: (one) => seen.push(one), error: fail }));
    const first = await held(stream$);
    expect(first).toMatchObject({ ttlSeconds: 1, clampedFrom: 0.5 });
    await server.request('PUT', `/v1/session/destroy/${first.id}`);
    expect(await held(stream$, first.id)).toMatchObject({ ttlSeconds: 1, clampedFrom: 0.5 });
    expect(seen.filter(({ kind }) => kind === 'problem')).toMatchObject([{ problem: { code: 'session_ttl' } }]);
  }, 20_000);

  test('a session destroyed by hand is replaced at the next renewal, and at once when somebody noticed', async () => {
    const { stream$, suspect$ } = kept(sessionSpec({ ttlSeconds: 3 }));
    const first = await held(stream$);
    await server.request('PUT', `/v1/session/destroy/${first.id}`);
    const second = await held(stream$, first.id);
    await server.request('PUT', `/v1/session/destroy/${second.id}`);
    const third = held(stream$, second.id);
    suspect$.next('invalid session');
    // The next renewal would be a second after the last.
    expect((await third).renewedAtMs - second.renewedAtMs).toBeLessThan(900);
  }, 20_000);

  test('another TTL makes another session and ends the former', async () => {
    const { stream$, spec$ } = kept();
    const first = await held(stream$);
    spec$.next(sessionSpec({ ttlSeconds: 3 }));
    const second = await held(stream$, first.id);
    expect(second.ttlSeconds).toBe(3);
    await expect.poll(() => exists(first.id)).toBe(false);
    expect(await exists(second.id)).toBe(true);
  }, 20_000);

  test('while Consul is frozen the lease runs out; after it the session is held again, or a new one', async () => {
    const { stream$ } = kept(sessionSpec({ ttlSeconds: 2 }));
    const first = await held(stream$);
    const ranOut = next(stream$, 'session', (one) => one.session.kind === 'none');
    beside.freeze();
    try {
      const { atMs, session } = await ranOut;
      expect(session).toMatchObject({ why: expect.stringMatching(/the lease ran out/) as string });
      expect(atMs - first.renewedAtMs).toBeGreaterThanOrEqual(2000);
    } finally {
      beside.thaw();
    }
    await held(stream$);
  }, 20_000);

  test('a Consul that comes back without its data does not know the session: there is a new one', async () => {
    const { stream$ } = kept(sessionSpec({ ttlSeconds: 10 }));
    const first = await held(stream$);
    const second = held(stream$, first.id);
    await server.restart({ keepData: false });
    expect((await second).id).not.toBe(first.id);
  }, 60_000);

  test('after the last subscriber has left the session stays until it is ended', async () => {
    const { stream$ } = kept(sessionSpec({ ttlSeconds: 10 }));
    const { id } = await held(stream$);
    for (const subscription of running) subscription.unsubscribe();
    expect(await exists(id)).toBe(true);
    await endSession({ consul: client, clock: realClock }, id, 5000);
    expect(await exists(id)).toBe(false);
  }, 20_000);
});
