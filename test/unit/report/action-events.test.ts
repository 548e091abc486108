import { describe, expect, test } from 'vitest';
import type { Action, Outcome } from '../../../src/domain/action.ts';
import { eventsOf, failureEvents } from '../../../src/report/action-events.ts';
import { fold } from '../../../src/view/fold.ts';
import type { View } from '../../../src/view/view.ts';
import { aView, nowMs, nowWallMs } from '../../support/turns.ts';

const advance: Action = { kind: 'advance_logical_slot', slot: 'orders', database: 'shop', target: 0x4000n };

const moveIdle = {
  kind: 'move_idle_slot',
  slot: 'a',
  database: 'shop',
  plugin: 'pgoutput',
  waiting: ['beta shop'],
} as const;

function failed(message: string, refused = false): Outcome {
  const failure = { message, sqlstate: '58P01', sessionDead: false, refused };
  return { kind: 'failed', action: advance, failure, startedAtMs: nowMs, endedAtMs: nowMs + 5 };
}
const done: Outcome = {
  kind: 'done',
  done: { action: advance, result: 0x4000n },
  startedAtMs: nowMs,
  endedAtMs: nowMs + 7,
};

const after = (view: View, outcome: Outcome, atMs: number): View =>
  fold(view, { kind: 'outcome', outcome, atMs, wallMs: nowWallMs });

describe('a failure that repeats', () => {
  test('is said at first, when it fails otherwise, and as it grows older; never once per turn', () => {
    let view = aView('beta');
    const said: unknown[] = [];
    for (let second = 0; second <= 130; second += 1) {
      const next = after(
        view,
        failed(second === 3 ? 'another reason' : `WAL segment ${second} is missing`),
        nowMs + second * 1_000,
      );
      said.push(...failureEvents(view, next));
      // A turn without a new failure says nothing.
      expect(failureEvents(next, fold(next, { kind: 'tick', atMs: next.nowMs + 500, wallMs: nowWallMs }))).toEqual([]);
      view = next;
    }
    expect(said).toMatchObject([
      { action: 'advance_logical_slot:orders', count: 1, ageMs: 0, sqlstate: '58P01' },
      { message: 'another reason', count: 4 },
      { message: 'WAL segment 4 is missing', count: 5 },
      { count: 11, ageMs: 10_000 },
      { count: 61, ageMs: 60_000 },
      { count: 121, ageMs: 120_000 },
    ]);
  });

  test('is over with the first success, with its number and age', () => {
    const first = after(aView('beta'), failed('no'), nowMs);
    const second = after(first, failed('no'), nowMs + 2_000);
    expect(failureEvents(second, after(second, done, nowMs + 3_000))).toEqual([
      { kind: 'action_recovered', action: 'advance_logical_slot:orders', count: 2, ageMs: 3_000 },
    ]);
  });

  test('a refused transaction is no failure', () => {
    const view = aView('beta');
    expect(failureEvents(view, after(view, failed('index has changed', true), nowMs))).toEqual([]);
  });
});

describe('outcomes', () => {
  const doneOf = (it: Extract<Outcome, { kind: 'done' }>['done']): Outcome => ({ ...done, done: it });

  test.each<[string, Outcome, readonly object[]]>([
    ['an advance', done, [{ kind: 'action_done', action: 'advance_logical_slot', slot: 'orders', tookMs: 7 }]],
    ['a failure', failed('no'), []],
    [
      'a refusal',
      failed('index has changed', true),
      [{ kind: 'action_refused', slot: 'orders', why: 'index has changed' }],
    ],
    [
      'a copy',
      doneOf({
        action: {
          kind: 'copy_slots',
          session: 'session-beta',
          request: { primaryUrl: 'postgres://alpha.test', slots: [], replace: [] },
        },
        result: { copied: [{ name: 'orders', restartLsn: 0x2000n, snapshot: 'copied' }], skipped: [], downMs: 180 },
      }),
      [{ kind: 'action_done' }, { kind: 'slots_copied', slots: [{ name: 'orders' }], skipped: [], downMs: 180 }],
    ],
    [
      'a slot created',
      doneOf({
        action: { kind: 'create_logical_slot', slot: 'a', database: 'shop', plugin: 'pgoutput', failover: false },
        result: null,
      }),
      [{ kind: 'action_done' }, { kind: 'slot_created', slot: 'a', type: 'logical' }],
    ],
    [
      'a slot dropped',
      doneOf({
        action: { kind: 'drop_slot', slot: 'a', type: 'logical', role: 'standby', why: 'left over' },
        result: true,
      }),
      [{ kind: 'action_done' }, { kind: 'slot_dropped', slot: 'a', why: 'left over' }],
    ],
    [
      'a slot that is in use and stays',
      doneOf({
        action: { kind: 'drop_slot', slot: 'a', type: 'logical', role: 'standby', why: 'left over' },
        result: false,
      }),
      [{ kind: 'action_done' }],
    ],
    [
      'a template created',
      doneOf({
        action: { kind: 'create_template', slot: 'slotkeeper_template_shop', database: 'shop' },
        result: null,
      }),
      [
        { kind: 'action_done' },
        { kind: 'template_created', slot: 'slotkeeper_template_shop', database: 'shop', tookMs: 7 },
      ],
    ],
    [
      'a template dropped',
      doneOf({
        action: {
          kind: 'drop_slot',
          slot: 'slotkeeper_template_shop',
          type: 'logical',
          role: 'standby',
          why: 'no slot needs it',
        },
        result: true,
      }),
      [
        { kind: 'action_done' },
        { kind: 'template_dropped', slot: 'slotkeeper_template_shop', why: 'no slot needs it' },
      ],
    ],
    [
      'a slot made from a template, with how long it took',
      doneOf({
        action: {
          kind: 'copy_from_template',
          slot: 'a',
          template: 'slotkeeper_template_shop',
          database: 'shop',
          plugin: 'pgoutput',
          target: 0x4000n,
        },
        result: 0x3f00n,
      }),
      [
        { kind: 'action_done' },
        { kind: 'slot_made_from_template', slot: 'a', database: 'shop', position: 0x3f00n, tookMs: 7 },
      ],
    ],
    [
      'a mark set',
      doneOf({ action: { kind: 'set_failover', slot: 'a', failover: true }, result: null }),
      [{ kind: 'action_done' }, { kind: 'failover_mark_set', slot: 'a', failover: true }],
    ],
    [
      'an idle slot moved',
      doneOf({ action: moveIdle, result: 0x5000n }),
      [{ kind: 'action_done' }, { kind: 'idle_slot_moved', slot: 'a', position: 0x5000n }],
    ],
    [
      'an idle slot that stays, because changes wait in it',
      doneOf({ action: moveIdle, result: null }),
      [{ kind: 'action_done' }],
    ],
    [
      'settings changed',
      doneOf({
        action: {
          kind: 'alter_settings',
          changes: [
            { name: 'sync_replication_slots', value: 'on' },
            { name: 'synchronized_standby_slots', value: null },
          ],
          why: 'slots are synchronised by PostgreSQL',
        },
        result: null,
      }),
      [
        { kind: 'action_done' },
        {
          kind: 'settings_changed',
          settings: [
            { name: 'sync_replication_slots', value: 'on' },
            { name: 'synchronized_standby_slots', value: null },
          ],
          why: 'slots are synchronised by PostgreSQL',
        },
      ],
    ],
    [
      'a database put into primary_conninfo, of which nothing else is told',
      doneOf({ action: { kind: 'set_upstream_database', database: 'postgres' }, result: null }),
      [
        { kind: 'action_done' },
        { kind: 'settings_changed', settings: [{ name: 'primary_conninfo', value: 'dbname=postgres' }] },
      ],
    ],
  ])('%s', (_what, outcome, expected) => {
    expect(eventsOf(outcome)).toMatchObject(expected);
    expect(eventsOf(outcome)).toHaveLength(expected.length);
  });
});
