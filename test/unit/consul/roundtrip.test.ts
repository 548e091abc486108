import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boundSlotHistory, encodeHistory, encodeSlotHistory } from '../../../src/consul/codec/history.ts';
import { encodeFailover, encodeFailsafe, encodeSync, encodeTerms } from '../../../src/consul/codec/lead.ts';
import { encodeMember } from '../../../src/consul/codec/member.ts';
import { patroniFormatVersion } from '../../../src/domain/version.ts';
import { encodeOptime, encodeStatus } from '../../../src/consul/codec/status.ts';
import { lsnToJson } from '../../../src/consul/codec/writing.ts';
import type {
  GateReport,
  HistoryEntry,
  Member,
  MemberExtras,
  PhysicalSlotReport,
  SlotHistoryEntry,
  Status,
} from '../../../src/domain/cluster.ts';
import type { FailoverRequest, RestartRequest, SyncState, Term } from '../../../src/domain/lead.ts';
import type { SlotVerdict } from '../../../src/domain/slot.ts';
import { tagsFrom } from '../../../src/domain/tags.ts';
import { writeTimestamp } from '../../../src/domain/timestamp.ts';
import { decoded, entry } from './entries.ts';

const lsn = fc.bigInt(0n, BigInt(Number.MAX_SAFE_INTEGER));
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { nil: null });
const slotName = fc.oneof(
  fc.stringMatching(/^[a-z0-9_]{1,63}$/),
  fc.constantFrom('__proto__', 'constructor', '0', '1'),
);
const xid = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const timeline = fc.integer({ min: 1, max: 2 ** 32 - 1 });
const index = fc.nat(Number.MAX_SAFE_INTEGER);
const mapOf = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<ReadonlyMap<string, T>> =>
  fc.array(fc.tuple(slotName, value), { maxLength: 5 }).map((entries) => new Map(entries));

const physical = fc.record<PhysicalSlotReport>({
  restartLsn: maybe(lsn),
  xmin: maybe(xid),
  catalogXmin: maybe(xid),
  active: fc.boolean(),
});

const verdict = (slot: fc.Arbitrary<string>): fc.Arbitrary<SlotVerdict> =>
  fc
    .record({
      slot,
      type: fc.constantFrom('logical' as const, 'physical' as const),
      verdict: fc.oneof(
        fc.constant({ kind: 'ready' as const }),
        fc.record({
          kind: fc.constantFrom('not_ready' as const, 'lost' as const, 'orphan' as const, 'ahead' as const),
          reason: fc.string(),
        }),
      ),
      position: maybe(lsn),
      method: fc.constantFrom('file_copy' as const, 'template' as const, 'native' as const, undefined),
    })
    .map(({ method, ...rest }) => (method === undefined ? rest : { ...rest, method }));

const gate = fc.record<GateReport>({
  enforcedBy: maybe(fc.constantFrom('synchronized_standby_slots' as const, 'pg_failover_slots' as const)),
  slots: fc.array(slotName, { maxLength: 4 }),
  leftOut: mapOf(fc.string()),
});

const status = fc.record<Status>({
  optime: lsn,
  slots: mapOf(lsn),
  retainSlots: fc.array(slotName, { maxLength: 4 }),
  extras: maybe(
    fc.record({
      term: index,
      timeline,
      membersIndex: index,
      logical: mapOf(
        fc.record({
          database: fc.string(),
          plugin: fc.string(),
          twoPhase: fc.boolean(),
          failover: fc.boolean(),
          restartLsn: maybe(lsn),
          catalogXmin: maybe(xid),
          incarnation: lsn,
          made: fc.boolean(),
          invalidation: maybe(fc.string()),
        }),
      ),
      physical: mapOf(physical),
      lost: mapOf(fc.record({ from: lsn, why: fc.string(), atWallMs: index })),
      templateLsn: maybe(lsn),
      gate: maybe(gate),
    }),
  ),
});

const extras = fc.record<MemberExtras>({
  agentVersion: fc.string(),
  serverVersionNum: maybe(fc.integer({ min: 100_000, max: 200_000 })),
  systemIdentifier: maybe(fc.string()),
  upstream: maybe(fc.string()),
  primarySlotName: maybe(fc.string()),
  physical: mapOf(physical),
  needsFeedback: fc.boolean(),
  hotStandbyFeedback: fc.boolean(),
  templates: fc
    .array(fc.tuple(fc.oneof(slotName, fc.string({ minLength: 1, maxLength: 63 })), lsn), { maxLength: 3 })
    .map((entries) => new Map(entries)),
  wantsSnapshot: fc.boolean(),
  bid: maybe(
    fc.record({
      after: index,
      position: lsn,
      timeline,
      unreadySlots: fc.nat(),
      priority: fc.nat(),
      unfit: maybe(fc.string()),
    }),
  ),
  problems: fc.array(fc.string(), { maxLength: 3 }),
});

const tag = fc.stringMatching(/^[a-z_]{1,12}$/).filter((name) => name !== '__proto__');
const tags = fc
  .tuple(
    fc.dictionary(tag, fc.oneof(fc.string(), fc.boolean(), fc.integer())),
    fc.record(
      { nofailover: fc.boolean(), nostream: fc.boolean(), replicatefrom: fc.string(), failover_priority: fc.nat(3) },
      { requiredKeys: [] },
    ),
  )
  .map(([others, known]) => tagsFrom({ ...others, ...known }));

const moment = fc
  .date({ min: new Date('2020-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
  .map((date) => writeTimestamp(date.getTime()));

const scheduledRestart = fc.record<RestartRequest>({
  scheduledAt: moment,
  role: fc.constantFrom('primary', 'replica', 'standby_leader', 'any'),
  postgresVersion: maybe(fc.constantFrom('15.3', '9.6.24')),
  onlyIfPending: fc.boolean(),
  timeoutSeconds: maybe(fc.integer({ min: 1, max: 100_000 })),
});

const member = fc.record<Member>({
  connUrl: maybe(fc.constantFrom('postgres://10.0.0.1:5432/postgres', 'postgres://h1:1,h2:2/x?sslmode=require')),
  apiUrl: maybe(fc.webUrl()),
  state: fc.constantFrom('running', 'starting', 'stopped', 'crashed'),
  role: fc.constantFrom('primary', 'replica', 'standby_leader', 'uninitialized', 'demoted'),
  version: maybe(fc.constant(patroniFormatVersion)),
  xlogLocation: maybe(lsn),
  receiveLsn: maybe(lsn),
  replayLsn: maybe(lsn),
  replicationState: maybe(fc.constantFrom('streaming', 'in archive recovery')),
  timeline: maybe(timeline),
  tags,
  pendingRestart: fc.boolean(),
  pendingRestartReason: fc
    .array(
      fc.tuple(fc.constantFrom('max_connections', 'shared_buffers'), fc.record({ from: fc.string(), to: fc.string() })),
    )
    .map((entries) => new Map(entries)),
  scheduledRestart: maybe(scheduledRestart),
  pause: fc.boolean(),
  slots: fc
    .array(verdict(slotName), { maxLength: 4 })
    .map((verdicts) => new Map(verdicts.map((one) => [one.slot, one] as const))),
  extras: maybe(extras),
});

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/);

const failover = fc.record<FailoverRequest>({
  leader: maybe(name),
  candidate: maybe(name),
  scheduledAt: maybe(moment),
  force: fc.boolean(),
});

const sync = fc.record<SyncState>({ leader: maybe(name), standbys: fc.array(name, { maxLength: 4 }) });

const terms = fc.array(fc.record<Term>({ term: index, leader: name, timeline: maybe(timeline), from: maybe(lsn) }), {
  maxLength: 5,
});

const historyLine = fc.record<HistoryEntry>({
  timeline,
  lsn,
  reason: fc.string(),
  timestamp: maybe(fc.string()),
  newLeader: maybe(fc.string()),
});

const promotion = fc.record<SlotHistoryEntry>({
  timeline,
  leader: fc.string(),
  timestamp: fc.string(),
  slots: fc.array(verdict(slotName), { maxLength: 3 }),
  gaps: fc.array(fc.record({ slot: slotName, from: lsn, to: maybe(lsn), why: fc.string() }), { maxLength: 3 }),
});

describe('what is written is read back the same, without a complaint', () => {
  test('status', () => {
    fc.assert(
      fc.property(status, (wanted) => {
        expect(decoded(entry('status', encodeStatus(wanted))).status).toMatchObject({ problem: null });
        expect(decoded(entry('status', encodeStatus(wanted))).status?.value).toEqual(wanted);
      }),
    );
  });

  test('member', () => {
    fc.assert(
      fc.property(member, (wanted) => {
        const read = decoded(entry('members/a', encodeMember(wanted))).members.get('a');
        expect(read?.problem).toBeNull();
        expect(read?.value).toEqual(wanted);
      }),
    );
  });

  test('failover', () => {
    fc.assert(
      fc.property(failover, (wanted) => {
        expect(decoded(entry('failover', encodeFailover(wanted))).failover).toMatchObject({
          value: wanted,
          problem: null,
        });
      }),
    );
  });

  test('sync', () => {
    fc.assert(
      fc.property(sync, (wanted) => {
        for (const settles of [null, 20])
          expect(decoded(entry('sync', encodeSync(wanted, settles))).sync).toMatchObject({
            value: wanted,
            problem: null,
          });
      }),
    );
  });

  test('failsafe', () => {
    fc.assert(
      fc.property(mapOf(fc.webUrl()), (wanted) => {
        const read = decoded(entry('failsafe', encodeFailsafe(wanted))).failsafe;
        expect(read?.problem).toBeNull();
        expect(read?.value).toEqual(wanted);
      }),
    );
  });

  test('terms', () => {
    fc.assert(
      fc.property(terms, (wanted) => {
        expect(decoded(entry('slotkeeper/terms', encodeTerms(wanted))).terms).toMatchObject({
          value: wanted,
          problem: null,
        });
      }),
    );
  });

  test('history', () => {
    fc.assert(
      fc.property(fc.array(historyLine, { maxLength: 5 }), (wanted) => {
        expect(decoded(entry('history', encodeHistory(wanted))).history).toMatchObject({
          value: wanted,
          problem: null,
        });
      }),
    );
  });

  test('slot_history', () => {
    fc.assert(
      fc.property(fc.array(promotion, { maxLength: 5 }), (wanted) => {
        const read = decoded(entry('slot_history', encodeSlotHistory(wanted))).slotHistory;
        expect(read?.problem).toBeNull();
        expect(read?.value).toEqual(wanted);
      }),
    );
  });

  test('optime/leader', () => {
    fc.assert(
      fc.property(lsn, (wanted) => {
        expect(decoded(entry('optime/leader', encodeOptime(wanted))).optimeLeader?.value).toBe(wanted);
      }),
    );
  });
});

describe("the text is Patroni's", () => {
  const bare: Status = { optime: 100n, slots: new Map(), retainSlots: ['b'], extras: null };

  test('status, sorted, so that equal content is equal text', () => {
    const ab = new Map([
      ['a', 1n],
      ['b', 2n],
    ]);
    const ba = new Map([...ab].reverse());
    expect(encodeStatus({ ...bare, slots: ab })).toBe('{"optime":100,"slots":{"a":1,"b":2},"retain_slots":["b"]}');
    expect(encodeStatus({ ...bare, slots: ba })).toBe(encodeStatus({ ...bare, slots: ab }));
  });

  test('history: a line is as long as what is known', () => {
    const line = { timeline: 1, lsn: 16n, reason: 'why', timestamp: null, newLeader: null };
    expect(encodeHistory([line])).toBe('[[1,16,"why"]]');
    expect(encodeHistory([{ ...line, timestamp: 'then' }])).toBe('[[1,16,"why","then"]]');
    expect(encodeHistory([{ ...line, timestamp: 'then', newLeader: 'b' }])).toBe('[[1,16,"why","then","b"]]');
  });

  test('a position that a JSON number cannot hold is refused', () => {
    expect(() => lsnToJson(2n ** 53n)).toThrow(/9 PB of WAL/);
    expect(() => encodeStatus({ ...bare, optime: -1n })).toThrow(RangeError);
  });
});

describe('slot_history is bounded', () => {
  const entryOf = (number: number, why: string): SlotHistoryEntry => ({
    timeline: number,
    leader: 'a',
    timestamp: '2024-01-01T00:00:00.000Z',
    slots: [],
    gaps: [{ slot: 's', from: 1n, to: null, why }],
  });

  test('to the newest 100', () => {
    const all = Array.from({ length: 150 }, (_, i) => entryOf(i + 1, 'x'));
    expect(boundSlotHistory(all).map(({ timeline: number }) => number)).toEqual(
      all.slice(50).map((one) => one.timeline),
    );
  });

  test('to 256 KiB of UTF-8', () => {
    const all = Array.from({ length: 20 }, (_, i) => entryOf(i + 1, 'ü'.repeat(10_000)));
    const text = encodeSlotHistory(all);
    expect(new TextEncoder().encode(text).length).toBeLessThanOrEqual(256 * 1024);
    expect(boundSlotHistory(all)).toEqual(all.slice(-boundSlotHistory(all).length));
    expect(boundSlotHistory(all).length).toBe(13);
  });

  test('but the newest always stays', () => {
    const all = [entryOf(1, 'x'), entryOf(2, 'x'.repeat(300_000))];
    expect(boundSlotHistory(all)).toEqual([all[1]]);
  });
});
