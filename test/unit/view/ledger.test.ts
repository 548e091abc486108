import { describe, expect, test } from 'vitest';
import type { LedgerSlot } from '../../../src/domain/local.ts';
import type { ServerLook, SettingChange } from '../../../src/domain/server.ts';
import { after, done } from '../../support/situations.ts';
import { ledgerAfterLook } from '../../../src/view/ledger.ts';
import { aLedger, aLogicalReport, aLogicalSlot, aPrimaryLook, aStandbyLook, aView } from '../../support/turns.ts';

describe('the settings that slotkeeper changed here', () => {
  const changed = (settingsSet: readonly ('primary_slot_name' | 'sync_replication_slots')[], change: SettingChange) => {
    const view = aView('beta', { ledger: aLedger('beta', { settingsSet }) });
    return after(view, [done({ kind: 'alter_settings', changes: [change], why: '' }, null)]).ledger?.settingsSet;
  };
  const on = { name: 'sync_replication_slots', value: 'on' } as const;

  test('are remembered once, in an order of their own', () => {
    expect(changed([], on)).toEqual(['sync_replication_slots']);
    expect(changed(['sync_replication_slots'], on)).toEqual(['sync_replication_slots']);
    expect(changed(['sync_replication_slots'], { name: 'primary_slot_name', value: 'beta' })).toEqual([
      'primary_slot_name',
      'sync_replication_slots',
    ]);
  });

  test('are forgotten when they are taken back', () => {
    expect(changed(['primary_slot_name', 'sync_replication_slots'], { ...on, value: null })).toEqual([
      'primary_slot_name',
    ]);
    expect(changed([], { ...on, value: null })).toEqual([]);
  });
});

describe('decoding on a standby', () => {
  test.each([
    ['the snapshot is there', { snapshotOnDisk: true }, true],
    ['no transaction ran where it starts', { snapshotOnDisk: false, startsWithoutSnapshot: true }, true],
    ['one ran, and the snapshot is not there', { snapshotOnDisk: false, startsWithoutSnapshot: false }, false],
    ['neither could be looked at', { snapshotOnDisk: null, startsWithoutSnapshot: null }, false],
  ])('is proved to start right or not when %s', (_, files, decodable) => {
    const nobody = (): boolean => false;
    const look = aStandbyLook({ slots: [aLogicalSlot(files)] });
    const ledger = ledgerAfterLook(aLedger('beta', { slots: new Map() }), look, nobody, null, nobody);
    expect(ledger?.slots.get('orders')?.decodable).toBe(decodable);
  });
});

test('a template slot is slotkeeper’s own, also on a primary and when nothing was heard of its making (S4)', () => {
  const template = aLogicalSlot({ name: 'slotkeeper_template_app' });
  for (const look of [aPrimaryLook({ slots: [template] }), aStandbyLook({ slots: [template] })]) {
    const ledger = ledgerAfterLook(
      aLedger('alpha'),
      look,
      () => false,
      null,
      () => false,
    );
    expect(ledger?.slots.get(template.name)?.made).toBe(true);
  }
});

describe('what was known of a slot', () => {
  const known = aLedger('beta', { slots: new Map([['orders', proven('orders#1')]]) });
  const seen = (identity: string | null): LedgerSlot | undefined =>
    ledgerAfterLook(
      known,
      aStandbyLook({ slots: [aLogicalSlot({ identity, snapshotOnDisk: false })] }),
      () => false,
      null,
      () => false,
    )?.slots.get('orders');

  function proven(identity: string): LedgerSlot {
    return { made: true, decodable: true, firstRestartLsn: 0x1000n, incarnation: null, identity };
  }

  test('stays known of it, also where it cannot be looked at', () => {
    expect(seen('orders#1')).toEqual(proven('orders#1'));
    expect(seen(null)).toEqual(proven('orders#1'));
  });

  test('says nothing of another one that was made under its name', () => {
    expect(seen('orders#2')).toMatchObject({ made: false, decodable: false, identity: 'orders#2' });
  });

  test('has on a primary the incarnation that is published: it comes back as that slot’s source, not as an older one', () => {
    const reports = new Map([['orders', aLogicalReport({ incarnation: 0x2800n })]]);
    const slots = [aLogicalSlot({ identity: 'orders#1' })];
    const incarnationOn = (look: ServerLook): unknown =>
      ledgerAfterLook(
        known,
        look,
        () => false,
        reports,
        () => false,
      )?.slots.get('orders')?.incarnation;
    expect(incarnationOn(aPrimaryLook({ slots }))).toBe(0x2800n);
    expect(incarnationOn(aStandbyLook({ slots }))).toBeNull();
  });

  test('is kept on a primary until the cluster has been told of the other one, which is not ours to drop (S3, S4)', () => {
    const look = aPrimaryLook({ slots: [aLogicalSlot({ identity: 'orders#2' })] });
    const untold = (name: string): boolean => name === 'orders';
    const kept = ledgerAfterLook(known, look, () => false, null, untold);
    expect(kept?.slots.get('orders')).toEqual({ ...proven('orders#1'), made: false });
    const gone = ledgerAfterLook(known, aPrimaryLook({ slots: [] }), () => false, null, untold);
    expect(gone?.slots.get('orders')).toEqual(proven('orders#1'));
  });
});
