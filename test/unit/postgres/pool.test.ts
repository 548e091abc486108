import { VirtualTimeScheduler } from 'rxjs';
import { describe, expect, test } from 'vitest';
import type { Connection } from '../../../src/postgres/client.ts';
import { createPool } from '../../../src/postgres/pool.ts';
import type { Statement } from '../../../src/postgres/statement.ts';

const never = new AbortController().signal;
const statement: Statement<string> = { verb: 'do it', text: '', values: [], read: () => '' };

interface Opened {
  readonly database: string;
  open: boolean;
  /** Ends the statement that runs on it. */
  readonly finish: (() => void)[];
}

/** A pool whose statements run until the test ends them. */
function poolOf(limits: { maxRunning: number; maxIdle: number; idleMs: number }) {
  const scheduler = new VirtualTimeScheduler();
  const opened: Opened[] = [];
  const pool = createPool({
    ...limits,
    clock: { monotonicMs: () => scheduler.now(), wallMs: () => scheduler.now(), scheduler },
    connect: (database): Promise<Connection> => {
      const mine: Opened = { database, open: true, finish: [] };
      opened.push(mine);
      return Promise.resolve({
        run: (asked) => new Promise<void>((resolve) => mine.finish.push(resolve)).then(() => asked.read([])),
        isOpen: () => mine.open,
        close: () => {
          mine.open = false;
          return Promise.resolve();
        },
      });
    },
  });
  return { pool, opened, scheduler };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('connections for what may hang', () => {
  test('one that hangs delays no other', async () => {
    const { pool, opened } = poolOf({ maxRunning: 4, maxIdle: 4, idleMs: 1_000 });
    void pool.run('a', statement, never);
    const second = pool.run('a', statement, never);
    await settled();
    expect(opened).toHaveLength(2);
    opened[1]!.finish[0]!();
    expect(await second).toBe('');
  });

  test('are used again, per database, and closed when idle for long', async () => {
    const { pool, opened, scheduler } = poolOf({ maxRunning: 4, maxIdle: 1, idleMs: 1_000 });
    const run = async (database: string): Promise<void> => {
      const running = pool.run(database, statement, never);
      await settled();
      opened.find((each) => each.database === database && each.open && each.finish.length > 0)!.finish.pop()!();
      await running;
    };
    await run('a');
    await run('a');
    await run('b');
    expect(opened.map(({ database }) => database)).toEqual(['a', 'b']);
    scheduler.flush();
    expect(opened.map(({ open }) => open)).toEqual([false, false]);
    await run('a');
    expect(opened).toHaveLength(3);
  });

  test('beyond the limit a statement waits for its turn, and can be given up', async () => {
    const { pool, opened } = poolOf({ maxRunning: 1, maxIdle: 1, idleMs: 1_000 });
    const first = pool.run('a', statement, never);
    const stop = new AbortController();
    const second = pool.run('a', statement, stop.signal);
    const third = pool.run('b', statement, never);
    await settled();
    expect(opened).toHaveLength(1);
    stop.abort();
    await expect(second).rejects.toMatchObject({ trouble: 'timeout' });
    opened[0]!.finish[0]!();
    await first;
    await settled();
    expect(opened.map(({ database }) => database)).toEqual(['a', 'b']);
    opened[1]!.finish[0]!();
    await third;
  });

  test('a broken one is not used again', async () => {
    const { pool, opened } = poolOf({ maxRunning: 4, maxIdle: 4, idleMs: 1_000 });
    const first = pool.run('a', statement, never);
    await settled();
    opened[0]!.finish[0]!();
    await first;
    opened[0]!.open = false;
    void pool.run('a', statement, never);
    await settled();
    expect(opened).toHaveLength(2);
  });

  test('closing closes those that are idle, and afterwards nothing runs', async () => {
    const { pool, opened } = poolOf({ maxRunning: 4, maxIdle: 4, idleMs: 1_000 });
    const first = pool.run('a', statement, never);
    await settled();
    opened[0]!.finish[0]!();
    await first;
    await pool.close();
    expect(opened[0]!.open).toBe(false);
    await expect(pool.run('a', statement, never)).rejects.toMatchObject({ name: 'ServerError' });
  });
});
