import { describe, expect, test } from 'vitest';
import { type CopyTarget, checkSlots } from '../../../src/postgres/copy-check.ts';
import type { FetchedSlot } from '../../../src/postgres/copy-source.ts';
import { walFileSuffix } from '../../../src/postgres/data-directory.ts';
import { parseSlotFile } from '../../../src/postgres/slot-file.ts';
import { realSlotFiles } from './real-files.ts';

const segmentBytes = 16 << 20;
const stateFile = realSlotFiles[15];
const state = parseSlotFile(stateFile, 15);

function fetched(name: string, changed: Partial<FetchedSlot['state']> = {}): FetchedSlot {
  return { name, stateFile, snapshotFile: null, state: { ...state, name, ...changed } };
}

function targetWith(changed: Partial<CopyTarget> = {}): CopyTarget {
  return {
    walLevel: 'logical',
    hotStandby: true,
    maxReplicationSlots: 10,
    replayedLsn: state.confirmedFlushLsn,
    walSegmentBytes: segmentBytes,
    walFiles: new Set([walFileSuffix(state.restartLsn, segmentBytes)]),
    walTrouble: null,
    databaseOids: new Map([['postgres', 5]]),
    slots: new Map(),
    ...changed,
  };
}

const wanted = (name: string) => ({ name, database: 'postgres', plugin: 'test_decoding' });
const whyNot = (slot: FetchedSlot, target: CopyTarget, replace: readonly string[] = []): string | undefined =>
  checkSlots([slot], [wanted(slot.name)], replace, target).skipped[0]?.why;
const present = (type: 'logical' | 'physical', active: boolean) => new Map([['s', { type, active }]]);

describe('whether a standby can take a slot', () => {
  test('it can', () => {
    const slot = fetched('s');
    expect(checkSlots([slot], [wanted('s')], [], targetWith())).toEqual({ accepted: [slot], skipped: [] });
  });

  test.each([
    ['an ephemeral slot', fetched('s', { persistency: 'ephemeral' }), targetWith(), /ephemeral/],
    ['a temporary slot', fetched('s', { persistency: 'temporary' }), targetWith(), /temporary/],
    ['an invalidated slot', fetched('s', { invalidated: true }), targetWith(), /invalidated/],
    ['a slot without WAL', fetched('s', { restartLsn: 0n }), targetWith(), /invalidated/],
    ['a physical slot', fetched('s', { databaseOid: 0 }), targetWith(), /physical/],
    ['a slot under another name', fetched('s', { name: 'x' }), targetWith(), /of slot x/],
    ['another plugin', fetched('s', { plugin: 'pgoutput' }), targetWith(), /plugin is pgoutput, not test_decoding/],
    ['another database', fetched('s', { databaseOid: 6 }), targetWith(), /another database/],
    ['a database that is not here', fetched('s'), targetWith({ databaseOids: new Map() }), /no database postgres/],
    ['wal_level', fetched('s'), targetWith({ walLevel: 'replica' }), /wal_level is replica/],
    ['hot_standby', fetched('s'), targetWith({ hotStandby: false }), /hot_standby is off/],
    ['no room', fetched('s'), targetWith({ maxReplicationSlots: 0 }), /max_replication_slots is 0/],
    [
      'a standby that is behind',
      fetched('s'),
      targetWith({ replayedLsn: state.confirmedFlushLsn - 1n }),
      /has replayed up to/,
    ],
    ['a standby that has replayed nothing', fetched('s'), targetWith({ replayedLsn: null }), /has replayed nothing/],
    ['WAL that is gone', fetched('s'), targetWith({ walFiles: new Set() }), /WAL .* is not on this server/],
    [
      'WAL that could not be fetched',
      fetched('s'),
      targetWith({ walFiles: new Set(), walTrouble: 'the disk is full' }),
      /not on this server, and could not be fetched: the disk is full/,
    ],
    ['a slot of the name', fetched('s'), targetWith({ slots: present('logical', false) }), /already/],
  ])('not: %s', (_what, slot, target, why) => {
    expect(whyNot(slot, target)).toMatch(why);
  });

  test('it may replace what it is told to, unless that is physical or in use', () => {
    expect(whyNot(fetched('s'), targetWith({ slots: present('logical', false) }), ['s'])).toBeUndefined();
    expect(whyNot(fetched('s'), targetWith({ slots: present('logical', true) }), ['s'])).toMatch(/in use/);
    expect(whyNot(fetched('s'), targetWith({ slots: present('physical', false) }), ['s'])).toMatch(/physical/);
  });

  test('room is counted with those that are accepted before it, replaced, and removed', () => {
    const slots = new Map([
      ['old', { type: 'logical', active: false }],
      ['leaving', { type: 'logical', active: false }],
    ] as const);
    const all = ['old', 'one', 'two', 'three'];
    const checked = checkSlots(
      all.map((name) => fetched(name)),
      all.map(wanted),
      ['old', 'leaving'],
      targetWith({ maxReplicationSlots: 3, slots }),
    );
    expect(checked.accepted.map(({ name }) => name)).toEqual(['old', 'one', 'two']);
    expect(checked.skipped.map(({ name }) => name)).toEqual(['three']);
  });
});

test.each([
  [0x0100_0000n, 16 << 20, '0000000000000001'],
  [0x1_0000_0000n, 16 << 20, '0000000100000000'],
  [0xb3_74d8_48abn, 16 << 20, '000000B300000074'],
  [0xb3_74d8_48abn, 1 << 30, '000000B300000001'],
  [0xb3_74d8_48abn, 1 << 20, '000000B30000074D'],
])('the WAL file of %s with segments of %i bytes ends in %s', (lsn, bytes, suffix) => {
  expect(walFileSuffix(lsn, bytes)).toBe(suffix);
});
