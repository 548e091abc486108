import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Ledger, LedgerSlot } from '../../../src/domain/local.ts';
import { type DataDirectory, dataDirectory } from '../../../src/postgres/data-directory.ts';
import {
  decodeLedger,
  encodeLedger,
  ledgerFileName,
  readLedgerFile,
  writeLedgerFile,
} from '../../../src/postgres/ledger.ts';
import { createLocalServer } from '../../../src/postgres/local-server.ts';
import { LedgerError } from '../../../src/postgres/port.ts';
import { defaultTimeouts } from '../../../src/postgres/settings.ts';
import { systemClock } from '../../support/system-clock.ts';

const owner = { member: 'one', systemIdentifier: '7312345678901234567' };
const aSlot: LedgerSlot = {
  made: true,
  decodable: false,
  firstRestartLsn: 0x1_0000_0000n,
  incarnation: null,
  identity: '7-1',
};
const ledger: Ledger = {
  ...owner,
  feedbackSet: true,
  settingsSet: ['synchronized_standby_slots'],
  slots: new Map([
    ['s', aSlot],
    ['__proto__', { made: false, decodable: true, firstRestartLsn: null, incarnation: 7n, identity: null }],
  ]),
};

describe('the ledger', () => {
  let folder: string;
  let directory: DataDirectory;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slotkeeper-'));
    directory = dataDirectory(folder);
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('is read as it was written, in a file like the others of the data directory', async () => {
    await writeLedgerFile(directory, { ...ledger, feedbackSet: false, settingsSet: [] });
    await writeLedgerFile(directory, ledger);
    expect(await readLedgerFile(directory, owner)).toEqual(ledger);
    expect((await stat(join(folder, ledgerFileName))).mode & 0o777).toBe(0o600);
    expect(existsSync(join(folder, `${ledgerFileName}.tmp`))).toBe(false);
  });

  test('is whole and the last one when it is written several times at once', async () => {
    const server = createLocalServer({
      member: owner.member,
      address: { host: 'localhost', port: 1, database: 'postgres' },
      credentials: {
        user: 'u',
        password: null,
        passfile: null,
        ssl: { mode: 'disable', rootCert: null, cert: null, key: null },
      },
      replicationCredentials: null,
      dataDir: folder,
      control: null,
      timeouts: defaultTimeouts,
      clock: systemClock,
    });
    const others = Array.from({ length: 20 }, (_, at) => ({ ...ledger, slots: new Map([[`s${at}`, aSlot]]) }));
    await Promise.all([...others, ledger].map((each) => server.writeLedger(each)));
    expect(await readLedgerFile(directory, owner)).toEqual(ledger);
    await server.close();
  });

  test('is empty when there is none, or it is of another cluster', async () => {
    const empty = { ...owner, slots: new Map(), feedbackSet: false, settingsSet: [] };
    expect(await readLedgerFile(directory, owner)).toEqual(empty);
    await writeLedgerFile(directory, ledger);
    const elsewhere = { ...owner, systemIdentifier: '1' };
    expect(await readLedgerFile(directory, elsewhere)).toEqual({ ...empty, ...elsewhere });
  });

  test('of another member came with a copy of its data: what was set there is set here, and no slot of it is', async () => {
    await writeLedgerFile(directory, { ...ledger, settingsSet: ['primary_slot_name', 'synchronized_standby_slots'] });
    const member = 'two';
    expect(await readLedgerFile(directory, { ...owner, member })).toEqual({
      ...owner,
      member,
      slots: new Map(),
      feedbackSet: false,
      settingsSet: ['synchronized_standby_slots'],
    });
  });

  test.each([
    ['', 'nothing in it'],
    ['{"member":"one"', 'cut'],
    ['null', 'null'],
    ['{"member":"one","systemIdentifier":"1","feedbackSet":true,"slots":[{"name":"s"}]}', 'half a slot'],
    [encodeLedger(ledger).replace('1/0', 'x/0'), 'a position that is none'],
  ])('%j is an error that says so and carries an empty one (%s)', async (text) => {
    await writeFile(join(folder, ledgerFileName), text);
    const error: unknown = await readLedgerFile(directory, owner).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(LedgerError);
    expect(error).toMatchObject({ empty: { ...owner, feedbackSet: false, settingsSet: [], slots: new Map() } });
  });

  test('of an earlier version is still good: what was not remembered then is not known', () => {
    const { settingsSet, slots, ...rest } = JSON.parse(encodeLedger(ledger)) as Record<string, unknown>;
    const earlier = (slots as Record<string, unknown>[]).map((slot) => ({ ...slot, identity: undefined }));
    const read = decodeLedger(JSON.stringify({ ...rest, slots: earlier }));
    expect(settingsSet).not.toEqual([]);
    expect(read.settingsSet).toEqual([]);
    expect(read.slots.get('s')).toEqual({ ...ledger.slots.get('s'), identity: null });
  });

  test('survives its text form, whatever is in it', () => {
    const position = fc.option(fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }), { nil: null });
    const slot = fc.record({
      made: fc.boolean(),
      decodable: fc.boolean(),
      firstRestartLsn: position,
      incarnation: position,
      identity: fc.option(fc.string(), { nil: null }),
    });
    const any = fc.record({
      member: fc.string(),
      systemIdentifier: fc.string(),
      feedbackSet: fc.boolean(),
      settingsSet: fc.subarray(['sync_replication_slots', 'primary_slot_name'] as const),
      slots: fc.array(fc.tuple(fc.string(), slot)).map((entries) => new Map(entries)),
    });
    fc.assert(
      fc.property(any, (some) => {
        expect(decodeLedger(encodeLedger(some))).toEqual(some);
      }),
    );
  });
});
