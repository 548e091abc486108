import { expect, test } from 'vitest';
import type { SlotVerdict } from '../../../src/domain/slot.ts';
import { startRest } from '../../support/rest.ts';
import { aKey, aMember, aStatus, aTurn, nowMs, someKeys } from '../../support/turns.ts';

const behind: SlotVerdict = {
  slot: 'orders',
  type: 'logical',
  verdict: { kind: 'not_ready', reason: 'hot_standby_feedback is off here' },
  position: 0x2f00n,
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
  expect(body['lost']).toEqual([{ slot: 'gone', from: '0/1000', to: null, why: 'dropped on the primary', at: null }]);
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
          position: '0/2F00',
          position_bytes: 12032,
        },
      ],
      gaps: [{ slot: 'orders', from: '0/2F00', to: '0/3000', why: 'it was not ready' }],
    },
  ]);
});

test('without a leader it says that nothing is known', async () => {
  const rest = await startRest();
  rest.server.show(turnWith(someKeys({ leader: null })));
  expect((await rest.get('/slots')).body).toMatchObject({ leader: null, unknown: 'nobody holds the leader key' });
});
