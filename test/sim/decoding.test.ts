import { expect, test } from 'vitest';
import { flawOf } from './oracle.ts';
import type { PgServer } from './pg-server.ts';
import { aPrimary, aStandbyOf, catchUp, copyFile, makeSlot, orders } from './scene.ts';

// The simulated servers behave as FACTS section 2 says that real ones do.

/** A slot whose restart position has a transaction running across it, with an unread change after it. */
function busyPrimary(): PgServer {
  const server = aPrimary(150_018);
  const slot = makeSlot(server, orders);
  const across = server.begin(100n);
  server.logRunning();
  const restart = server.branch.end - 64n;
  const unread = server.begin(100n);
  server.end(across, 'commit', 50n);
  server.logRunning();
  server.confirm(slot, server.branch.end);
  expect(slot.restart).toBe(restart);
  server.end(unread, 'commit', 50n);
  return server;
}

function copyOf(source: PgServer, copies: 'state file' | 'state file and snapshot'): PgServer {
  const standby = aStandbyOf(source);
  copyFile(standby, source, copies);
  return standby;
}

test('the state file alone loses a transaction that ran at the restart position', () => {
  const source = busyPrimary();
  const slot = source.logical('orders')!;
  const flaw = flawOf(copyOf(source, 'state file'), 'orders', slot, slot.confirmed);
  expect(flaw?.kind).toBe('decoding');
  expect(flawOf(copyOf(source, 'state file and snapshot'), 'orders', slot, slot.confirmed)).toBeNull();
});

test('vacuum removes catalog rows that no slot and no feedback protects', () => {
  const source = busyPrimary();
  const slot = source.logical('orders')!;
  const standby = copyOf(source, 'state file and snapshot');
  const needed = slot.catalogXmin;
  source.logRunning();
  source.confirm(slot, source.branch.end);
  expect(slot.catalogXmin).toBeGreaterThan(needed);
  source.vacuum();
  standby.received = source.branch.end;
  expect(flawOf(standby, 'orders', slot, slot.confirmed)?.kind).toBe('rows');
});

test('from 16 on a standby invalidates a slot when it replays that its rows are removed', () => {
  for (const [versionNum, invalidation] of [
    [150_018, null],
    [160_014, 'rows_removed'],
  ] as const) {
    const source = aPrimary(versionNum);
    makeSlot(source, orders);
    const standby = copyOf(source, 'state file');
    const slot = source.logical('orders')!;
    source.end(source.begin(100n), 'commit', 50n);
    source.logRunning();
    source.confirm(slot, source.branch.end);
    source.logRunning();
    source.confirm(slot, source.branch.end);
    source.vacuum();
    catchUp(standby);
    expect(standby.logical('orders')?.invalidation).toBe(invalidation);
  }
});

test('a slot that holds more WAL than max_slot_wal_keep_size is invalidated at a checkpoint', () => {
  const source = busyPrimary();
  const slot = source.logical('orders')!;
  source.end(source.begin(3_000_000n), 'commit', 50n);
  source.checkpoint();
  expect([slot.invalidation, source.oldestWal <= slot.restart]).toEqual([null, true]);
  source.slotKeepBytes = 2_000_000n;
  source.checkpoint();
  expect([slot.invalidation, source.oldestWal > slot.restart]).toEqual(['wal_removed', true]);
});

test('a crash takes a slot back to what was saved, a stop does not', () => {
  const source = busyPrimary();
  const slot = source.logical('orders')!;
  const { saved } = slot;
  source.confirm(slot, source.branch.end);
  expect(slot.confirmed).toBeGreaterThan(saved.confirmed);
  source.crash();
  expect(slot.confirmed).toBe(saved.confirmed);
});
