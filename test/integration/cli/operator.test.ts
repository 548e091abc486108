import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { exitCodes } from '../../../src/cli/exit-code.ts';
import { failover } from '../../../src/cli/failover.ts';
import { UsageError } from '../../../src/cli/failure.ts';
import type { HandoverOptions } from '../../../src/cli/handover.ts';
import { pause, resume } from '../../../src/cli/pause.ts';
import { reload } from '../../../src/cli/reload.ts';
import { switchover } from '../../../src/cli/switchover.ts';
import type { Terminal } from '../../../src/cli/terminal.ts';
import { createConsulClient, type ConsulClient } from '../../../src/consul/client.ts';
import { encodeMember } from '../../../src/consul/codec/member.ts';
import { Sandbox } from '../../../src/sandbox/processes.ts';
import { eventually } from '../../support/eventually.ts';
import { managedRest } from '../../support/managed-rest.ts';
import { consulForTest, type ConsulForTest } from '../../support/servers.ts';
import { aMember } from '../../support/turns.ts';

/** The commands of operators on a real Consul; what the agents would do to the keys a test does itself. */
describe('the commands of operators', () => {
  let sandbox: Sandbox;
  let place: ConsulForTest;
  let consul: ConsulClient;
  let session = '';
  let scope = '';
  let scopes = 0;
  const never = new AbortController().signal;

  beforeAll(async () => {
    sandbox = await Sandbox.open();
    place = await consulForTest(sandbox);
    consul = createConsulClient({
      ...{ host: place.address.host, port: place.address.port, scheme: 'http', token: null, tokenFile: null, dc: null },
      ...{ consistency: 'default', verify: true, cacert: null, cert: null, key: null, requestTimeoutMs: 5_000 },
    });
    const spec = {
      ttlSeconds: 600,
      lockDelaySeconds: 0,
      behavior: 'delete',
      nodeChecks: [],
      serviceChecks: [],
    } as const;
    session = await consul.createSession({ name: 'members', ...spec }, never);
  });
  afterAll(() => sandbox.close());
  beforeEach(async () => {
    scopes += 1;
    scope = `operator${scopes}`;
    await store('config', '{"ttl":30}');
    await lock('leader', 'alpha');
    for (const name of ['alpha', 'beta']) await lock(`members/${name}`, encodeMember(aMember(name)));
  });

  const keyOf = (path: string): string => `${place.prefix}/${scope}/${path}`;
  const store = (path: string, value: string) => consul.transact([{ verb: 'set', key: keyOf(path), value }], never);
  const lock = (path: string, value: string) =>
    consul.transact([{ verb: 'lock', key: keyOf(path), value, session }], never);
  const remove = (path: string) => consul.transact([{ verb: 'delete', key: keyOf(path) }], never);
  const stored = async (path: string): Promise<string | null> => {
    const { entries } = await consul.readPrefix(keyOf(path), { index: 0, waitMs: 0, signal: never });
    return entries.find(({ key }) => key === keyOf(path))?.value ?? null;
  };
  const access = () => ({
    configFile: null,
    consul: `${place.address.host}:${place.address.port}`,
    scope,
    namespace: place.prefix,
    tokenFile: null,
  });
  const handover = (over: Partial<HandoverOptions> = {}): HandoverOptions => ({
    ...access(),
    ...{ leader: null, candidate: 'beta', scheduled: null, unreadySlots: false, wait: true, force: true },
    ...over,
  });

  /** A terminal that remembers what it was told. */
  function terminal(more: Partial<Terminal> = {}): Terminal & { readonly said: string[] } {
    const said: string[] = [];
    const say = (line: string): void => void said.push(line);
    const rest = { columns: null, colour: false, env: {}, onHangup: () => undefined, stop: never, confirm: null };
    return { said, out: say, err: say, ...rest, readInput: () => Promise.resolve(''), ...more };
  }

  it('switchover: asks, writes the request, and waits until the candidate leads', async () => {
    const asked: string[] = [];
    const person = terminal({
      confirm: (question) => {
        asked.push(question);
        return Promise.resolve(true);
      },
    });
    const ended = switchover(handover({ force: false }), person);
    await eventually(async () => (await stored('failover')) === '{"leader":"alpha","member":"beta"}', {
      what: 'the request',
    });
    await lock('leader', 'beta');
    expect(await ended).toBe(exitCodes.ok);
    expect(asked).toEqual([
      `Are you sure you want to switchover the cluster ${scope} to beta, demoting the present leader alpha?`,
    ]);
    expect(person.said).toContain('Successfully switched over to "beta"');
  });

  it('switchover: a request that goes without a new leader has failed', async () => {
    const told = terminal();
    const ended = switchover(handover(), told);
    await eventually(() => stored('failover'), { what: 'the request' });
    await remove('failover');
    expect(await ended).toBe(exitCodes.failure);
    expect(told.said).toContain('Switchover failed');
  });

  it('switchover: at a later time, and with slots that are not ready', async () => {
    const options = handover({ candidate: null, scheduled: '2100-01-01T00:00Z', unreadySlots: true });
    expect(await switchover(options, terminal())).toBe(exitCodes.ok);
    expect(JSON.parse((await stored('failover')) ?? '')).toEqual({
      leader: 'alpha',
      scheduled_at: '2100-01-01T00:00:00+00:00',
      force: true,
    });
  });

  it.each<[string, Partial<HandoverOptions>, RegExp]>([
    ['another leader', { leader: 'beta', candidate: null }, /leader name does not match/],
    ['to the leader', { candidate: 'alpha' }, /Member alpha is already the leader/],
    ['to nobody', { candidate: 'omega' }, /candidate does not exists/],
    ['in the past', { scheduled: '2020-01-01T00:00Z' }, /in the past/],
    ['nobody to confirm', { force: false }, /nobody is there to confirm/],
  ])('switchover: %s is refused, and nothing is written', async (_what, over, why) => {
    await expect(switchover(handover(over), terminal())).rejects.toThrow(why);
    expect(await stored('failover')).toBeNull();
  });

  it('a no is a no', async () => {
    const person = terminal({ confirm: () => Promise.resolve(false) });
    expect(await switchover(handover({ force: false }), person)).toBe(exitCodes.failure);
    expect(await stored('failover')).toBeNull();
  });

  it('failover: where nobody leads', async () => {
    await remove('leader');
    const ended = failover(handover(), terminal());
    await eventually(async () => (await stored('failover')) === '{"member":"beta"}', { what: 'the request' });
    await lock('leader', 'beta');
    expect(await ended).toBe(exitCodes.ok);
    await expect(failover(handover({ candidate: null }), terminal())).rejects.toThrow(UsageError);
  });

  it('pause and resume: once each, and with --wait until every member knows', async () => {
    const ended = pause({ ...access(), wait: true }, terminal());
    await eventually(async () => (await stored('config')) === '{"ttl":30,"pause":true}', { what: 'the pause' });
    for (const name of ['alpha', 'beta']) await lock(`members/${name}`, encodeMember(aMember(name, { pause: true })));
    expect(await ended).toBe(exitCodes.ok);
    await expect(pause({ ...access(), wait: false }, terminal())).rejects.toThrow('Cluster is already paused');
    expect(await resume({ ...access(), wait: false }, terminal())).toBe(exitCodes.ok);
    expect(await stored('config')).toBe('{"ttl":30}');
  });

  it('what is asked of members: each for itself, and one that does not answer is told', async () => {
    const rest = await managedRest({ name: 'beta' });
    await lock('members/beta', encodeMember(aMember('beta', { apiUrl: `${rest.url}/patroni` })));
    await lock('members/alpha', encodeMember(aMember('alpha', { apiUrl: 'http://127.0.0.1:1/patroni' })));
    const told = terminal();
    const options = { ...access(), members: [], role: 'any', force: true } as const;
    expect(await reload(options, told)).toBe(exitCodes.failure);
    expect(told.said[0]).toMatch(/^Failed: reload for member alpha \(http:\/\/127\.0\.0\.1:1 does not answer/);
    expect(told.said[1]).toBe('Success: reload request received for member beta');
    expect(rest.reloads()).toBe(1);
  });
});
