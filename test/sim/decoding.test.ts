import { expect, test } from 'vitest';
import { flawOf } from './oracle.ts';
import { PgServer } from './pg-server.ts';
import { beginSlot, finishSlot } from './slot-creation.ts';
import { Branch } from './wal.ts';

const orders = { name: 'orders', database: 'app', plugin: 'pgoutput', madeBy: 'operator' } as const;

/** The simulated servers behave as FACTS section 2 says that real ones do. */

function primary(): PgServer {
  const setup = {
    name: 'p',
    versionNum: 150_018,
    maxSlots: 10,
    walLevel: 'logical',
    keepBytes: 1_000_000n,
    slotKeepBytes: null,
  } as const;
  const server = new PgServer(setup, new Branch(1, null, 0x3000000n), 100);
  server.role = 'primary';
  server.start(0);
  return server;
}

/** A standby that has everything the primary has, with a copy of its slot. */
function standbyOf(source: PgServer, copies: 'state file' | 'state file and snapshot'): PgServer {
  const standby = new PgServer({ ...source.setup, name: 's' }, source.branch, source.nextXid);
  standby.oldestWal = 0x3000000n;
  const slot = source.logical('orders')!;
  standby.slots.set('orders', { ...slot, ...slot.saved });
  if (copies === 'state file and snapshot') standby.snapshots.add(slot.restart);
  standby.start(0);
  return standby;
}

/** A slot whose restart position has a transaction running across it, with an unread change after it. */
function busyPrimary(): PgServer {
  const server = primary();
  const slot = beginSlot(server, orders);
  expect(finishSlot(server, slot)).toBe(true);
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

test('a slot waits in its creation for every transaction that runs', () => {
  const server = primary();
  const running = server.begin(100n);
  const slot = beginSlot(server, orders);
  expect(finishSlot(server, slot)).toBe(false);
  server.end(running, 'commit', 50n);
  expect(finishSlot(server, slot)).toBe(true);
});

test('the state file alone loses a transaction that ran at the restart position', () => {
  const source = busyPrimary();
  const slot = source.logical('orders')!;
  const without = standbyOf(source, 'state file');
  const flaw = flawOf(without, 'orders', slot, slot.confirmed);
  expect(flaw?.kind).toBe('decoding');
  expect(flawOf(standbyOf(source, 'state file and snapshot'), 'orders', slot, slot.confirmed)).toBeNull();
});

test('vacuum removes catalog rows that no slot and no feedback protects', () => {
  const source = busyPrimary();
  const slot = source.logical('orders')!;
  const standby = standbyOf(source, 'state file and snapshot');
  const needed = slot.catalogXmin;
  source.logRunning();
  source.confirm(slot, source.branch.end);
  expect(slot.catalogXmin).toBeGreaterThan(needed);
  source.vacuum();
  standby.received = source.branch.end;
  expect(flawOf(standby, 'orders', slot, slot.confirmed)?.kind).toBe('rows');
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
