import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../../sim/random.ts';
import { type Fault, faults, suffer } from './faults.ts';
import { operatorActions } from './operator.ts';
import type { Scene } from './scene.ts';
import type { Acceptance } from './witness.ts';

/** Something that happens at a random moment; several of them overlap. */
export interface Trouble {
  readonly fault: Fault;
  readonly victim: string;
  /** From the beginning of the round. */
  readonly atMs: number;
  readonly lastsMs: number;
}

/** All troubles of a round begin within this time. */
const beginWithinMs = 12_000;
/** Long enough to outlive every lease; half of them are much shorter than one. */
const longestMs = 30_000;
const shortestMs = 50;

/** Up to four troubles, no two of which have hold of the same thing: what one puts right is not the other's. */
export function someTroubles(random: Random, names: readonly string[]): readonly Trouble[] {
  const count = random.int(1, 4);
  const troubles: Trouble[] = [];
  while (troubles.length < count) {
    const fault = random.pick([...faults, ...operatorActions]);
    const lastsMs = random.chance(0.5) ? random.int(shortestMs, 4_000) : random.int(4_000, longestMs);
    const trouble = { fault, victim: random.pick(names), atMs: random.int(0, beginWithinMs), lastsMs };
    if (!troubles.some((other) => collide(trouble, other))) troubles.push(trouble);
  }
  return troubles.toSorted((a, b) => a.atMs - b.atMs);
}

/** The weakest of what they leave. */
export function exclusiveIn(troubles: readonly Trouble[]): Acceptance {
  return troubles.some(({ fault }) => fault.exclusive === 'acknowledged') ? 'acknowledged' : 'local';
}

/** Resolves when all of them are over. */
export async function sufferAll(scene: Scene, troubles: readonly Trouble[]): Promise<void> {
  await Promise.all(
    troubles.map(async ({ fault, victim, atMs, lastsMs }) => {
      await delay(atMs);
      await suffer(fault, scene, victim, lastsMs);
    }),
  );
}

/** For messages: who suffered what from when to when, in seconds. */
export function describeTrouble({ fault, victim, atMs, lastsMs }: Trouble): string {
  const seconds = (ms: number): string => (ms / 1_000).toFixed(1);
  return `${fault.name} (${victim}) ${seconds(atMs)} to ${seconds(atMs + lastsMs)}`;
}

/** What a fault has hold of: the member's processes, its way to Consul, Consul itself; operators may ask at any time. */
function holdOf({ fault: { name }, victim }: Trouble): string | null {
  if (operatorActions.some((action) => action.name === name)) return null;
  if (name === 'Consul killed' || name === 'Consul frozen') return 'Consul';
  return name.includes('Consul') ? `network of ${victim}` : `processes of ${victim}`;
}

function collide(one: Trouble, other: Trouble): boolean {
  const hold = holdOf(one);
  return hold !== null && hold === holdOf(other);
}
