import { PgServer } from './pg-server.ts';
import { savedOf } from './pg-slot.ts';
import { beginSlot, finishSlot, type WantedSlot } from './slot-creation.ts';
import { Branch } from './wal.ts';

// A few servers without agents, for the tests of the models.

export const orders: WantedSlot = { name: 'orders', database: 'app', plugin: 'pgoutput', madeBy: 'operator' };

export function aPrimary(versionNum: number): PgServer {
  const setup = { name: 'p', versionNum, maxSlots: 10, walLevel: 'logical', keepBytes: 1_000_000n } as const;
  const server = new PgServer(setup, new Branch(1, null, 0x3000000n), 100);
  server.role = 'primary';
  server.start(0);
  return server;
}

/** A standby that has everything the primary has, but for its slots, and streams from it. */
export function aStandbyOf(source: PgServer): PgServer {
  const standby = new PgServer({ ...source.setup, name: 's' }, source.branch, source.nextXid);
  standby.oldestWal = source.oldestWal;
  standby.upstream = source;
  standby.primarySlotName = 's';
  standby.upstreamDatabase = 'postgres';
  standby.feedback.configured = true;
  for (const [xid, began] of source.running) standby.running.set(xid, began);
  source.addPhysicalSlot('s', 'operator');
  standby.start(0);
  return standby;
}

/** The standby receives and replays all that the primary has written. */
export function catchUp(standby: PgServer): void {
  const { upstream } = standby;
  if (upstream === null) return;
  standby.received = upstream.branch.end;
  standby.replayTo(standby.received);
  const slot = upstream.slots.get(standby.primarySlotName);
  if (slot?.type === 'physical') slot.restart = standby.received;
}

/** Makes a slot at once: nothing may be running that it would have to wait for. */
export function makeSlot(server: PgServer, wanted: WantedSlot): ReturnType<typeof beginSlot> {
  const slot = beginSlot(server, wanted);
  if (!finishSlot(server, slot)) throw new Error(`slot ${wanted.name} has to wait`);
  return slot;
}

/** What a file copy of the slot puts on the standby. */
export function copyFile(standby: PgServer, source: PgServer, copies: 'state file' | 'state file and snapshot'): void {
  const slot = source.logical(orders.name)!;
  standby.slots.set(slot.name, { ...slot, ...slot.saved, saved: savedOf(slot) });
  if (copies === 'state file and snapshot') standby.snapshots.add(slot.restart);
}
