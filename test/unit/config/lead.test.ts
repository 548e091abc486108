import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { decodeDynamicConfig, type Reader } from '../../../src/config/dynamic.ts';
import type { LeadConfig } from '../../../src/domain/config.ts';
import { defaultConfig } from '../../../src/domain/default-config.ts';

const decode = (config: unknown, reader: Reader = 'manage') => decodeDynamicConfig(JSON.stringify(config), reader);
const leadOf = (config: unknown): LeadConfig => {
  const { config: read, problems } = decode(config);
  if (read === null) throw new Error(problems.map(({ what }) => what).join('\n'));
  return read.lead;
};
const whats = (config: unknown, reader?: Reader): readonly string[] =>
  decode(config, reader).problems.map(({ what }) => what.replace('cluster configuration: ', ''));

describe('what counts where slotkeeper leads', () => {
  it('has defaults for everything', () => {
    expect(decode({})).toEqual({ config: defaultConfig, problems: [] });
    expect(leadOf({ postgresql: null, standby_cluster: null, synchronous_mode: null })).toEqual(defaultConfig.lead);
  });

  it("reads Patroni's settings", () => {
    const lead = leadOf({
      maximum_lag_on_failover: '33554432',
      primary_start_timeout: 0,
      primary_stop_timeout: '30',
      failsafe_mode: 'on',
      check_timeline: true,
      synchronous_mode: 'on',
      synchronous_mode_strict: 1,
      synchronous_node_count: 2,
      maximum_lag_on_syncnode: 1048576,
      member_slots_ttl: '30min',
      promotion_guard: 'require',
      postgresql: {
        parameters: { Max_Connections: '200', wal_level: 'replica', shared_preload_libraries: 'a,b', fsync: false },
        pg_hba: ['local all all trust\n', 'host all all 0.0.0.0/0 scram-sha-256'],
        pg_ident: [],
        use_slots: 'off',
        use_pg_rewind: false,
        remove_data_directory_on_rewind_failure: true,
        remove_data_directory_on_diverged_timelines: 'yes',
      },
    });
    expect(lead).toEqual({
      maximumLagOnFailoverBytes: 33_554_432,
      primaryStartTimeout: 0,
      primaryStopTimeout: 30,
      failsafeMode: true,
      checkTimeline: true,
      synchronousMode: true,
      synchronousModeStrict: true,
      synchronousNodeCount: 2,
      maximumLagOnSyncnodeBytes: 1_048_576,
      memberSlotsTtl: 1_800,
      promotionGuard: 'require',
      postgresql: {
        parameters: { max_connections: '200', wal_level: 'replica', shared_preload_libraries: 'a,b', fsync: 'off' },
        hba: ['local all all trust', 'host all all 0.0.0.0/0 scram-sha-256'],
        ident: null,
        useSlots: false,
        usePgRewind: false,
        removeDataOnRewindFailure: true,
        removeDataOnDivergedTimelines: true,
      },
      standbyCluster: null,
    });
  });

  it('knows the older names of two timeouts, which the newer ones outdo', () => {
    expect(leadOf({ master_start_timeout: 7, master_stop_timeout: 8 })).toMatchObject({
      primaryStartTimeout: 7,
      primaryStopTimeout: 8,
    });
    expect(leadOf({ master_start_timeout: 7, primary_start_timeout: 9 }).primaryStartTimeout).toBe(9);
  });

  it.each([
    [0, 0],
    ['90', 90],
    ['1500 ms', 2],
    ['1.5h', 5_400],
    ['2d', 172_800],
  ])('takes %j for seconds', (given, seconds) => {
    expect(leadOf({ member_slots_ttl: given }).memberSlotsTtl).toBe(seconds);
  });

  it.each([
    ['off', 'off'],
    // What YAML may have made of it.
    [false, 'off'],
    ['prefer', 'prefer'],
  ])('takes %j for promotion_guard', (given, guard) => {
    expect(leadOf({ promotion_guard: given }).promotionGuard).toBe(guard);
  });

  it('reads a standby cluster', () => {
    const standby_cluster = {
      host: '10.0.0.1',
      port: '5433',
      primary_slot_name: 'dc2',
      restore_command: 'cp /wal/%f %p',
      create_replica_methods: ['basebackup'],
      archive_cleanup_command: '',
      recovery_min_apply_delay: 5000,
    };
    expect(leadOf({ standby_cluster }).standbyCluster).toEqual({
      host: '10.0.0.1',
      port: 5_433,
      primarySlotName: 'dc2',
      recovery: { restore_command: 'cp /wal/%f %p', recovery_min_apply_delay: '5000' },
      createReplicaMethods: ['basebackup'],
    });
  });

  it('acknowledges nothing in a standby cluster', () => {
    expect(leadOf({ synchronous_mode: true, standby_cluster: { port: 5432 } }).synchronousMode).toBe(false);
  });

  it('tells one that is switched off', () => {
    const standby_cluster = {
      host: '',
      port: '',
      primary_slot_name: 'a',
      restore_command: '',
      create_replica_methods: '',
    };
    expect(leadOf({ standby_cluster }).standbyCluster).toBeNull();
    expect(leadOf({ standby_cluster: {} }).standbyCluster).toBeNull();
  });

  it('puts settings of standbys to the others, which outdo them', () => {
    const recovery_conf = { restore_command: 'cp %f', archive_cleanup_command: 'clean %r' };
    const { parameters } = leadOf({
      postgresql: { recovery_conf, parameters: { restore_command: 'own %f' } },
    }).postgresql;
    expect(parameters).toEqual({ restore_command: 'own %f', archive_cleanup_command: 'clean %r' });
  });

  it.each([
    [{ synchronous_mode: 'quorum' }, 'synchronous_mode is "quorum"; slotkeeper does not have quorum commit'],
    [{ synchronous_mode: 'perhaps' }, 'synchronous_mode is "perhaps"; allowed: true or false'],
    [{ synchronous_node_count: 0 }, 'synchronous_node_count is 0; allowed: a whole number from 1'],
    [{ maximum_lag_on_failover: -1 }, 'maximum_lag_on_failover is -1'],
    [{ maximum_lag_on_syncnode: -2 }, 'maximum_lag_on_syncnode is -2'],
    [{ primary_start_timeout: 'x' }, 'primary_start_timeout is "x"'],
    [{ member_slots_ttl: '3 weeks' }, 'member_slots_ttl is "3 weeks"; allowed: seconds, or a time with a unit'],
    [{ promotion_guard: 'on' }, 'promotion_guard is "on"; allowed: one of prefer, require, off'],
    [{ postgresql: [] }, 'postgresql is a list of 0; allowed: an object'],
    [{ postgresql: { parameters: { 'a b': 1 } } }, 'postgresql.parameters.a b is ***; allowed: the name of a setting'],
    [{ postgresql: { parameters: { work_mem: {} } } }, 'postgresql.parameters.work_mem is ***'],
    [
      { postgresql: { parameters: { a: "1'\nfsync = off" } } },
      'postgresql.parameters.a is ***; allowed: a text of one line',
    ],
    [{ postgresql: { parameters: { wal_level: 'minimal' } } }, 'postgresql.parameters.wal_level is ***'],
    [{ postgresql: { parameters: { max_connections: 'many' } } }, 'postgresql.parameters.max_connections is ***'],
    [{ postgresql: { pg_hba: 'host all' } }, 'postgresql.pg_hba is ***; allowed: a list of lines'],
    [{ postgresql: { pg_hba: ['local\nhost'] } }, 'postgresql.pg_hba.0 is ***; allowed: one line'],
    [{ postgresql: { use_slot: true } }, 'postgresql.use_slot is unknown (did you mean use_slots?)'],
    [{ standby_cluster: { host: 'a', primary_slot_name: 'A-b' } }, 'standby_cluster.primary_slot_name is ***'],
    [
      { standby_cluster: { host: 'a', recovery_min_apply_delay: [1] } },
      'recovery_min_apply_delay is ***; allowed: a text',
    ],
  ])('refuses %j', (config, message) => {
    expect(decode(config).config).toBeNull();
    expect(whats(config).join('\n')).toContain(message);
  });

  it('raises what is too small, and leaves out what slotkeeper says itself, with a warning', () => {
    const config = {
      postgresql: { parameters: { max_wal_senders: 1, port: 1, hot_standby: 'off' }, callbacks: { on_start: 'a' } },
    };
    const { config: read, problems } = decode(config);
    expect(read?.lead.postgresql.parameters).toEqual({ max_wal_senders: '3' });
    expect(problems.map(({ severity }) => severity)).toEqual(['warning', 'warning', 'warning', 'warning']);
    expect(whats(config)).toEqual([
      "postgresql.parameters.port is not used; allowed: postgresql.listen in each agent's file",
      'postgresql.parameters.hot_standby is not used; allowed: nothing, it is always on',
      'postgresql.parameters.max_wal_senders is *** (at least 3); used instead: 3',
      "postgresql.callbacks is not used; allowed: postgresql.callbacks in each agent's file",
    ]);
  });

  it('never shows a value of sections that may hold secrets', () => {
    const hush = 'HUSH';
    const configs = [
      { postgresql: { pg_hba: [[hush]] } },
      { postgresql: { parameters: { archive_command: `${hush}\n` } } },
      { postgresql: { parameters: { max_connections: hush } } },
      { postgresql: { use_slots: hush } },
      { postgresql: hush },
      { standby_cluster: hush },
      { standby_cluster: { port: hush } },
      { standby_cluster: { restore_command: `${hush}\n` } },
    ];
    for (const config of configs) {
      expect(decode(config).config, JSON.stringify(config)).toBeNull();
      expect(JSON.stringify(decode(config).problems)).not.toContain(hush);
      expect(JSON.stringify(decode(config, null).problems)).not.toContain(hush);
    }
  });
});

describe('who reads it', () => {
  const foreign = { pause: true, synchronous_mode: 'quorum', postgresql: { parameters: { max_connections: 'x' } } };

  it('does not matter to an agent that observes: another tool has its own rules', () => {
    const { config, problems } = decode(foreign, 'observe');
    expect(problems).toEqual([]);
    expect(config).toEqual({ ...defaultConfig, pause: true });
  });

  it('is told as a warning where nobody knows what the agents do', () => {
    const { config, problems } = decode(foreign, null);
    expect(config).toEqual({ ...defaultConfig, pause: true });
    expect(problems.map(({ severity }) => severity)).toEqual(['warning', 'warning']);
    expect(whats(foreign, null)[0]).toMatch(/^synchronous_mode is "quorum"; .* \(with ha: manage\)$/);
  });

  it('is refused by an agent that leads', () => {
    expect(decode(foreign, 'manage').config).toBeNull();
  });
});

describe('a hostile value', () => {
  it('cannot reach a prototype', () => {
    const raw = '{"postgresql":{"parameters":{"__proto__":{"a":"b"},"constructor":"x"}}}';
    expect(decodeDynamicConfig(raw, 'manage').config).toBeNull();
    const named = decodeDynamicConfig('{"postgresql":{"parameters":{"__proto__":"x"}}}', 'manage');
    expect(Object.keys(named.config?.lead.postgresql.parameters ?? {})).toEqual(['__proto__']);
    expect(({} as Record<string, unknown>)['a']).toBeUndefined();
  });

  it('never makes the decoder throw, and never gives a line more than it has', () => {
    const keys = fc.constantFrom(
      ...['maximum_lag_on_failover', 'synchronous_mode', 'member_slots_ttl', 'postgresql', 'standby_cluster'],
      ...['promotion_guard', 'primary_start_timeout', 'failsafe_mode'],
    );
    const inner = fc.constantFrom(
      ...['parameters', 'pg_hba', 'recovery_conf', 'use_slots', 'host', 'port', 'restore_command', '__proto__'],
    );
    const anyJson = fc.jsonValue({ maxDepth: 1 });
    const value = fc.oneof(anyJson, fc.dictionary(inner, fc.oneof(anyJson, fc.dictionary(fc.string(), anyJson))));
    fc.assert(
      fc.property(fc.dictionary(keys, value), (config) => {
        const decoded = decode(config);
        expect(decoded.config === null).toBe(decoded.problems.some(({ severity }) => severity === 'error'));
        const { parameters = {}, hba } = decoded.config?.lead.postgresql ?? {};
        expect([...Object.entries(parameters).flat(), ...(hba ?? [])].filter((line) => /[\n\r\0]/.test(line))).toEqual(
          [],
        );
      }),
      { numRuns: 300 },
    );
  });
});
