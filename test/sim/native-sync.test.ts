import { expect, test } from 'vitest';
import { syncObstacle, syncOnce } from './native-sync.ts';
import { flawOf } from './oracle.ts';
import type { PgServer } from './pg-server.ts';
import { aPrimary, aStandbyOf, catchUp, makeSlot, orders } from './scene.ts';
import { beginSlot, finishSlot } from './slot-creation.ts';
import { deliverable } from './standby-gate.ts';

// PostgreSQL's own synchronisation and the gate behave as FACTS section 3 says.

const failoverSlot = { ...orders, failover: true };

/** The consumer gets and confirms everything, twice with a record of the running transactions before it. */
function consume(primary: PgServer): void {
  const slot = primary.logical('orders')!;
  for (let round = 0; round < 2; round += 1) {
    primary.logRunning();
    primary.confirm(slot, primary.branch.end);
  }
}

test('a slot is temporary until the primary’s has passed what the standby holds, and goes with a promotion until then', () => {
  const primary = aPrimary(170_010);
  makeSlot(primary, failoverSlot);
  primary.end(primary.begin(100n), 'commit', 50n);
  const standby = aStandbyOf(primary);
  expect(syncOnce(standby, primary)).toBe(true);
  expect(standby.logical('orders')).toMatchObject({ temporary: true, synced: true, active: true, failover: true });

  const early = aStandbyOf(primary);
  syncOnce(early, primary);
  early.promote(2);
  expect(early.logical('orders')).toBeUndefined();

  consume(primary);
  catchUp(standby);
  syncOnce(standby, primary);
  expect(standby.logical('orders')).toMatchObject({ temporary: false, synced: true, active: false });
  const source = primary.logical('orders')!;
  expect(flawOf(standby, 'orders', source, source.confirmed)).toBeNull();
  standby.promote(2);
  expect(standby.logical('orders')?.synced).toBe(true);
});

test('an idle slot never becomes persistent: it has to be moved', () => {
  const primary = aPrimary(170_010);
  makeSlot(primary, failoverSlot);
  primary.end(primary.begin(100n), 'foreign', 50n);
  const standby = aStandbyOf(primary);
  for (let pass = 0; pass < 3; pass += 1) {
    primary.logRunning();
    catchUp(standby);
    syncOnce(standby, primary);
  }
  expect(standby.logical('orders')?.temporary).toBe(true);
});

test('it stops for all slots at one that has the name and was not made by it', () => {
  const primary = aPrimary(170_010);
  makeSlot(primary, failoverSlot);
  const standby = aStandbyOf(primary);
  standby.slots.set('orders', { ...primary.logical('orders')! });
  expect(() => syncOnce(standby, primary)).toThrow('same name slot "orders" already exists');
});

test('it drops what the primary does not have any more, or not with the mark', () => {
  const primary = aPrimary(170_010);
  const source = makeSlot(primary, failoverSlot);
  const standby = aStandbyOf(primary);
  syncOnce(standby, primary);
  source.failover = false;
  expect(syncOnce(standby, primary)).toBe(true);
  expect(standby.slots.size).toBe(0);
});

test('it needs each of its settings, and a primary above', () => {
  const standby = aStandbyOf(aPrimary(170_010));
  expect(syncObstacle(standby)).toBe('sync_replication_slots is off');
  standby.settings.altered.set('sync_replication_slots', 'on');
  expect(syncObstacle(standby)).toBeNull();
  standby.upstreamDatabase = null;
  expect(syncObstacle(standby)).toBe('dbname must be specified in primary_conninfo');
  standby.upstreamDatabase = 'postgres';
  standby.upstream!.role = 'standby';
  expect(syncObstacle(standby)).toBe('cannot synchronize replication slots from a standby server');
});

/** Seen on 17.10 and 18.4; `test/integration/postgres/native-overlapping.test.ts` does the same to real servers. */
test('a snapshot of another slot can make a slot persistent too early: what began before it is lost', () => {
  const primary = aPrimary(170_010);
  const source = makeSlot(primary, failoverSlot);
  const standby = aStandbyOf(primary);
  const log = (): void => {
    primary.logRunning();
    catchUp(standby);
  };
  const other = beginSlot(standby, { ...orders, name: 'other' });
  const first = primary.begin(100n);
  log();
  const second = primary.begin(100n);
  primary.end(first, 'commit', 50n);
  log();
  const third = primary.begin(100n);
  primary.end(second, 'commit', 50n);
  const restart = primary.branch.end;
  log();
  expect(finishSlot(standby, other)).toBe(true);
  const victim = primary.begin(100n);
  log();
  standby.confirm(other, standby.replayed);
  primary.end(third, 'commit', 50n);
  for (let round = 0; round < 4; round += 1) {
    log();
    primary.confirm(source, primary.branch.end);
  }
  expect(source.restart).toBe(restart);
  expect(standby.snapshots.has(restart)).toBe(false);
  syncOnce(standby, primary);
  expect(standby.logical('orders')).toMatchObject({ temporary: false, restart });
  primary.end(victim, 'commit', 50n);
  catchUp(standby);
  expect(flawOf(standby, 'orders', source, source.confirmed)?.kind).toBe('decoding');
});

test('the gate gives consumers of failover slots only what every listed physical slot has', () => {
  const primary = aPrimary(170_010);
  const slot = makeSlot(primary, failoverSlot);
  const standby = aStandbyOf(primary);
  catchUp(standby);
  const has = standby.received;
  primary.end(primary.begin(100n), 'commit', 50n);
  expect(deliverable(primary, slot)).toBe(primary.branch.end);
  primary.settings.altered.set('synchronized_standby_slots', 's');
  expect(deliverable(primary, slot)).toBe(has);
  slot.failover = false;
  expect(deliverable(primary, slot)).toBe(primary.branch.end);
  slot.failover = true;
  primary.settings.altered.set('synchronized_standby_slots', 's, nobody');
  expect(deliverable(primary, slot)).toBe(0n);
});
