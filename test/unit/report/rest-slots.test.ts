import { describe, expect, test } from 'vitest';
import type { GateReport } from '../../../src/domain/cluster.ts';
import type { SlotVerdict } from '../../../src/domain/slot.ts';
import { startRest } from '../../support/rest.ts';
import { aKey, aMember, aStatus, aTurn, nowMs, someKeys } from '../../support/turns.ts';

const behind: SlotVerdict = {
  slot: 'orders',
  type: 'logical',
  verdict: { kind: 'not_ready', reason: 'hot_standby_feedback is off here' },
  position: 0x2f00n,
  method: 'template',
};

function turnWith(keys: ReturnType<typeof someKeys>) {
  return aTurn('alpha', { view: { consul: { contact: { kind: 'good', atMs: nowMs }, keys } } });
}

test('every slot on every member, with verdict, reason, position and lag', async () => {
  const rest = await startRest();
  const members = new Map(someKeys().members).set(
    'beta',
    aKey(aMember('beta', { slots: new Map([['orders', behind]]) })),
  );
  rest.server.show(turnWith(someKeys({ members })));
  const { body } = await rest.get('/slots');
  expect(body).toMatchObject({ scope: 'demo', leader: 'alpha', lost: [] });
  expect(body['slots']).toEqual([
    {
      slot: 'orders',
      type: 'logical',
      database: 'shop',
      plugin: 'pgoutput',
      position: '0/3000',
      position_bytes: 12288,
      members: [
        { member: 'alpha', verdict: 'ready', position: '0/3000', position_bytes: 12288, lag_bytes: 0 },
        {
          member: 'beta',
          verdict: 'not_ready',
          reason: 'hot_standby_feedback is off here',
          method: 'template',
          position: '0/2F00',
          position_bytes: 12032,
          lag_bytes: 256,
        },
      ],
    },
  ]);
});

test('a slot that is lost is told with the range of WAL, whatever its time says', async () => {
  const rest = await startRest();
  const status = aStatus();
  const lost = new Map([['gone', { from: 0x1000n, why: 'dropped on the primary', atWallMs: Number.MAX_SAFE_INTEGER }]]);
  const keys = someKeys({ status: aKey({ ...status, extras: { ...status.extras!, lost } }) });
  rest.server.show(turnWith(keys));
  const { status: code, body } = await rest.get('/slots');
  expect(code).toBe(200);
  expect(body['lost']).toEqual([
    { slot: 'gone', from: '0/1000', to: null, bytes: null, why: 'dropped on the primary', at: null },
  ]);
});

test('?history adds what each promotion did', async () => {
  const rest = await startRest();
  const slotHistory = aKey([
    {
      timeline: 2,
      leader: 'beta',
      timestamp: '2026-01-02T03:04:05.000Z',
      slots: [behind],
      gaps: [{ slot: 'orders', from: 0x2f00n, to: 0x3000n, why: 'it was not ready' }],
    },
  ]);
  rest.server.show(turnWith(someKeys({ slotHistory })));
  expect((await rest.get('/slots')).body['history']).toBeUndefined();
  expect((await rest.get('/slots?history')).body['history']).toEqual([
    {
      timeline: 2,
      leader: 'beta',
      timestamp: '2026-01-02T03:04:05.000Z',
      summary: '0 of 1 slots were ready, lost: orders',
      slots: [
        {
          slot: 'orders',
          type: 'logical',
          verdict: 'not_ready',
          reason: 'hot_standby_feedback is off here',
          method: 'template',
          position: '0/2F00',
          position_bytes: 12032,
        },
      ],
      gaps: [{ slot: 'orders', from: '0/2F00', to: '0/3000', bytes: 256, why: 'it was not ready' }],
    },
  ]);
});

test('without a leader it says that nothing is known', async () => {
  const rest = await startRest();
  rest.server.show(turnWith(someKeys({ leader: null })));
  expect((await rest.get('/slots')).body).toMatchObject({ leader: null, unknown: 'nobody holds the leader key' });
});

describe('the gate', () => {
  const gateIn = async (gate: GateReport | null): Promise<unknown> => {
    const rest = await startRest();
    const status = aStatus();
    rest.server.show(turnWith(someKeys({ status: aKey({ ...status, extras: { ...status.extras!, gate } }) })));
    return (await rest.get('/slots')).body['gate'];
  };

  test('who is waited for, and who is left out and why', async () => {
    const leftOut = new Map([['gamma', 'nobody has streamed through it for 12 s']]);
    expect(await gateIn({ enforcedBy: 'synchronized_standby_slots', slots: ['beta'], leftOut })).toEqual({
      enforced_by: 'synchronized_standby_slots',
      waited_for: ['beta'],
      left_out: [{ slot: 'gamma', why: 'nobody has streamed through it for 12 s' }],
      summary:
        'enforced by synchronized_standby_slots: consumers wait for beta; ' +
        'left out: gamma (nobody has streamed through it for 12 s)',
    });
  });

  test.each([
    [null, 'not enforced: failover_slots.standby_slot_names is not set'],
    [{ enforcedBy: null, slots: ['beta'], leftOut: new Map() }, 'not enforced: the primary has neither'],
    [
      { enforcedBy: 'pg_failover_slots', slots: [], leftOut: new Map() },
      'enforced by pg_failover_slots: consumers wait for nobody',
    ],
  ] as const)('%j', async (gate, summary) => {
    expect(await gateIn(gate)).toMatchObject({ summary: expect.stringContaining(summary) as string });
  });

  test('is not known without a leader', async () => {
    const rest = await startRest();
    rest.server.show(turnWith(someKeys({ leader: null })));
    expect((await rest.get('/slots')).body['gate']).toMatchObject({
      enforced_by: null,
      summary: 'not known: nobody holds the leader key',
    });
  });
});

test('the template slots of every standby, with the WAL that each holds', async () => {
  const rest = await startRest();
  const { extras } = aMember('beta');
  const templates = new Map([
    ['shop', 0x4000n],
    ['crm', 0x6000n],
  ]);
  const members = new Map(someKeys().members).set('beta', aKey(aMember('beta', { extras: { ...extras!, templates } })));
  rest.server.show(turnWith(someKeys({ members })));
  expect((await rest.get('/slots')).body['templates']).toEqual([
    { member: 'beta', database: 'crm', position: '0/6000', position_bytes: 0x6000, lag_bytes: 0 },
    { member: 'beta', database: 'shop', position: '0/4000', position_bytes: 0x4000, lag_bytes: 0x1000 },
  ]);
});
