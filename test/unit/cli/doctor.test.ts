import { describe, expect, it } from 'vitest';
import type { Finding } from '../../../src/cli/checkup.ts';
import { examine, findingLines } from '../../../src/cli/doctor.ts';
import { memberFindings } from '../../../src/cli/member-checkup.ts';
import type { Member } from '../../../src/domain/cluster.ts';
import type { ServerLook } from '../../../src/domain/server.ts';
import type { Turn } from '../../../src/plan/plan.ts';
import { startRest } from '../../support/rest.ts';
import {
  aKey,
  aMember,
  aPrimaryLook,
  aStandbyLook,
  aStatus,
  aTurn,
  aView,
  nowMs,
  sessionOf,
  someKeys,
} from '../../support/turns.ts';
import { plain } from './some-cluster.ts';

const never = new AbortController().signal;
const wrong = (findings: readonly Finding[]) => findings.filter(({ state }) => state !== 'ok');
const about = (findings: readonly Finding[], subject: string, member: string | null = 'beta') =>
  findings.find((finding) => finding.subject === subject && finding.member === member);

function turnOf(name: string, keys: ReturnType<typeof someKeys>, over: Parameters<typeof aTurn>[1] = {}): Turn {
  return aTurn(name, { ...over, view: { consul: { contact: { kind: 'good', atMs: nowMs }, keys }, ...over.view } });
}

/** What `problemed` says of itself over REST, and the key under which it is found. */
async function problemed(problems: Turn['plan']['problems']): Promise<Member> {
  const rest = await startRest();
  rest.server.show(aTurn('beta', { plan: { problems } }));
  const { extras } = aMember('beta');
  const codes = problems.map(({ code }) => code);
  return aMember('beta', { apiUrl: `${rest.url}/patroni`, extras: { ...extras!, problems: codes } });
}

const walLevel = {
  code: 'wal_level',
  severity: 'error',
  what: 'wal_level is replica, logical slots need logical',
  fix: 'ALTER SYSTEM SET wal_level = logical; then restart the server',
} as const;

describe('a healthy cluster', () => {
  it('has each prerequisite with what was found, and nothing wrong', async () => {
    const findings = await examine(aTurn('beta'), never);
    expect(wrong(findings)).toEqual([]);
    expect(about(findings, 'leader', null)?.found).toBe('alpha');
    expect(about(findings, 'gate', null)?.found).toMatch(
      /^not enforced: failover_slots\.standby_slot_names is not set/,
    );
    expect(about(findings, 'server')?.found).toBe('PostgreSQL 15.18, standby');
    expect(about(findings, 'wal_level')?.found).toBe('logical');
    expect(about(findings, 'max_replication_slots')?.found).toBe('1 of 10 are used');
    expect(about(findings, 'max_slot_wal_keep_size')?.found).toBe('unlimited');
    expect(about(findings, 'primary_slot_name')?.found).toBe('beta');
    expect(about(findings, 'hot_standby_feedback')?.found).toBe('on');
    expect(about(findings, 'Consul session')?.found).toMatch(/^TTL 15 s/);
    expect(about(findings, 'slots')?.found).toBe('1 of 1 slots ready');
    expect(about(findings, 'server', 'alpha')?.found).toBe('PostgreSQL 15.18, primary, running');
    expect(about(findings, 'agent', 'alpha')?.found).toBe('slotkeeper 0.1.0');
  });

  it('tells from whom another standby streams', async () => {
    const findings = await examine(aTurn('alpha'), never);
    expect(about(findings, 'stream')).toMatchObject({ state: 'ok', found: 'from alpha, through the slot beta' });
  });
});

describe('this server', () => {
  it('has its problems in place of the prerequisites that they are about', async () => {
    const findings = await examine(aTurn('beta', { plan: { problems: [walLevel] } }), never);
    expect(wrong(findings)).toEqual([
      { member: 'beta', subject: 'wal_level', state: 'error', found: walLevel.what, fix: walLevel.fix },
    ]);
    expect(findings.filter(({ subject, member }) => subject === 'wal_level' && member === 'beta')).toHaveLength(1);
  });

  it('has the problems that only its running agent can know, and those that one look shows once', async () => {
    const failed = { code: 'native_setting', severity: 'error', what: 'could not be set', fix: null } as const;
    const member = await problemed([walLevel, failed]);
    const { members } = someKeys();
    const keys = someKeys({ members: new Map(members).set('beta', aKey(member, { session: sessionOf('beta') })) });
    expect(wrong(await examine(turnOf('beta', keys, { plan: { problems: [walLevel] } }), never))).toEqual([
      { member: 'beta', subject: 'wal_level', state: 'error', found: walLevel.what, fix: walLevel.fix },
      { member: 'beta', subject: 'native_setting', state: 'error', found: 'could not be set', fix: null },
    ]);
  });

  it('that does not answer is an error, with what to do about it', async () => {
    const local = { ...aView('beta').local, trouble: 'not_running' } as const;
    const contact = { kind: 'broken', sinceMs: nowMs, why: 'connect ECONNREFUSED' } as const;
    const findings = await examine(aTurn('beta', { view: { local: { ...local, contact } } }), never);
    expect(about(findings, 'server')).toEqual({
      member: 'beta',
      subject: 'server',
      state: 'error',
      found: 'PostgreSQL cannot be asked: connect ECONNREFUSED',
      fix: 'start the server',
    });
    expect(about(findings, 'wal_level')).toBeUndefined();
  });

  it('without a running agent, and without a session for one', async () => {
    const { members } = someKeys();
    const keys = someKeys({ members: new Map([...members].filter(([name]) => name !== 'beta')) });
    const session = { kind: 'none', why: 'Permission denied' } as const;
    const findings = await examine(turnOf('beta', keys, { view: { session } }), never);
    expect(about(findings, 'agent')).toMatchObject({ state: 'warning', found: 'no agent runs under this name' });
    expect(about(findings, 'Consul session')).toMatchObject({
      state: 'error',
      found: 'Consul gives none: Permission denied',
    });
  });

  it('with a TTL that Consul has changed: said once, in the words of the problem', async () => {
    const session = { kind: 'held', id: sessionOf('beta'), ttlSeconds: 30, clampedFrom: 15, renewedAtMs: 0 } as const;
    const problem = { code: 'session_ttl', severity: 'warning', what: 'not 15 s', fix: 'set ttl to 60' } as const;
    const reported = new Map([['session_ttl', problem]]);
    const findings = await examine(aTurn('beta', { view: { session, reported } }), never);
    expect(wrong(findings)).toEqual([
      { member: 'beta', subject: 'session_ttl', state: 'warning', found: 'not 15 s', fix: 'set ttl to 60' },
    ]);
    expect(about(findings, 'Consul session')).toBeUndefined();
  });

  it('with a password where a reload would write it into the log', async () => {
    const settings = { ...aStandbyLook().settings, conninfoHasPassword: true };
    const withSettings = (name: string, look: ServerLook) =>
      aTurn(name, { view: { local: { ...aView(name).local, look: { ...look, settings } } } });
    expect(wrong(await examine(withSettings('beta', aStandbyLook()), never))).toMatchObject([
      {
        member: 'beta',
        subject: 'primary_conninfo',
        state: 'warning',
        fix: expect.stringContaining('passfile') as string,
      },
    ]);
    // What a primary has in it is of no use to it, until it is a standby.
    expect(
      about(await examine(withSettings('alpha', aPrimaryLook()), never), 'primary_conninfo', 'alpha'),
    ).toBeUndefined();
  });

  it('with a slot that is not ready', async () => {
    const look = aStandbyLook({ slots: [] });
    const findings = await examine(aTurn('beta', { view: { local: { ...aView('beta').local, look } } }), never);
    expect(about(findings, 'slots')).toMatchObject({ state: 'warning', fix: 'slotkeeper slots' });
    expect(about(findings, 'slots')?.found).toMatch(/^0 of 1 slots ready; orders: not ready \(/);
  });
});

describe('the cluster', () => {
  it.each([
    [{ leader: null }, { subject: 'leader', state: 'error' }],
    [{ status: null }, { subject: 'status', state: 'error', found: 'alpha has not published its slots' }],
    [
      { config: null, configText: null },
      { subject: 'configuration', state: 'ok', found: 'none in Consul: everything has its default' },
    ],
  ])('%j', async (over, expected) => {
    const findings = await examine(turnOf('beta', someKeys(over)), never);
    expect(findings).toContainEqual(expect.objectContaining({ member: null, ...expected }));
  });

  it('has slots that are lost as errors, with where the loss begins', async () => {
    const status = aStatus();
    const lost = new Map([['gone', { from: 0x1000n, why: 'it was dropped', atWallMs: 0 }]]);
    const keys = someKeys({ status: aKey({ ...status, extras: { ...status.extras!, lost } }) });
    expect(about(await examine(turnOf('beta', keys), never), 'lost slot', null)).toMatchObject({
      state: 'error',
      found: 'gone: changes from 0/1000 on are lost to its consumer (it was dropped)',
    });
  });

  it('leaves a cascade out of the gate as it should', async () => {
    const extras = { ...aMember('beta').extras!, upstream: 'beta' };
    const status = aStatus();
    const gate = {
      ...({ enforcedBy: 'synchronized_standby_slots', slots: ['beta'] } as const),
      leftOut: new Map([['gamma', 'it streams from beta']]),
    };
    const keys = someKeys({
      members: new Map([...someKeys().members, ['gamma', aKey(aMember('gamma', { extras }), { session: 's' })]]),
      status: aKey({ ...status, extras: { ...status.extras!, gate } }),
    });
    expect(about(await examine(turnOf('beta', keys), never), 'gate', null)).toMatchObject({
      state: 'ok',
      found: expect.stringContaining('left out: gamma (it streams from beta)') as string,
    });
  });

  it.each([
    [{ enforcedBy: 'synchronized_standby_slots', slots: ['beta'], leftOut: new Map() }, 'ok', null],
    [
      { enforcedBy: 'synchronized_standby_slots', slots: [], leftOut: new Map([['beta', 'behind']]) },
      'warning',
      /standbys that are left out/,
    ],
    [{ enforcedBy: null, slots: ['beta'], leftOut: new Map() }, 'warning', /upgrade to PostgreSQL 17/],
  ] as const)('the gate %j', async (gate, state, fix) => {
    const status = aStatus();
    const keys = someKeys({ status: aKey({ ...status, extras: { ...status.extras!, gate } }) });
    const finding = about(await examine(turnOf('beta', keys), never), 'gate', null);
    expect(finding?.state).toBe(state);
    if (fix === null) expect(finding?.fix).toBeNull();
    else expect(finding?.fix).toMatch(fix);
  });

  it('says once what several members say in the same words', async () => {
    const member = await problemed([walLevel]);
    const { members } = someKeys();
    const keys = someKeys({
      members: new Map(
        [...members].map(([name, key]) => [name, { ...key, value: name === 'beta' ? member : key.value }]),
      ),
    });
    const findings = await examine(turnOf('alpha', keys, { plan: { problems: [walLevel] } }), never);
    expect(wrong(findings)).toEqual([
      { member: null, subject: 'wal_level', state: 'error', found: walLevel.what, fix: walLevel.fix },
    ]);
  });
});

describe('another member', () => {
  const alive = { session: sessionOf('beta') };
  const findingsOf = async (member: Member | null, stamp: Parameters<typeof aKey>[1] = alive) =>
    memberFindings('beta', aKey(member, stamp), never);

  it('is asked for the words of its problems', async () => {
    const note = { code: 'privilege_monitor', severity: 'warning', what: 'may not see', fix: null } as const;
    expect(wrong(await findingsOf(await problemed([walLevel, note])))).toEqual([
      { member: 'beta', subject: 'wal_level', state: 'error', found: walLevel.what, fix: walLevel.fix },
      { member: 'beta', subject: 'privilege_monitor', state: 'warning', found: 'may not see', fix: null },
    ]);
  });

  it('that does not answer has its codes as errors, without the password in its address', async () => {
    const { extras } = aMember('beta');
    const member = aMember('beta', {
      apiUrl: 'http://agent:hush@127.0.0.1:1/patroni',
      extras: { ...extras!, problems: ['wal_level'] },
    });
    const findings = wrong(await findingsOf(member));
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ subject: 'wal_level', state: 'error' });
    expect(findings[0]?.found).toMatch(/^its agent reports wal_level, and could not be asked for more: ./);
    expect(findings[0]?.fix).toMatch(/^slotkeeper doctor .* on the host of beta$/);
    expect(JSON.stringify(findings)).not.toContain('hush');
  });

  it('whose address answers with something else is not believed', async () => {
    const rest = await startRest();
    rest.server.show(aTurn('beta'));
    const { extras } = aMember('beta');
    const member = aMember('beta', { apiUrl: `${rest.url}/history`, extras: { ...extras!, problems: ['wal_level'] } });
    expect(wrong(await findingsOf(member))[0]?.found).toContain('no slotkeeper answers at');
  });

  it.each([
    ['a key that cannot be read', null, { problem: 'it is not JSON' }, { subject: 'key', state: 'error' }],
    ['another tool', aMember('beta', { extras: null }), alive, { subject: 'agent', state: 'warning' }],
    ['an agent that is gone', aMember('beta'), {}, { subject: 'agent', state: 'error' }],
    [
      'a server that is down, of which it is not asked from whom it streams',
      aMember('beta', { state: 'stopped', extras: { ...aMember('beta').extras!, upstream: null } }),
      alive,
      { subject: 'server', state: 'error', found: 'PostgreSQL 15.18, replica, stopped' },
    ],
    [
      'a standby that streams from nobody knows whom',
      aMember('beta', { extras: { ...aMember('beta').extras!, upstream: null } }),
      alive,
      { subject: 'stream', state: 'warning' },
    ],
  ])('%s', async (_what, member, stamp, expected) => {
    expect(wrong(await findingsOf(member, stamp))).toMatchObject([expected]);
  });
});

describe('what is printed', () => {
  it('is grouped by member, the cluster first, then this host, with the fix under each', () => {
    const ok: Finding = { member: 'alpha', subject: 'server', state: 'ok', found: 'PostgreSQL 17.10', fix: null };
    const findings: readonly Finding[] = [
      ok,
      { member: 'beta', subject: 'wal_level', state: 'error', found: 'replica\u001b[2J', fix: 'ALTER SYSTEM …' },
      { ...ok, member: 'beta' },
      { member: null, subject: 'gate', state: 'warning', found: 'not enforced', fix: null },
    ];
    expect(findingLines(findings, 'shop', 'beta', plain)).toEqual([
      'Cluster shop',
      '  warning gate: not enforced',
      'beta (here)',
      '  error   wal_level: replica\\u001b[2J',
      '          fix: ALTER SYSTEM …',
      '  ok      server: PostgreSQL 17.10',
      'alpha',
      '  ok      server: PostgreSQL 17.10',
      '1 error, 1 warning',
    ]);
  });
});
