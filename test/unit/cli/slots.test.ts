import { describe, expect, it } from 'vitest';
import { toJson } from '../../../src/cli/json.ts';
import { slotHistoryLines } from '../../../src/cli/slot-history.ts';
import { slotRows } from '../../../src/cli/slot-rows.ts';
import { gateLine, lostLines, slotLines, slotsDocument, templateLines } from '../../../src/cli/slots.ts';
import { noKeys, type ClusterKeys, type GateReport, type SlotHistoryEntry } from '../../../src/domain/cluster.ts';
import { templateRows } from '../../../src/report/explain.ts';
import { aMember } from '../../support/turns.ts';
import { key, keys, megabyte, plain, verdicts } from './some-cluster.ts';

describe('slots', () => {
  it('shows each slot on each member, the leader first', () => {
    const rows = slotRows(keys).map(({ slot, member, verdict, method, lag_bytes, reason }) => [
      slot,
      member,
      verdict,
      method,
      lag_bytes,
      reason,
    ]);
    expect(rows).toEqual([
      ['audit', 'pg1', 'not_ready', null, null, 'not on the primary yet'],
      ['audit', 'pg2', 'ready', 'template', null, ''],
      ['audit', 'pg3', 'unknown', null, null, 'the member does not say'],
      ['gone', 'pg1', 'lost', null, null, 'it was dropped'],
      ['gone', 'pg2', 'unknown', null, null, 'the member does not say'],
      ['gone', 'pg3', 'unknown', null, null, 'the member does not say'],
      ['orders', 'pg1', 'primary', null, null, ''],
      ['orders', 'pg2', 'not_ready', 'template', 1_048_576, 'waits for a restart'],
      ['orders', 'pg3', 'unknown', null, null, 'the member does not say'],
    ]);
  });

  it('prints positions as PostgreSQL does', () => {
    const line = slotLines(slotRows(keys), plain).find((it) => it.includes('waits'));
    expect(line).toBe(
      '| orders | logical | pg2    | not ready | template | 0/1C00000 |      1048576 | waits for a restart     |',
    );
    expect(toJson(slotRows(keys))).toContain('"position": "0/1C00000"');
  });

  it('says what to do where there are none', () => {
    expect(slotLines(slotRows(noKeys), plain)).toEqual([expect.stringContaining('edit-config')]);
  });

  it('tells the range of WAL that is lost, with its end once that is on record', () => {
    expect(lostLines(keys, plain)).toEqual([
      ' ! gone is lost: changes from 0/1 to an unknown position (it was dropped)',
    ]);
    const gaps = [
      { slot: 'gone', from: 9n, to: 10n, why: 'an earlier loss' },
      { slot: 'gone', from: 1n, to: 0x101n, why: 'it was dropped' },
    ];
    const recorded = { ...keys, slotHistory: key([{ timeline: 3, leader: 'pg1', timestamp: '', slots: [], gaps }]) };
    expect(lostLines(recorded, plain)).toEqual([
      ' ! gone is lost: changes from 0/1 to 0/101 (256 bytes) (it was dropped)',
    ]);
    expect(lostLines(noKeys, plain)).toEqual([]);
  });
});

/** The cluster with template slots on two standbys. */
const withTemplates: ClusterKeys = {
  ...keys,
  members: new Map(
    [
      ['pg2', { shop: 29n * megabyte, crm: 30n * megabyte }] as const,
      ['pg3', { shop: 31n * megabyte }] as const,
      ['pg1', {}] as const,
    ].map(([name, templates]) => {
      const { extras } = aMember('beta');
      return [name, key(aMember('beta', { extras: { ...extras!, templates: new Map(Object.entries(templates)) } }))];
    }),
  ),
};

describe('template slots', () => {
  it('have a line for each standby that has some', () => {
    expect(templateLines(templateRows(withTemplates))).toEqual([
      ' Templates of pg2: crm at 0/1E00000 (0 bytes behind), shop at 0/1D00000 (1048576 bytes behind)',
      ' Templates of pg3: shop at 0/1F00000 (0 bytes behind)',
    ]);
  });

  it('have no lag where nobody leads', () => {
    expect(templateLines(templateRows({ ...withTemplates, leader: null }))[1]).toBe(
      ' Templates of pg3: shop at 0/1F00000',
    );
  });
});

describe('the gate', () => {
  const withGate = (gate: GateReport): ClusterKeys => {
    const status = keys.status!.value!;
    return { ...keys, status: key({ ...status, extras: { ...status.extras!, gate } }) };
  };
  const leftOut = new Map([['pg3', 'nobody streams through it']]);

  it('names what enforces it, who is waited for, and who is left out and why', () => {
    const gate = withGate({ enforcedBy: 'synchronized_standby_slots', slots: ['pg2', 'pg4'], leftOut });
    expect(gateLine(gate, plain)).toBe(
      ' Gate: enforced by synchronized_standby_slots: consumers wait for pg2, pg4; left out: pg3 (nobody streams through it)',
    );
  });

  it('says that it is not enforced, in red where it was asked for', () => {
    expect(gateLine(keys, { ...plain, colour: true })).toBe(
      ' Gate: not enforced: failover_slots.standby_slot_names is not set',
    );
    const inVain = gateLine(withGate({ enforcedBy: null, slots: ['pg2'], leftOut }), { ...plain, colour: true });
    expect(inVain).toMatch(/^ \u001b\[31mGate: not enforced: the primary has neither .*\u001b\[0m$/);
  });

  it('shows nothing that moves a cursor', () => {
    const gate = { enforcedBy: 'pg_failover_slots', slots: [], leftOut: new Map([['pg3', '\u001b[2J']]) } as const;
    expect(gateLine(withGate(gate), plain)).toContain('left out: pg3 (\\u001b[2J)');
  });
});

it('--json has all of it', () => {
  const document = JSON.parse(toJson(slotsDocument(withTemplates))) as Record<string, unknown>;
  expect(document).toMatchObject({
    templates: [
      { member: 'pg2', database: 'crm', position: '0/1E00000', lag_bytes: 0 },
      { member: 'pg2', database: 'shop', lag_bytes: 1_048_576 },
      { member: 'pg3', database: 'shop' },
    ],
    gate: { enforced_by: null, waited_for: [], left_out: [] },
    lost: [{ slot: 'gone', from: '0/1', to: null, why: 'it was dropped', at: '1970-01-01T00:00:00.000Z' }],
  });
  expect(document['slots']).toContainEqual(expect.objectContaining({ slot: 'gone', member: 'pg1', verdict: 'lost' }));
});

describe('slots --history', () => {
  const promotion: SlotHistoryEntry = {
    timeline: 4,
    leader: 'pg2',
    timestamp: '2030-01-01T00:00:00Z',
    slots: [
      ...verdicts(
        ['orders', { kind: 'ready' }, 16n],
        ['bills', { kind: 'not_ready', reason: 'feedback was off' }, 32n],
      ).values(),
    ],
    gaps: [
      { slot: 'audit', from: 16n, to: null, why: 'it had not been copied' },
      { slot: 'bills', from: 32n, to: 64n, why: 'feedback was off' },
    ],
  };

  it("shows each slot's position, verdict and gap on the new primary", () => {
    expect(slotHistoryLines([promotion], plain).slice(1, -1)).toEqual([
      '| TL | Timestamp            | New Leader | Slot   | Verdict   | Position | Lost                        | Reason                                   |',
      '+----+----------------------+------------+--------+-----------+----------+-----------------------------+------------------------------------------+',
      '|  4 | 2030-01-01T00:00:00Z | pg2        | audit  | lost      |          | 0/10 to an unknown position | it was not there; it had not been copied |',
      '|  4 | 2030-01-01T00:00:00Z | pg2        | bills  | not ready |     0/20 | 0/20 to 0/40 (32 bytes)     | feedback was off                         |',
      '|  4 | 2030-01-01T00:00:00Z | pg2        | orders | ready     |     0/10 | nothing                     |                                          |',
    ]);
  });

  it('says that there was none', () => {
    expect(slotHistoryLines([], plain)).toEqual(['No promotion has been recorded.']);
  });
});
