import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeKeys } from '../../../src/consul/codec.ts';
import { decodeDynamicConfig } from '../../../src/config/dynamic.ts';
import { noTags } from '../../../src/domain/config.ts';
import { decoded, entry, keys } from './entries.ts';

const paths = [
  'initialize',
  'config',
  'leader',
  'members/a',
  'status',
  'optime/leader',
  'history',
  'slot_history',
  'slotkeeper/restart_turn',
  'failover',
  'sync',
  'failsafe',
  'slotkeeper/terms',
];

const placesWithOneKey = [
  'initialize',
  'config',
  'leader',
  'status',
  'optimeLeader',
  'history',
  'slotHistory',
  'restartTurn',
  'failover',
  'sync',
  'failsafe',
  'terms',
] as const;

describe('whatever is under the prefix', () => {
  test('never throws, and what is unreadable has a problem that names the key', () => {
    const value = fc.oneof(
      fc.string(),
      fc.json(),
      fc.jsonValue().map((json) => JSON.stringify({ optime: json, slots: json, role: json, slotkeeper: json })),
      fc.constant(null),
    );
    fc.assert(
      fc.property(fc.constantFrom(...paths), value, (path, raw) => {
        const all = decoded(entry(path, raw));
        const found = [...all.members.values(), ...placesWithOneKey.map((place) => all[place])].filter(
          (key) => key !== null,
        );
        expect(found).toHaveLength(1);
        for (const { value: read, problem } of found) {
          if (read === null) expect(problem).toMatch(/./);
          if (path !== 'config') expect(problem?.length ?? 0).toBeLessThan(2000);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('deep nesting, huge texts and broken UTF-8 are refused in words', () => {
    const deep = '['.repeat(200_000);
    const deepObject = '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000);
    const huge = JSON.stringify({ optime: 1, x: 'x'.repeat(2_000_000) });
    for (const [raw, found] of [
      [deep, /status: is nested deeper than 32/],
      [deepObject, /status: is nested deeper than 32/],
      [huge, /status: is 20000\d\d characters long, allowed is at most/],
      ['\uFFFD\u0000', /status: is not JSON/],
      ['', /status: is not JSON: ""/],
      ['NaN', /not JSON: "NaN"/],
    ] as const) {
      const { status } = decoded(entry('status', raw));
      expect(status?.value).toBeNull();
      expect(status?.problem).toMatch(found);
    }
  });

  test('brackets inside of texts are not nesting', () => {
    const state = '[{"'.repeat(50);
    expect(decoded(entry('members/a', JSON.stringify({ role: 'replica', state }))).members.get('a')?.value?.state).toBe(
      state,
    );
  });

  test('many bad entries make one bounded sentence', () => {
    const slots = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`Bad ${i}`, 'x'.repeat(1000)]));
    const { status } = decoded(entry('status', JSON.stringify({ optime: 1, slots })));
    expect(status?.value?.slots.size).toBe(0);
    expect(status?.problem).toMatch(/and 996 more$/);
    expect(status?.problem?.length).toBeLessThan(1000);
  });
});

describe('status', () => {
  const optime = 1234;

  test.each([
    ['1.5', '1.5'],
    ['a negative number', -1],
    ['a number beyond 2^53', 2 ** 53],
    ['a text', 'abc'],
    ['a text of a number beyond 2^53', '9007199254740993'],
    ['an object', {}],
    ['null', null],
  ])('a slot at %s is left out and the others are kept', (_, bad) => {
    const { status } = decoded(entry('status', JSON.stringify({ optime, slots: { bad, good: 5 } })));
    expect(status?.value?.slots).toEqual(new Map([['good', 5n]]));
    expect(status?.problem).toMatch(/^key service\/main\/status: slots\.bad is .*, allowed is a position in bytes/);
  });

  test('a slot that is called __proto__ is a slot, not a prototype', () => {
    const { status } = decoded(entry('status', `{"optime":1,"slots":{"__proto__":7,"constructor":8}}`));
    expect(status?.value?.slots).toEqual(
      new Map([
        ['__proto__', 7n],
        ['constructor', 8n],
      ]),
    );
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  test('__proto__ as a field gives no field', () => {
    const { status } = decoded(entry('status', `{"__proto__":{"optime":1}}`));
    expect(status?.value).toBeNull();
    expect(status?.problem).toMatch(/optime is missing/);
  });

  test.each([
    ['the bare position', '83886480', { optime: 83886480n }],
    ['a position in a text', '{"optime":"83886480"}', { optime: 83886480n }],
    ['slots in a text', `{"optime":1,"slots":"{\\"a\\":2}"}`, { optime: 1n, slots: new Map([['a', 2n]]) }],
    ['retained slots in a text', `{"optime":1,"retain_slots":"[\\"a\\"]"}`, { optime: 1n, retainSlots: ['a'] }],
    ['fields of a later version', '{"optime":1,"later":{"a":[1]}}', { optime: 1n }],
    ['slots that are null', '{"optime":1,"slots":null}', { optime: 1n, slots: new Map() }],
  ])("reads Patroni's older and newer forms: %s", (_, raw, expected) => {
    const { status } = decoded(entry('status', raw));
    expect(status?.value).toMatchObject(expected);
    expect(status?.problem).toBeNull();
  });

  test('a part of ours that is incomplete is left out, and said', () => {
    const { status } = decoded(entry('status', '{"optime":1,"slots":{"a":1},"slotkeeper":{"timeline":3}}'));
    expect(status?.value).toMatchObject({ slots: new Map([['a', 1n]]), extras: null });
    expect(status?.problem).toMatch(/slotkeeper is incomplete/);
  });

  test('a transaction id of more than 32 bits is not one', () => {
    const slot = { database: 'd', plugin: 'p', incarnation: 1, catalog_xmin: 2 ** 32 };
    const slotkeeper = { term: 1, timeline: 1, members_index: 1, logical: { a: slot } };
    const { status } = decoded(entry('status', JSON.stringify({ optime, slotkeeper })));
    expect(status?.value?.extras?.logical.get('a')).toMatchObject({ database: 'd', catalogXmin: null });
    expect(status?.problem).toMatch(/slotkeeper\.logical\.a\.catalog_xmin is 4294967296/);
  });
});

describe('the gate in status', () => {
  const gateOf = (gate: unknown) => {
    const slotkeeper = { term: 1, timeline: 1, members_index: 1, gate };
    const { status } = decoded(entry('status', JSON.stringify({ optime: 1, slotkeeper })));
    return { gate: status?.value?.extras?.gate, problem: status?.problem };
  };

  test('is null where none is kept', () => {
    expect(gateOf(undefined)).toEqual({ gate: null, problem: null });
  });

  test('is kept by nobody where it does not say by whom', () => {
    expect(gateOf({ slots: ['a'], left_out: { b: 'not connected' } })).toEqual({
      gate: { enforcedBy: null, slots: ['a'], leftOut: new Map([['b', 'not connected']]) },
      problem: null,
    });
  });

  test.each([
    [{ enforced_by: 'hope' }, /slotkeeper\.gate\.enforced_by is "hope", allowed is one of synchronized_standby_slots/],
    [{ slots: ['a', 'B C'] }, /slotkeeper\.gate\.slots\[1\] is named "B C", allowed is a slot name/],
    [{ slots: ['a', 7] }, /slotkeeper\.gate\.slots\[1\] is 7, allowed is a slot name/],
    [{ slots: { a: 1 } }, /slotkeeper\.gate\.slots is an object, allowed is an array/],
    [{ left_out: { b: 1 } }, /slotkeeper\.gate\.left_out\.b is 1, allowed is a text/],
    [{ left_out: { 'B C': 'why' } }, /slotkeeper\.gate\.left_out\.B C is named "B C"/],
    [[], /slotkeeper\.gate is an array of 0, allowed is an object/],
  ])('%j says what is wrong and keeps the rest', (gate, problem) => {
    const read = gateOf(gate);
    expect(read.problem).toMatch(problem);
    expect(read.gate?.slots.every((name) => name === 'a') ?? true).toBe(true);
    expect(read.gate?.leftOut.size ?? 0).toBe(0);
  });

  test('how far templates may go is a position', () => {
    const slotkeeper = { term: 1, timeline: 1, members_index: 1, template_lsn: -5 };
    const { status } = decoded(entry('status', JSON.stringify({ optime: 1, slotkeeper })));
    expect(status?.value?.extras?.templateLsn).toBeNull();
    expect(status?.problem).toMatch(/slotkeeper\.template_lsn is -5, allowed is a position in bytes/);
  });
});

describe('members', () => {
  test('a member key written by Patroni 4', () => {
    const raw =
      '{"conn_url":"postgres://10.0.0.2:5432/postgres","api_url":"http://10.0.0.2:8008/patroni","state":"running",' +
      '"role":"replica","version":"4.0.4","tags":{"nofailover":true,"zone":"b"},"xlog_location":67108864,' +
      '"replay_lsn":67108864,"receive_lsn":67108864,"replication_state":"streaming","timeline":2,"pending_restart":true,' +
      '"pending_restart_reason":{"max_connections":{"old_value":"100","new_value":"200"}}}';
    const member = decoded(entry('members/b', raw, { session: 's1' })).members.get('b');
    expect(member).toMatchObject({ problem: null, session: 's1', createIndex: 5, modifyIndex: 7 });
    expect(member?.value).toEqual({
      connUrl: 'postgres://10.0.0.2:5432/postgres',
      apiUrl: 'http://10.0.0.2:8008/patroni',
      state: 'running',
      role: 'replica',
      version: '4.0.4',
      xlogLocation: 67108864n,
      receiveLsn: 67108864n,
      replayLsn: 67108864n,
      replicationState: 'streaming',
      timeline: 2,
      tags: { ...noTags, nofailover: true, failoverPriority: 0, raw: { nofailover: true, zone: 'b' } },
      pendingRestart: true,
      pendingRestartReason: new Map([['max_connections', { from: '100', to: '200' }]]),
      scheduledRestart: null,
      pause: false,
      slots: new Map(),
      extras: null,
    });
  });

  test.each([
    ['master', 'primary'],
    ['promoted', 'primary'],
    ['standby_leader', 'standby_leader'],
  ])('the role %j is %j', (role, expected) => {
    const member = decoded(entry('members/a', JSON.stringify({ role }))).members.get('a');
    expect(member).toMatchObject({ value: { role: expected }, problem: null });
  });

  test.each([['king'], [7], [undefined], ['constructor']])('the role %j is nobody to follow', (role) => {
    const member = decoded(entry('members/a', JSON.stringify({ role }))).members.get('a');
    expect(member?.value?.role).toBe('uninitialized');
    expect(member?.problem).toMatch(/role is .*, allowed is one of primary/);
  });

  test('the oldest form, a connection URL, shows no password', () => {
    const raw = 'postgres://rep:secret@10.0.0.2:5432/postgres?application_name=http://10.0.0.2:8008/patroni';
    const member = decoded(entry('members/b', raw)).members.get('b');
    expect(member?.value).toMatchObject({
      connUrl: 'postgres://10.0.0.2:5432/postgres',
      apiUrl: 'http://10.0.0.2:8008/patroni',
    });
    expect(member?.problem).toBeNull();
  });

  test('a connection URL that cannot be cleaned is neither kept nor quoted', () => {
    const raw = JSON.stringify({ role: 'replica', conn_url: 'postgres://u:sec/ret@db/x' });
    const member = decoded(entry('members/b', raw)).members.get('b');
    expect(member?.value?.connUrl).toBeNull();
    expect(member?.problem).toMatch(/conn_url is not a connection URL/);
    expect(member?.problem).not.toContain('sec/ret');
  });

  test('tags never set a prototype', () => {
    const member = decoded(entry('members/a', '{"role":"replica","tags":{"__proto__":{"nofailover":true},"x":1}}'));
    expect(member.members.get('a')?.value?.tags).toEqual({ ...noTags, raw: { x: 1 } });
  });

  test('a member of any name is kept under that name', () => {
    const all = decoded(entry('members/__proto__', '{"role":"replica"}'), entry('members/x/y', '{"role":"replica"}'));
    expect([...all.members.keys()]).toEqual(['__proto__']);
  });

  test.each([
    [{ type: 'logical' }, /slots\.a\.verdict is missing/],
    [{ type: 'logical', verdict: 'splendid' }, /slots\.a\.verdict is "splendid", allowed is one of ready/],
    [{ verdict: 'ready' }, /slots\.a\.type is missing/],
    ['ready', /slots\.a is "ready", allowed is an object/],
  ])('the verdict %j is left out', (a, problem) => {
    const slots = { a, b: { type: 'physical', verdict: 'ready', position: 3 } };
    const member = decoded(entry('members/m', JSON.stringify({ role: 'replica', slots }))).members.get('m');
    expect([...(member?.value?.slots.keys() ?? [])]).toEqual(['b']);
    expect(member?.problem).toMatch(problem);
  });

  test('a verdict with a method that nobody knows is kept without it', () => {
    const slots = { a: { type: 'logical', verdict: 'ready', position: 3, method: 'magic' } };
    const member = decoded(entry('members/m', JSON.stringify({ role: 'replica', slots }))).members.get('m');
    expect(member?.value?.slots.get('a')).toEqual({
      slot: 'a',
      type: 'logical',
      verdict: { kind: 'ready' },
      position: 3n,
    });
    expect(member?.problem).toMatch(/slots\.a\.method is "magic", allowed is one of file_copy, template, native/);
  });
});

describe("slotkeeper's own part of a member", () => {
  const extrasOf = (slotkeeper: unknown) => {
    const key = decoded(entry('members/m', JSON.stringify({ role: 'replica', slotkeeper }))).members.get('m');
    return { extras: key?.value?.extras, problem: key?.problem };
  };

  test('of an earlier version has no templates and waits for nothing', () => {
    const { extras, problem } = extrasOf({ agent_version: '0.1.0' });
    expect(extras).toMatchObject({ templates: new Map(), wantsSnapshot: false });
    expect(problem).toBeNull();
  });

  test.each([
    [{ templates: { shop: 'soon', crm: 5 } }, /slotkeeper\.templates\.shop is "soon", allowed is a position in bytes/],
    [{ templates: [] }, /slotkeeper\.templates is an array of 0, allowed is an object/],
    [{ wants_snapshot: 1 }, /slotkeeper\.wants_snapshot is 1, allowed is true or false/],
  ])('%j', (slotkeeper, found) => {
    const { extras, problem } = extrasOf(slotkeeper);
    expect(problem).toMatch(found);
    expect([...(extras?.templates.keys() ?? [])].filter((database) => database !== 'crm')).toEqual([]);
    expect(extras?.wantsSnapshot).toBe(false);
  });

  test.each([
    [{ receive_lsn: 'x' }, /receive_lsn is "x"/],
    [{ replay_lsn: -1 }, /replay_lsn is -1/],
    [{ replication_state: 5 }, /replication_state is 5, allowed is a text/],
  ])("Patroni's positions: %j", (fields, found) => {
    const key = decoded(entry('members/m', JSON.stringify({ role: 'replica', ...fields }))).members.get('m');
    expect(key?.problem).toMatch(found);
    expect(key?.value).toMatchObject({ receiveLsn: null, replayLsn: null, replicationState: null });
  });
});

describe('the other keys', () => {
  test.each(['', 'a/b', 'a\u001b[2J', 'x'.repeat(256)])('a leader called %j is nobody', (name) => {
    const { leader } = decoded(entry('leader', name, { session: 's' }));
    expect(leader).toMatchObject({ value: null, session: 's' });
    expect(leader?.problem).toMatch(/key service\/main\/leader: is ".*, allowed is a member's name/s);
  });

  test('initialize is a system identifier, or empty while somebody bootstraps', () => {
    expect(decoded(entry('initialize', '7400000000000000001')).initialize?.value).toBe('7400000000000000001');
    expect(decoded(entry('initialize', null)).initialize).toMatchObject({ value: '', problem: null });
    expect(decoded(entry('initialize', 'yes')).initialize?.problem).toMatch(/allowed is a system identifier/);
  });

  test('history lines that cannot be read are left out', () => {
    const raw =
      '[[1,100,"no recovery target specified"],[0,1,"x"],[2,"x","y"],"z",[2,200,"r","2024-01-01T00:00:00Z","b"]]';
    const { history } = decoded(entry('history', raw));
    expect(history?.value).toEqual([
      { timeline: 1, lsn: 100n, reason: 'no recovery target specified', timestamp: null, newLeader: null },
      { timeline: 2, lsn: 200n, reason: 'r', timestamp: '2024-01-01T00:00:00Z', newLeader: 'b' },
    ]);
    expect(history?.problem).toMatch(/entry 2\.timeline is 0/);
  });

  test('a configuration that is wrong has no value and says what is wrong', () => {
    const { config } = decoded(entry('config', '{"slots":{"Bad-Name":{"type":"logical"}}}'));
    expect(config?.value).toBeNull();
    expect(config?.problem).toMatch(/Bad-Name/);
  });

  test('absent keys are null, not unreadable', () => {
    expect(decoded()).toMatchObject({ index: 9, status: null, leader: null, history: null, members: new Map() });
  });
});

describe('decoding the next read', () => {
  const status = entry('status', '{"optime":1}');
  const first = decodeKeys(keys, { index: 9, entries: [status] }, decodeDynamicConfig);

  test('an unchanged entry keeps its very object', () => {
    const next = decodeKeys(keys, { index: 10, entries: [{ ...status }] }, decodeDynamicConfig, first);
    expect(next.keys.status).toBe(first.keys.status);
    expect(next.keys.index).toBe(10);
  });

  test('the same value under a new stamp is not decoded again', () => {
    const moved = { ...status, modifyIndex: 12, session: 's' };
    const next = decodeKeys(keys, { index: 12, entries: [moved] }, decodeDynamicConfig, first);
    expect(next.keys.status).toMatchObject({ modifyIndex: 12, session: 's' });
    expect(next.keys.status?.value).toBe(first.keys.status?.value);
  });

  test('another value under the same stamp is decoded: Consul may have lost its data', () => {
    const other = { ...status, value: '{"optime":2}' };
    const next = decodeKeys(keys, { index: 9, entries: [other] }, decodeDynamicConfig, first);
    expect(next.keys.status?.value?.optime).toBe(2n);
  });
});
