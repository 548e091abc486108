import { describe, expect, test } from 'vitest';
import { serverLook } from '../../../src/postgres/look.ts';
import { unseenFiles } from '../../../src/postgres/slot-files-on-disk.ts';
import type { LookRow } from '../../../src/postgres/sql/look.ts';

const settings: LookRow['settings'] = {
  walLevel: 'logical',
  maxReplicationSlots: 10,
  maxWalSenders: 10,
  hotStandbyFeedback: false,
  primarySlotName: null,
  restoreCommand: false,
  primaryConninfo: null,
  syncReplicationSlots: null,
  synchronizedStandbySlots: null,
  failoverSlotsExtension: null,
  maxSlotWalKeepBytes: null,
};

const row: LookRow = {
  systemIdentifier: '7',
  versionNum: 170_010,
  inRecovery: true,
  startedAtMs: 0,
  walFile: null,
  currentLsn: null,
  receivedLsn: '0/1',
  replayedLsn: '0/1',
  replayPaused: false,
  replayedAtMs: null,
  walSegmentBytes: 16 * 1024 * 1024,
  receiver: null,
  settings,
  privileges: { superuser: true, replication: true, readBinaryFile: true, monitor: true, logStandbySnapshot: true },
  slots: [],
  replication: [],
  databases: [],
};

function settingsOf(over: Partial<LookRow['settings']>) {
  const seen = { filesAt: () => unseenFiles, identities: new Map<string, string>() };
  return serverLook({ ...row, settings: { ...settings, ...over } }, 1, seen).settings;
}

describe('the settings in a look', () => {
  test('of the extension pg_failover_slots', () => {
    const extension = { standbySlotNames: 'one, "two"', standbySlotsMinConfirmed: 1 };
    expect(settingsOf({ failoverSlotsExtension: extension }).failoverSlotsExtension).toEqual({
      standbySlotNames: ['one', 'two'],
      standbySlotsMinConfirmed: 1,
    });
    expect(settingsOf({}).failoverSlotsExtension).toBeNull();
  });

  test.each([
    ['', []],
    ['one', ['one']],
    ['one,two', ['one', 'two']],
    [' one , "two" ,', ['one', 'two']],
  ])('of a list: %j', (list, names) => {
    expect(settingsOf({ synchronizedStandbySlots: list }).synchronizedStandbySlots).toEqual(names);
  });

  test.each([
    [null, null],
    ['-1', null],
    ['0', 0n],
    ['9223372036854775807', 9_223_372_036_854_775_807n],
  ])('of the WAL that slots may keep: %j', (bytes, wanted) => {
    expect(settingsOf({ maxSlotWalKeepBytes: bytes }).maxSlotWalKeepBytes).toBe(wanted);
  });

  test('of the upstream: nothing of it but host, port, database, and whether it holds a password', () => {
    const looked = settingsOf({ primaryConninfo: 'host=db1 port=5433 user=rep password=hunter2 dbname=app' });
    expect(looked).toMatchObject({ upstreamHost: 'db1', upstreamPort: 5433, upstreamDatabase: 'app' });
    expect(JSON.stringify(looked)).not.toContain('hunter2');
    expect(looked.conninfoHasPassword).toBe(true);
    expect(settingsOf({})).toMatchObject({ upstreamDatabase: null, conninfoHasPassword: false });
  });
});
