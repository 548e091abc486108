import { expect, test } from 'vitest';
import type { Outcome } from '../../../src/domain/action.ts';
import type { Turn } from '../../../src/plan/plan.ts';
import { metricsPage, outcomeTally } from '../../../src/report/metrics.ts';
import { startRest } from '../../support/rest.ts';
import {
  aKey,
  aLogicalSlot,
  aSelf,
  aStandbyLook,
  aStatus,
  aTurn,
  aView,
  nowMs,
  nowWallMs,
  someKeys,
} from '../../support/turns.ts';

/** Sample name with labels (without scope and name) → value. */
async function samplesOf(turn: Turn, tally = outcomeTally()): Promise<ReadonlyMap<string, number>> {
  const { text } = await metricsPage({ turn, turnAtMs: nowMs, nowMs, nowWallMs }, tally);
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    const match = /^(\w+)\{scope="[^"]*",name="[^"]*",?(.*)\} (\S+)$/.exec(line);
    if (match !== null) samples.set(match[2] === '' ? match[1]! : `${match[1]!}{${match[2]!}}`, Number(match[3]));
  }
  return samples;
}

test('Patroni’s metrics of a standby', async () => {
  const samples = await samplesOf(aTurn('beta'));
  expect(Object.fromEntries([...samples].filter(([name]) => name.startsWith('patroni_')))).toEqual({
    patroni_version: 40_100,
    patroni_postgres_running: 1,
    patroni_postmaster_start_time: nowWallMs / 1_000 - 3_600,
    patroni_primary: 0,
    patroni_xlog_location: 0,
    patroni_standby_leader: 0,
    patroni_replica: 1,
    patroni_sync_standby: 0,
    patroni_quorum_standby: 0,
    patroni_xlog_received_location: 0x5000,
    patroni_xlog_replayed_location: 0x4f00,
    patroni_xlog_replayed_timestamp: nowWallMs / 1_000 - 0.5,
    patroni_xlog_paused: 0,
    patroni_postgres_streaming: 1,
    patroni_postgres_server_version: 150_018,
    patroni_cluster_unlocked: 0,
    patroni_failsafe_mode_is_active: 0,
    patroni_postgres_timeline: 1,
    patroni_dcs_last_seen: nowWallMs / 1_000 - 0.1,
    patroni_pending_restart: 0,
    patroni_is_paused: 0,
    patroni_postgres_state: 5,
  });
});

test('a primary', async () => {
  const samples = await samplesOf(aTurn('alpha'));
  expect(samples.get('patroni_primary')).toBe(1);
  expect(samples.get('patroni_xlog_location')).toBe(0x5000);
  expect(samples.get('slotkeeper_slot_consumer_lag_bytes{slot="orders",type="logical"}')).toBe(0x2000);
});

test('a server that does not answer', async () => {
  const local = { ...aView('alpha').local, contact: { kind: 'broken' as const, sinceMs: nowMs - 3_000, why: 'no' } };
  const samples = await samplesOf(aTurn('alpha', { view: { local: { ...local, trouble: 'not_running' } } }));
  expect(samples.get('patroni_postgres_running')).toBe(0);
  expect(samples.get('patroni_primary')).toBe(0);
  expect(samples.get('patroni_postgres_state')).toBe(12);
  expect(samples.get('slotkeeper_server_contact_age_seconds')).toBe(3);
  expect([...samples.keys()].filter((name) => name.startsWith('slotkeeper_slot_verdict'))).toEqual([]);
});

test('slots: a verdict as a set of states, position, lag', async () => {
  const look = aStandbyLook({ slots: [aLogicalSlot({ confirmedFlushLsn: 0x2f00n, walOnDisk: false })] });
  const samples = await samplesOf(aTurn('beta', { view: { local: { ...aView('beta').local, look } } }));
  const of = (metric: string, more = ''): number | undefined =>
    samples.get(`${metric}{slot="orders",type="logical"${more}}`);
  expect(of('slotkeeper_slot_verdict', ',verdict="lost"')).toBe(1);
  expect(of('slotkeeper_slot_verdict', ',verdict="ready"')).toBe(0);
  expect(of('slotkeeper_slot_position_bytes')).toBe(0x2f00);
  expect(of('slotkeeper_slot_lag_bytes')).toBe(0x100);
});

test('templates: how much WAL each holds', async () => {
  const { member } = aTurn('beta').plan;
  const templates = new Map([
    ['shop', 0x4000n],
    ['crm', 0x9000n],
  ]);
  const turn = aTurn('beta', { plan: { member: { ...member, extras: { ...member.extras!, templates } } } });
  const samples = await samplesOf(turn);
  expect(samples.get('slotkeeper_template_lag_bytes{database="shop"}')).toBe(0x1000);
  expect(samples.get('slotkeeper_template_lag_bytes{database="crm"}')).toBe(0);
  const nobodyLeads = { contact: { kind: 'good', atMs: nowMs } as const, keys: someKeys({ leader: null }) };
  const unknown = await samplesOf({ ...turn, view: { ...turn.view, consul: nobodyLeads } });
  expect([...unknown.keys()].filter((name) => name.startsWith('slotkeeper_template'))).toEqual([]);
});

test('gaps: recorded ones with their size, open ones once', async () => {
  const gaps = [
    { slot: 'orders', from: 0x1000n, to: 0x1800n, why: 'x' },
    { slot: 'orders', from: 0x2000n, to: null, why: 'x' },
  ];
  const slotHistory = aKey([{ timeline: 2, leader: 'beta', timestamp: '2026-01-02T03:04:05Z', slots: [], gaps }]);
  const status = aStatus();
  const lost = new Map([
    ['orders', { from: 0x2000n, why: 'x', atWallMs: nowWallMs }],
    ['bills', { from: 0x2000n, why: 'x', atWallMs: nowWallMs }],
  ]);
  const keys = someKeys({ slotHistory, status: aKey({ ...status, extras: { ...status.extras!, lost } }) });
  const samples = await samplesOf(
    aTurn('beta', { view: { consul: { contact: { kind: 'good', atMs: nowMs }, keys } } }),
  );
  expect(samples.get('slotkeeper_slot_gaps{slot="orders"}')).toBe(2);
  expect(samples.get('slotkeeper_slot_gaps{slot="bills"}')).toBe(1);
  expect(samples.get('slotkeeper_slot_lost_bytes{slot="orders"}')).toBe(0x800);
});

test('problems, actions and how they ended', async () => {
  const problem = { code: 'wal_level', severity: 'error', what: 'w', fix: null } as const;
  const tally = outcomeTally();
  const action = { kind: 'release_leader', session: 's' } as const;
  const times = { startedAtMs: 0, endedAtMs: 1 };
  const failure = { message: 'm', sqlstate: null, sessionDead: false, refused: false };
  const outcomes: Outcome[] = [
    { kind: 'done', done: { action, result: null }, ...times },
    { kind: 'done', done: { action, result: null }, ...times },
    { kind: 'failed', action, failure, ...times },
    { kind: 'failed', action, failure: { ...failure, refused: true }, ...times },
  ];
  outcomes.forEach(tally.count);
  const samples = await samplesOf(aTurn('beta', { plan: { problems: [problem, { ...problem, what: 'v' }] } }), tally);
  expect(samples.get('slotkeeper_problems{code="wal_level",severity="error"}')).toBe(2);
  expect(samples.get('slotkeeper_action_total{kind="release_leader",outcome="done"}')).toBe(2);
  expect(samples.get('slotkeeper_action_total{kind="release_leader",outcome="failed"}')).toBe(1);
  expect(samples.get('slotkeeper_action_total{kind="release_leader",outcome="refused"}')).toBe(1);
});

test('over HTTP: the content type of the text format, labels escaped, and what is gone is gone', async () => {
  const rest = await startRest();
  rest.server.show(aTurn('beta', { view: { self: aSelf('beta', { scope: 'a"b\\c' }) } }));
  const page = await rest.get('/metrics');
  expect(page.status).toBe(200);
  expect(page.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(page.text).toContain('patroni_replica{scope="a\\"b\\\\c",name="beta"} 1');
  expect(page.text).toContain('slot="orders"');
  rest.server.show(aTurn('beta', { view: { verdicts: [] } }));
  expect((await rest.get('/metrics')).text).not.toContain('slot="orders"');
});
