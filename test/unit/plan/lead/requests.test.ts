import { describe, expect, test } from 'vitest';
import type { DiskState } from '../../../../src/domain/disk.ts';
import type { ServerPlan } from '../../../../src/domain/managed.ts';
import { planRequests } from '../../../../src/plan/lead/requests.ts';
import { noRequests } from '../../../../src/view/requests.ts';
import type { Action } from '../../../../src/domain/action.ts';
import type { RequestMemory, View } from '../../../../src/view/view.ts';
import { aSelf, aView, nowMs, someKeys } from '../../../support/turns.ts';

const plan: ServerPlan = { parameters: {}, hba: null, ident: null, upstream: null, synchronousStandbyNames: null };
const any = {
  scheduledAt: null,
  role: 'any',
  postgresVersion: null,
  onlyIfPending: false,
  timeoutSeconds: null,
} as const;
const restart = { id: 1, request: any, sinceMs: nowMs, isBegun: false, startedAtMs: null } as const;
const reinitialize = { id: 1, fromLeader: false, force: false, sinceMs: nowMs, step: 'remove' } as const;

/** A member of whom something is asked. */
function asked(name: string, requests: Partial<RequestMemory>, over: Partial<View> = {}): View {
  const usual = aView(name, { self: { ...aSelf(name), ha: 'manage' }, ...over });
  const lead = { ...usual.memory.lead, mayWriteSinceMs: name === 'alpha' ? nowMs - 60_000 : null };
  return { ...usual, memory: { ...usual.memory, lead, requests: { ...noRequests, ...requests } } };
}

/** The server does not run, and this is on disk. */
function down(view: View, disk: DiskState | null): View {
  const contact = { kind: 'broken', sinceMs: nowMs - 500, why: 'down' } as const;
  return { ...view, local: { ...view.local, contact, trouble: 'not_running', disk } };
}

const kinds = (view: View): readonly string[] =>
  planRequests(view, plan).map((intent) => (intent.kind === 'act' ? intent.action.kind : `hold: ${intent.hold.why}`));

test('nothing is asked, nothing is done', () => {
  expect(planRequests(asked('beta', {}), plan)).toEqual([]);
});

test('reload: the files are written although they say what was planned', () => {
  expect(kinds(asked('beta', { reload: { sinceMs: nowMs } }))).toEqual(['configure_server']);
});

describe('restart', () => {
  test('of a standby', () => {
    const upstream = { member: 'alpha', host: 'alpha.test', port: 5432, slot: 'beta' };
    const streaming = { ...plan, upstream };
    expect(planRequests(asked('beta', { restart }), streaming)).toEqual([
      { kind: 'act', action: { kind: 'restart_server', plan: streaming, term: null, why: { kind: 'operator' } } },
    ]);
  });

  test('of a standby waits until it is known from where it is to stream afterwards', () => {
    expect(kinds(asked('beta', { restart }))).toEqual([
      'hold: alpha, the leader, has not said yet where it is reached',
    ]);
    const keys = someKeys({ leader: null });
    const vacant = asked('beta', { restart }, { consul: { contact: { kind: 'good', atMs: nowMs }, keys } });
    expect(kinds(vacant)).toEqual(['restart_server']);
  });

  test('of the leader goes on in its term', () => {
    expect(planRequests(asked('alpha', { restart }), plan)).toEqual([
      { kind: 'act', action: { kind: 'restart_server', plan, term: 30, why: { kind: 'operator' } } },
    ]);
  });

  test('of a primary that does not lead would let it write: it waits', () => {
    const keys = someKeys({ leader: null });
    const view = asked('alpha', { restart }, { consul: { contact: { kind: 'good', atMs: nowMs }, keys } });
    expect(kinds(view)).toEqual(['hold: the server may accept writes, and this member does not lead']);
  });

  test('near the end of a lease waits for the next', () => {
    const session = {
      kind: 'held',
      id: 'session-alpha',
      ttlSeconds: 15,
      clampedFrom: null,
      renewedAtMs: nowMs - 11_000,
    } as const;
    expect(kinds(asked('alpha', { restart }, { session }))).toEqual(['hold: too little is left of the lease']);
  });

  test('that has begun is not begun again', () => {
    expect(kinds(asked('beta', { restart: { ...restart, isBegun: true } }))).toEqual([]);
  });

  test('of a server that is down is a start, which the rules of a stopped server make', () => {
    expect(kinds(down(asked('beta', { restart }), null))).toEqual([]);
  });
});

describe('a fresh copy', () => {
  test('stops the server first', () => {
    expect(kinds(asked('beta', { reinitialize }))).toEqual(['stop_server']);
  });

  test.each<[string, DiskState | null, readonly string[]]>([
    ['not looked at yet', null, ['hold: the data directory has not been looked at yet']],
    ['left over', { kind: 'unfinished', what: 'clone' }, ['remove_data']],
    ['empty', { kind: 'empty' }, []],
    ['foreign', { kind: 'foreign', what: 'photos' }, ['hold: what is in the data directory is not of PostgreSQL']],
  ])('the data is %s', (_what, disk, expected) => {
    expect(kinds(down(asked('beta', { reinitialize }), disk))).toEqual(expected);
  });

  test('the only copy of the data does not go when the leader has gone meanwhile', () => {
    const consul = { contact: { kind: 'good', atMs: nowMs }, keys: someKeys({ leader: null }) } as const;
    expect(kinds(down(asked('beta', { reinitialize }, { consul }), { kind: 'unfinished', what: 'clone' }))).toEqual([
      'hold: Cluster has no leader, can not reinitialize',
    ]);
  });

  test('once the data is gone the copy is made by the rules of an empty directory', () => {
    expect(kinds(down(asked('beta', { reinitialize: { ...reinitialize, step: 'copy' } }), { kind: 'empty' }))).toEqual(
      [],
    );
  });
});

test('a copy that runs is ended for a fresh one that is forced, and for no other', () => {
  const clone: Action = {
    kind: 'clone',
    source: { member: 'alpha', host: 'h', port: 1, slot: null },
    url: 'u',
    methods: [],
  };
  const copying = (force: boolean): View => ({
    ...down(asked('beta', { reinitialize: { ...reinitialize, force } }), null),
    running: new Map([['server', { action: clone, sinceMs: nowMs }]]),
  });
  expect(kinds(copying(true))).toEqual(['end_copy']);
  expect(kinds(copying(false))).not.toContain('end_copy');
});
