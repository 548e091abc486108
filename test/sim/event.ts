import type { Checks } from './checks.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** Something that happens in a history. */
export type Event = (world: World, random: Random, checks: Checks) => void;

/** Undoes an event, or goes on with it, after a while. */
export function later(world: World, delayMs: number, act: () => void): void {
  world.time.in(delayMs, () => {
    act();
    world.disturb();
  });
}
