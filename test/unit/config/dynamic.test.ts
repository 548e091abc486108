import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { decodeDynamicConfig } from '../../../src/config/dynamic.ts';
import { defaultConfig } from '../../../src/domain/default-config.ts';

const decode = (config: unknown) => decodeDynamicConfig(JSON.stringify(config));
const errorsOf = (config: unknown) => decode(config).problems.filter(({ severity }) => severity === 'error');
const whats = (config: unknown) =>
  decode(config).problems.map(({ what }) => what.replace('cluster configuration: ', ''));

describe('the cluster configuration', () => {
  it('has defaults for everything', () => {
    expect(decode({})).toEqual({
      config: {
        ttl: 30,
        loopWait: 10,
        retryTimeout: 10,
        pause: false,
        slots: new Map(),
        ignoreSlots: [],
        failoverSlots: {
          synchronizeSlotNames: null,
          dropExtraSlots: true,
          restart: null,
          method: 'auto',
          templateDatabases: [],
          standbySlotNames: null,
          standbySlotsMinConfirmed: -1,
          standbySlotsMaxLagBytes: 16 * 1024 * 1024,
          standbySlotsGraceSeconds: 10,
          recreateLost: false,
        },
        lead: defaultConfig.lead,
      },
      problems: [],
    });
  });

  it('has the defaults that count while no configuration has been read', () => {
    expect(decode({}).config).toEqual(defaultConfig);
    expect(decode({ failover_slots: null }).config).toEqual(defaultConfig);
  });

  it("leaves Patroni's other settings alone", () => {
    const { config, problems } = decode({
      synchronous_mode: true,
      postgresql: { parameters: { work_mem: 7 } },
      own: [],
    });
    expect(problems).toEqual([]);
    expect(config).not.toBeNull();
  });

  it('reads slots as Patroni does', () => {
    const { config, problems } = decode({
      slots: {
        typed: { type: 'logical', database: 'shop', plugin: 'pgoutput' },
        untyped: { database: 'shop', plugin: 'wal2json' },
        marked: { database: 'shop', plugin: 'pgoutput', failover: true },
        unmarked: { database: 'shop', plugin: 'pgoutput', failover: 'off' },
        standby1: { type: 'physical' },
        empty: {},
        bare: null,
        elsewhere: { type: 'physical', cluster_type: 'standby' },
        here: { type: 'physical', cluster_type: 'primary' },
      },
    });
    expect(problems).toEqual([]);
    expect(config?.slots).toEqual(
      new Map([
        ['typed', { type: 'logical', database: 'shop', plugin: 'pgoutput' }],
        ['untyped', { type: 'logical', database: 'shop', plugin: 'wal2json' }],
        ['marked', { type: 'logical', database: 'shop', plugin: 'pgoutput', failover: true }],
        ['unmarked', { type: 'logical', database: 'shop', plugin: 'pgoutput' }],
        ['standby1', { type: 'physical' }],
        ['empty', { type: 'physical' }],
        ['bare', { type: 'physical' }],
        ['here', { type: 'physical' }],
      ]),
    );
  });

  it('turns cluster_type round in a standby cluster', () => {
    const { config } = decode({
      standby_cluster: { host: '10.0.0.1' },
      slots: { a: { type: 'physical', cluster_type: 'standby' }, b: { type: 'physical', cluster_type: 'primary' } },
    });
    expect([...(config?.slots.keys() ?? [])]).toEqual(['a']);
  });

  it.each([0, false, '', {}, []])('takes the empty value %j for a physical slot', (value) => {
    expect(decode({ slots: { a: value } }).config?.slots).toEqual(new Map([['a', { type: 'physical' }]]));
  });

  it.each(['permanent_slots', 'permanent_replication_slots'])('knows the old name %s of slots', (key) => {
    const { config } = decode({ [key]: { old: { type: 'physical' } }, slots: { unseen: { type: 'physical' } } });
    expect([...(config?.slots.keys() ?? [])]).toEqual(['old']);
  });

  it.each([
    [{ slots: { 'Bad-Name': { type: 'physical' } } }, 'slots.Bad-Name is "Bad-Name"; allowed: a slot name'],
    [{ slots: { ['a'.repeat(64)]: { type: 'physical' } } }, 'allowed: a slot name'],
    [{ slots: { a: { type: 'logical', database: 'd' } } }, 'slots.a.plugin is missing'],
    [{ slots: { a: { type: 'logical', plugin: 'p' } } }, 'slots.a.database is missing'],
    [{ slots: { a: { database: 'd' } } }, 'slots.a.plugin is missing'],
    [
      { slots: { a: { type: 'logcal', database: 'd', plugin: 'p' } } },
      'slots.a.type is "logcal"; allowed: one of logical',
    ],
    [
      { slots: { a: { database: 'd', plugin: 'p', failover: 'later' } } },
      'slots.a.failover is "later"; allowed: true or false',
    ],
    [{ slots: { a: { failover: true } } }, 'slots.a.database is missing'],
    [
      { slots: { a: { type: 'physical', failover: true } } },
      'slots.a.failover is set; only a logical slot can have failover',
    ],
    [
      { slots: { slotkeeper_template_shop: { database: 'd', plugin: 'p' } } },
      'slots.slotkeeper_template_shop is "slotkeeper_template_shop" (names that begin with slotkeeper_template_ are',
    ],
    [{ slots: { slotkeeper_template_x: { type: 'physical' } } }, "are slotkeeper's own); allowed: a slot name"],
    [{ slots: { a: 'physical' } }, 'slots.a is "physical"; allowed: an object'],
    [{ slots: ['a'] }, 'slots is a list of 1; allowed: an object'],
    [{ slots: { a: { type: 'physical', cluster_type: 'x' } } }, 'slots.a.cluster_type is "x"'],
    [{ ttl: 'soon' }, 'ttl is "soon"; allowed: a whole number of seconds, 20 to'],
    [{ ttl: 1e9 }, 'ttl is 1000000000; allowed'],
    [{ loop_wait: {} }, 'loop_wait is an object'],
    [{ pause: 'perhaps' }, 'pause is "perhaps"; allowed: true or false'],
    [{ ignore_slots: {} }, 'ignore_slots is an object; allowed: a list'],
    [{ ignore_slots: [{ nmae: 'x' }] }, 'ignore_slots.0.nmae is unknown (did you mean name?)'],
    [{ ignore_slots: [{ type: 'x' }] }, 'ignore_slots.0.type is "x"'],
    [{ failover_slots: [] }, 'failover_slots is a list of 0; allowed: an object'],
    [{ failover_slots: { drop_extra: true } }, 'failover_slots.drop_extra is unknown (did you mean drop_extra_slots?)'],
    [{ failover_slots: { restrat: 'never' } }, 'failover_slots.restrat is unknown (did you mean restart?)'],
    [
      { failover_slots: { restart: 'sometimes' } },
      'failover_slots.restart is "sometimes"; allowed: one of allow, never',
    ],
    [{ failover_slots: { drop_extra_slots: 'never' } }, 'failover_slots.drop_extra_slots is "never"'],
    [{ failover_slots: { synchronize_slot_names: ['a'] } }, 'synchronize_slot_names is a list of 1'],
    [{ failover_slots: { synchronize_slot_names: 'nam:a' } }, 'unknown key "nam" (did you mean name?)'],
    [
      { failover_slots: { synchronize_slot_names: 'a, name:slotkeeper_template_shop' } },
      '"slotkeeper_template_shop" is reserved',
    ],
  ])('refuses %j', (config, message) => {
    expect(decode(config).config).toBeNull();
    expect(whats(config).join('\n')).toContain(message);
  });

  it('lists every mistake at once', () => {
    const errors = errorsOf({
      ttl: 'x',
      pause: 3,
      slots: { a: { type: 'logical' }, B: { type: 'q' } },
      failover_slots: { restart: 1, methd: 'auto' },
    });
    expect(errors.map(({ what }) => /: (\S+) is/.exec(what)?.[1])).toEqual([
      'ttl',
      'pause',
      'slots.a.database',
      'slots.a.plugin',
      'slots.B',
      'slots.B.type',
      'failover_slots.restart',
      'failover_slots.methd',
    ]);
    expect(
      errors.every(({ code, fix }) => code.startsWith('config_') && fix?.startsWith('slotkeeper edit-config')),
    ).toBe(true);
  });

  it.each([
    [true, true],
    ['on', true],
    ['Yes', true],
    [1, true],
    [false, false],
    ['off', false],
    ['NO', false],
    ['0', false],
  ])('takes %j for a truth value as Patroni does', (given, read) => {
    expect(decode({ failover_slots: { drop_extra_slots: given } }).config?.failoverSlots.dropExtraSlots).toBe(read);
  });

  it('tells an empty filter from none', () => {
    const filter = (value: unknown) =>
      decode({ failover_slots: { synchronize_slot_names: value } }).config?.failoverSlots.synchronizeSlotNames;
    expect(filter('')).toEqual([]);
    expect(filter(null)).toBeNull();
    expect(filter('name_like:app%')).toEqual([{ key: 'name_like', value: 'app%' }]);
  });

  it('drops what is empty in a matcher, since it matches anything', () => {
    const matchers = decode({ ignore_slots: [{ name: 'a', type: 'logical', database: '', plugin: null }, {}] });
    expect(matchers.config?.ignoreSlots).toEqual([{ name: 'a', type: 'logical' }, {}]);
  });
});

describe('times that Patroni would put right', () => {
  it.each([
    [{ ttl: 5 }, { ttl: 20, loopWait: 2, retryTimeout: 9 }, ['ttl', 'retry_timeout', 'loop_wait']],
    [{ loop_wait: 0 }, { ttl: 30, loopWait: 1, retryTimeout: 10 }, ['loop_wait']],
    [{ retry_timeout: 1 }, { ttl: 30, loopWait: 10, retryTimeout: 3 }, ['retry_timeout']],
    [{ loop_wait: 20 }, { ttl: 30, loopWait: 10, retryTimeout: 10 }, ['loop_wait']],
    [{ ttl: 30, retry_timeout: 20 }, { ttl: 30, loopWait: 2, retryTimeout: 14 }, ['retry_timeout', 'loop_wait']],
    [{ ttl: '60' }, { ttl: 60, loopWait: 10, retryTimeout: 10 }, []],
    [{ ttl: 45.9 }, { ttl: 45, loopWait: 10, retryTimeout: 10 }, []],
  ])('%j', (config, times, adjusted) => {
    const { config: read, problems } = decode(config);
    expect(read).toMatchObject(times);
    expect(problems.map(({ what }) => / (\S+) is/.exec(what)?.[1])).toEqual(adjusted);
    expect(problems.every(({ severity, code }) => severity === 'warning' && code === 'config_adjusted')).toBe(true);
  });

  it('always keep the rule that a leader can miss two turns', () => {
    const seconds = fc.integer({ min: -10, max: 200 });
    fc.assert(
      fc.property(seconds, seconds, seconds, (ttl, loop_wait, retry_timeout) => {
        const { config } = decode({ ttl, loop_wait, retry_timeout });
        if (config === null) throw new Error('refused');
        expect(config.loopWait + 2 * config.retryTimeout).toBeLessThanOrEqual(config.ttl);
        expect(Math.min(config.ttl - 19, config.loopWait, config.retryTimeout - 2)).toBeGreaterThanOrEqual(1);
      }),
    );
  });
});

describe('a hostile value of the key', () => {
  it.each(['', '{', 'null', '[]', '"x"', '1', 'true', '{"a":1}x'])('%s changes nothing', (raw) => {
    const { config, problems } = decodeDynamicConfig(raw);
    expect(config).toBeNull();
    expect(problems).toHaveLength(1);
  });

  it('is not quoted when it is not JSON', () => {
    expect(JSON.stringify(decodeDynamicConfig('{"password": "hunter2" oops').problems)).not.toContain('hunter2');
  });

  it('cannot reach a prototype', () => {
    const raw =
      '{"__proto__":{"pause":true},"slots":{"__proto__":{"type":"physical"}},"failover_slots":{"constructor":1}}';
    const { config, problems } = decodeDynamicConfig(raw);
    expect(config).toBeNull();
    expect(problems.map(({ what }) => what).join()).toContain('failover_slots.constructor is unknown');
    expect(({} as Record<string, unknown>)['pause']).toBeUndefined();
    // A slot may be called so: PostgreSQL allows the name.
    const named = decodeDynamicConfig('{"slots":{"__proto__":{"type":"physical"}}}');
    expect(named.config?.slots.get('__proto__')).toEqual({ type: 'physical' });
  });

  it('may be deep', () => {
    const raw = `{"slots":{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}}`;
    expect(decodeDynamicConfig(raw).config).toBeNull();
  });

  it('is told in a bounded number of words', () => {
    const slots = Object.fromEntries(
      Array.from({ length: 5_000 }, (_, i) => [`B${i}\n${'x'.repeat(200)}`, 'y'.repeat(500)]),
    );
    const { problems } = decode({ slots });
    expect(problems).toHaveLength(101);
    expect(problems.at(-1)?.what).toBe('and 9900 more mistakes');
    expect(problems.every(({ what }) => what.length < 400 && !what.includes('\n'))).toBe(true);
  });

  it('never makes the decoder throw', () => {
    const anyJson = fc.jsonValue({ maxDepth: 1 });
    const keys = fc.constantFrom(
      'ttl',
      'pause',
      'slots',
      'ignore_slots',
      'failover_slots',
      'standby_cluster',
      'a',
      '__proto__',
    );
    const inner = fc.constantFrom(
      'type',
      'database',
      'plugin',
      'failover',
      'synchronize_slot_names',
      'restart',
      'template_databases',
      'standby_slot_names',
      'standby_slots_min_confirmed',
      'x',
      '__proto__',
    );
    const value = fc.oneof(anyJson, fc.dictionary(inner, anyJson), fc.dictionary(keys, fc.dictionary(inner, anyJson)));
    fc.assert(
      fc.property(fc.dictionary(keys, value), (config) => {
        const decoded = decode(config);
        expect(decoded.config === null).toBe(decoded.problems.some(({ severity }) => severity === 'error'));
      }),
      { numRuns: 200 },
    );
  });
});
