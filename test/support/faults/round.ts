import { expect, type TestContext } from 'vitest';
import { longestGapMs } from '../../../src/demo/writer.ts';
import { suffer, type Fault } from './faults.ts';
import type { Phase } from './phases.ts';
import type { Scene } from './scene.ts';
import { type Acceptance, describeRun, watchWrites } from './witness.ts';

/** What a fault came to, for the report of `npm run test:faults`. */
export interface FaultFigures {
  readonly phase: string;
  readonly fault: string;
  /** The longest time without an acknowledged write, from the fault on; null = the clients had not begun. */
  readonly gapMs: number | null;
  /** From the end of the fault until one led all the others, the slot ready on each. */
  readonly wholeMs: number;
  /** How many servers accepted writes, one after the other. */
  readonly writers: number;
}

declare module 'vitest' {
  interface TaskMeta {
    fault?: FaultFigures;
  }
}

export interface Round {
  readonly phase: Phase;
  readonly fault: Fault;
  /** Over the fault's own. */
  readonly lastsMs?: number;
}

/** One fault in one phase, and what has to be so meanwhile and afterwards (`endure`). */
export async function play(scene: Scene, { phase, fault, lastsMs }: Round, task: TestContext['task']): Promise<void> {
  await endure(scene, task, {
    name: { phase: phase.name, fault: fault.name },
    exclusive: fault.exclusive,
    isFirst: phase.isFirst,
    happen: async () => {
      const { victim, restore } = await phase.reach(scene);
      const beganAtMs = performance.now();
      await suffer(fault, scene, victim, lastsMs);
      await restore();
      return beganAtMs;
    },
  });
}

export interface Ordeal {
  readonly name: Pick<FaultFigures, 'phase' | 'fault'>;
  readonly exclusive: Acceptance;
  /** Whether the cluster is made in it, so that there are no clients yet. */
  readonly isFirst: boolean;
  /** Resolves to when it began, once it is over. */
  readonly happen: () => Promise<number>;
}

/**
 * One server at a time accepts writes all the while; afterwards the cluster is whole again by itself, no acknowledged write is
 * lost, and the consumer gets every row.
 */
export async function endure(scene: Scene, task: TestContext['task'], ordeal: Ordeal): Promise<void> {
  const { cluster } = scene;
  const servers = [...cluster.members.values()].map(({ server }) => server);
  const witness = watchWrites(servers, ordeal.exclusive);
  try {
    const beganAtMs = await ordeal.happen();
    const endedAtMs = performance.now();
    if (ordeal.isFirst) await scene.beginTraffic();
    await scene.untilWhole();
    const wholeMs = performance.now() - endedAtMs;
    await scene.untilMoreRows(50);
    await scene.untilNothingIsMissing();
    const gapMs = ordeal.isFirst ? null : longestGapMs(scene.writer.acknowledged, beganAtMs);
    const runs = witness.runs();
    task.meta.fault = { ...ordeal.name, gapMs, wholeMs, writers: runs.length };
    const atOnce = witness.overlaps().map((pair) => pair.map((run) => describeRun(run, beganAtMs)));
    expect(atOnce, 'two servers accepted writes at once').toEqual([]);
    // the witness sees what it is there to see
    expect(runs.length).toBeGreaterThan(0);
  } finally {
    witness.stop();
  }
}
