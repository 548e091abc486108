import { expect, type TestContext } from 'vitest';
import { longestGapMs } from '../../../src/demo/writer.ts';
import { suffer, type Fault } from './faults.ts';
import type { Phase } from './phases.ts';
import type { Scene } from './scene.ts';
import { describeRun, watchWrites } from './witness.ts';

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

/**
 * One fault in one phase: one server at a time accepts writes all the while; afterwards the cluster is whole again by
 * itself, no acknowledged write is lost, and the consumer gets every row.
 */
export async function play(scene: Scene, { phase, fault, lastsMs }: Round, task: TestContext['task']): Promise<void> {
  const { cluster } = scene;
  const servers = [...cluster.members.values()].map(({ server }) => server);
  const witness = watchWrites(servers, fault.exclusive);
  try {
    const { victim, restore } = await phase.reach(scene);
    const beganAtMs = performance.now();
    await suffer(fault, scene, victim, lastsMs);
    await restore();
    const endedAtMs = performance.now();
    if (phase.isFirst) await scene.beginTraffic();
    await scene.untilWhole();
    const wholeMs = performance.now() - endedAtMs;
    await scene.untilMoreRows(50);
    await scene.untilNothingIsMissing();
    const gapMs = phase.isFirst ? null : longestGapMs(scene.writer.acknowledged, beganAtMs);
    const runs = witness.runs();
    task.meta.fault = { phase: phase.name, fault: fault.name, gapMs, wholeMs, writers: runs.length };
    const atOnce = witness.overlaps().map((pair) => pair.map((run) => describeRun(run, beganAtMs)));
    expect(atOnce, 'two servers accepted writes at once').toEqual([]);
    // the witness sees what it is there to see
    expect(runs.length).toBeGreaterThan(0);
  } finally {
    witness.stop();
  }
}
