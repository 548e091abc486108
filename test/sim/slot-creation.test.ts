import { expect, test } from 'vitest';
import { flawOf } from './oracle.ts';
import { aPrimary, aStandbyOf, catchUp, makeSlot, orders } from './scene.ts';
import { beginSlot, copySlot, finishSlot } from './slot-creation.ts';

const template = { ...orders, name: 'slotkeeper_template_app', madeBy: 'agent' } as const;

test('a slot waits in its creation for every transaction that runs', () => {
  const server = aPrimary(160_014);
  const running = server.begin(100n);
  const slot = beginSlot(server, orders);
  expect(finishSlot(server, slot)).toBe(false);
  server.end(running, 'commit', 50n);
  expect(finishSlot(server, slot)).toBe(true);
});

test('on a standby it waits for the primary to log what runs, which an idle one does not do by itself', () => {
  const primary = aPrimary(160_014);
  const standby = aStandbyOf(primary);
  const slot = beginSlot(standby, template);
  primary.logRunningIfWritten();
  catchUp(standby);
  expect(finishSlot(standby, slot)).toBe(false);
  primary.logRunning();
  catchUp(standby);
  expect(finishSlot(standby, slot)).toBe(true);
  expect([slot.confirmed, slot.creating, slot.active]).toEqual([standby.replayed, false, false]);
});

test('a copy of a template serves a slot that was made later, whatever runs across it', () => {
  const primary = aPrimary(160_014);
  const standby = aStandbyOf(primary);
  const made = beginSlot(standby, template);
  primary.logRunning();
  catchUp(standby);
  expect(finishSlot(standby, made)).toBe(true);

  const across = primary.begin(100n);
  const source = beginSlot(primary, orders);
  const unread = primary.begin(100n);
  primary.end(across, 'commit', 50n);
  expect(finishSlot(primary, source)).toBe(false);
  primary.end(unread, 'commit', 50n);
  expect(finishSlot(primary, source)).toBe(true);
  primary.end(primary.begin(100n), 'commit', 50n);
  catchUp(standby);
  const copy = copySlot(standby, made, { ...orders, madeBy: 'agent' });
  expect([copy.confirmed, copy.restart, copy.catalogXmin]).toEqual([made.confirmed, made.restart, made.catalogXmin]);
  standby.confirm(copy, source.confirmed);
  expect(flawOf(standby, 'orders', source, source.confirmed)).toBeNull();
});

test('a new slot takes over the oldest catalog_xmin of all, although it needs none of those rows', () => {
  const primary = aPrimary(150_018);
  const standby = primary.slots.size;
  expect(standby).toBe(0);
  primary.addPhysicalSlot('s', 'operator');
  const link = primary.slots.get('s')!;
  link.catalogXmin = 42;
  const slot = makeSlot(primary, orders);
  expect([slot.catalogXmin, slot.needsRowsFrom]).toEqual([42, 100]);
});
