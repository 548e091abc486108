import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, of, Subject, toArray } from 'rxjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type Callback,
  type CallbackCommands,
  type CallbackEnd,
  callbacksBetween,
  runCallbacks,
} from '../../../src/act/callbacks.ts';
import { defaultConfig } from '../../../src/domain/default-config.ts';
import type { Observation } from '../../../src/view/observation.ts';
import type { View } from '../../../src/view/view.ts';
import { eventually } from '../../support/eventually.ts';
import { inTrouble, withLook } from '../../support/situations.ts';
import { aView, nowMs } from '../../support/turns.ts';

const tick: Observation = { kind: 'tick', atMs: nowMs, wallMs: 0 };
const unseen = (view: View): View => ({ ...view, local: { ...view.local, look: null } });

type Done = Extract<Extract<Observation, { kind: 'outcome' }>['outcome'], { kind: 'done' }>['done'];

function done(action: Done['action'] & { readonly kind: string }): Observation {
  const outcome = {
    kind: 'done',
    startedAtMs: nowMs,
    endedAtMs: nowMs,
    done: { action, result: null } as Done,
  } as const;
  return { kind: 'outcome', atMs: nowMs, wallMs: 0, outcome };
}

const plan = { parameters: {}, hba: null, ident: null, upstream: null, synchronousStandbyNames: null } as const;
const between = (before: View, view: View, learnt: Observation = tick) => callbacksBetween(before, { view, learnt });

describe('which callbacks are due', () => {
  const beta = aView('beta');
  const alpha = aView('alpha');

  test('none while nothing happens', () => {
    expect(between(beta, beta)).toEqual([]);
    expect(between(unseen(beta), unseen(beta))).toEqual([]);
  });

  test('on_start when a server is seen first', () => {
    expect(between(unseen(alpha), alpha)).toEqual([{ kind: 'on_start', role: 'primary' }]);
  });

  test('on_role_change, and nothing else, when it is in another role', () => {
    expect(between(beta, withLook('beta', { role: 'primary' }))).toEqual([{ kind: 'on_role_change', role: 'primary' }]);
    const demoted = inTrouble('alpha', {});
    const started = done({ kind: 'start_server', plan: { ...plan }, term: null });
    expect(between(demoted, demoted, started)).toEqual([]);
    expect(between(demoted, withLook('alpha', { role: 'standby' }))).toEqual([
      { kind: 'on_role_change', role: 'replica' },
    ]);
  });

  test('a leader that gives up because its server does not start any more is demoted', () => {
    const released = done({ kind: 'release_leader', session: 's' });
    const alpha = inTrouble('alpha', {});
    expect(between(alpha, alpha, released)).toEqual([{ kind: 'on_role_change', role: 'demoted' }]);
    const lead = { ...alpha.memory.lead, handover: { term: 30 } };
    expect(between({ ...alpha, memory: { ...alpha.memory, lead } }, alpha, released)).toEqual([]);
    const running = aView('alpha');
    expect(between(running, running, released)).toEqual([]);
  });

  test('the leader of a standby cluster has a role of its own', () => {
    const standbyCluster = {
      host: 'far.test',
      port: 5432,
      primarySlotName: null,
      recovery: {},
      createReplicaMethods: [],
    };
    const leading = withLook(
      'alpha',
      { role: 'standby' },
      { config: { ...defaultConfig, lead: { ...defaultConfig.lead, standbyCluster } } },
    );
    expect(between(withLook('alpha', { role: 'standby' }), leading)).toEqual([
      { kind: 'on_role_change', role: 'standby_leader' },
    ]);
  });

  test.each([
    [{ kind: 'start_server', plan, term: null }, 'on_start'],
    [{ kind: 'stop_server', mode: 'fast', why: 'x' }, 'on_stop'],
    [{ kind: 'restart_server', plan, term: null, why: { kind: 'operator' } }, 'on_restart'],
    [{ kind: 'configure_server', plan }, 'on_reload'],
    [{ kind: 'follow', plan }, 'on_reload'],
  ] as unknown as readonly (readonly [Done['action'], string])[])('$0.kind makes it $1', (action, kind) => {
    expect(between(beta, beta, done(action))).toEqual([{ kind, role: 'replica' }]);
  });
});

describe('running them', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slotkeeper-callbacks-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const none: CallbackCommands = {
    on_start: null,
    on_stop: null,
    on_restart: null,
    on_reload: null,
    on_role_change: null,
  };
  const shell = (script: string): readonly [string, ...string[]] => ['/bin/sh', '-c', script, 'callback'];
  const start: Callback = { kind: 'on_start', role: 'primary' };
  const run = (callbacks: readonly Callback[], commands: Partial<CallbackCommands>) =>
    lastValueFrom(
      runCallbacks(of(...callbacks), { commandsNow: () => ({ ...none, ...commands }), scope: 'demo' }).pipe(toArray()),
      {
        defaultValue: [],
      },
    );

  test('with action, role and scope; the output is told', async () => {
    const [end] = await run([start], { on_start: shell('echo "$@"') });
    expect(end).toEqual({ callback: start, trouble: null, output: 'on_start primary demo' });
  });

  test('one that fails says how, one that is not there says so, one that is not wanted is nothing', async () => {
    expect(await run([start], { on_start: shell('echo no >&2; exit 3') })).toMatchObject([
      { trouble: 'failed with 3', output: 'no' },
    ]);
    expect((await run([start], { on_start: ['/nonexistent'] }))[0]?.trouble).toContain('ENOENT');
    expect(await run([start], {})).toEqual([]);
  });

  test('the next one ends the one before with all that it has started, but never a reload', async () => {
    const callback$ = new Subject<Callback>();
    const ends: CallbackEnd[] = [];
    const file = join(folder, 'said');
    const wait = `(sleep 30; echo late >> ${file}) & echo $! >> ${file}; wait`;
    const commands = { ...none, on_start: shell(wait), on_reload: shell(wait), on_stop: shell('echo stopped') };
    const running = runCallbacks(callback$, { commandsNow: () => commands, scope: 'demo' }).subscribe({
      next: (end) => ends.push(end),
      error: (error: unknown) => expect.unreachable(String(error)),
    });
    const pidsOf = async () => (await readFile(file, 'utf8')).trim().split('\n').map(Number);
    callback$.next({ kind: 'on_reload', role: 'primary' });
    await eventually(async () => (await pidsOf()).length === 1, { what: 'the reload to begin' });
    callback$.next(start);
    const [reload = 0, started = 0] = await eventually(
      async () => {
        const pids = await pidsOf();
        return pids.length === 2 && pids;
      },
      { what: 'the start to begin' },
    );
    callback$.next({ kind: 'on_stop', role: 'primary' });
    await eventually(() => ends.length === 1, { what: 'the stop to end' });
    expect(ends).toMatchObject([{ callback: { kind: 'on_stop' }, trouble: null, output: 'stopped' }]);
    await eventually(() => isGone(started), { what: 'what the first one had started to be gone' });
    expect(isGone(reload)).toBe(false);
    running.unsubscribe();
    await eventually(() => isGone(reload), { what: 'the reload to be gone' });
  });

  test('nothing secret of the environment goes to it', async () => {
    process.env['PGPASSWORD'] = 'canary';
    try {
      const [end] = await run([start], { on_start: shell('env') });
      expect(end?.output).toContain('PATH=');
      expect(end?.output).not.toContain('canary');
    } finally {
      delete process.env['PGPASSWORD'];
    }
  });
});

function isGone(pid: number): boolean {
  try {
    return !process.kill(pid, 0);
  } catch {
    return true;
  }
}
