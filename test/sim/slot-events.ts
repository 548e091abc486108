import { isTemplateName } from '../../src/domain/template.ts';
import { later } from './event.ts';
import type { PgServer } from './pg-server.ts';
import type { LogicalPgSlot } from './pg-slot.ts';
import type { Random } from './random.ts';
import { databaseOf } from './scope-config.ts';
import { beginSlot, finishSlot } from './slot-creation.ts';
import type { World } from './world.ts';

// What people and faults do to slots, past all agents.

export function foundSlotChanges(world: World, random: Random): void {
  const primary = runningPrimary(world);
  const name = random.pick(['found_a', 'found_b', 'other']);
  if (primary === null) return;
  const slot = primary.logical(name);
  if (slot === undefined) makeSlot(world, random, name);
  else if (random.chance(0.4)) {
    world.trace.add('operator', `drops slot ${name} on ${primary.name}`);
    primary.slots.delete(name);
  }
}

/** Dropped and made again under the same name, between two looks. */
export function slotMadeAnew(world: World, random: Random): void {
  const usable = usableSlots(runningPrimary(world));
  if (usable.length > 0) remake(world, random, random.pick(usable).name);
}

/** The same while the primary's agent does not run. */
export function slotMadeAnewUnseen(world: World, random: Random): void {
  const primary = runningPrimary(world);
  const usable = usableSlots(primary);
  if (primary === null || usable.length === 0) return;
  const member = world.member(primary.name);
  const { name } = random.pick(usable);
  world.killAgent(member);
  later(world, random.int(10, 2_000), () => {
    const isThere = world.ha.primary === primary && primary.state === 'up' && primary.slots.has(name);
    if (isThere && !world.isHealed) remake(world, random, name);
  });
  later(world, random.int(2_000, 15_000), () => {
    world.startAgent(member);
  });
}

/** Slots that belong to a consumer and have been made. */
function usableSlots(server: PgServer | null): readonly LogicalPgSlot[] {
  return server?.logicalSlots().filter((slot) => !slot.creating && !isTemplateName(slot.name)) ?? [];
}

function remake(world: World, random: Random, name: string): void {
  const { primary } = world.ha;
  world.trace.add('operator', `makes slot ${name} anew on ${primary.name}`);
  primary.slots.delete(name);
  makeSlot(world, random, name, random.chance(0.2) ? 'test_decoding' : 'pgoutput');
}

function makeSlot(world: World, random: Random, name: string, plugin = 'pgoutput'): void {
  const { primary } = world.ha;
  if (primary.slots.size >= primary.setup.maxSlots) return;
  const failover = world.major >= 17 && random.chance(0.5);
  const slot = beginSlot(primary, { name, database: databaseOf(name), plugin, failover, madeBy: 'operator' });
  world.trace.add('operator', `makes slot ${name} on ${primary.name}${failover ? ' with failover' : ''}`);
  const finish = (): void => {
    if (primary.slots.get(name) !== slot || primary.state !== 'up') return;
    if (!finishSlot(primary, slot)) {
      world.time.in(100, finish, false);
      return;
    }
    // On a server that was deposed meanwhile nobody begins to read.
    if (primary === world.ha.primary) world.workload.follow(slot);
  };
  world.time.in(100, finish, false);
}

/** A new slot on a cluster in which nobody writes or reads any more. */
export function slotMadeLate(world: World, random: Random): void {
  const { primary } = world.ha;
  if (!primary.slots.has('found_late')) makeSlot(world, random, 'found_late');
}

/** `ALTER SUBSCRIPTION … SET (failover = …)`, or the like. */
export function failoverMarkChanges(world: World, random: Random): void {
  const idle = usableSlots(runningPrimary(world)).filter((slot) => !slot.active);
  if (world.major < 17 || idle.length === 0) return;
  const slot = random.pick(idle);
  slot.failover = random.chance(0.7);
  world.trace.add('operator', `sets failover = ${String(slot.failover)} on slot ${slot.name}`);
}

export function slotDroppedOnStandby(world: World, random: Random): void {
  const { server } = random.pick(world.members);
  const slots = server.role === 'standby' ? server.logicalSlots().filter((slot) => !slot.synced) : [];
  if (slots.length === 0) return;
  const { name } = random.pick(slots);
  world.trace.add('operator', `drops slot ${name} on the standby ${server.name}`);
  server.slots.delete(name);
}

export function slotInvalidated(world: World, random: Random): void {
  const server = random.pick(world.members).server;
  const slots = server.logicalSlots();
  if (slots.length === 0) return;
  const slot = random.pick(slots);
  world.trace.add(server.name, `slot ${slot.name} is invalidated`);
  slot.invalidation = 'wal_removed';
}

function runningPrimary(world: World): PgServer | null {
  const { primary } = world.ha;
  return primary.state === 'up' && primary.role === 'primary' ? primary : null;
}
