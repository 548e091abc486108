import { describe, expect, test } from 'vitest';
import type { StatusExtras } from '../../../src/domain/cluster.ts';
import type { DynamicConfig, FailoverSlotsConfig } from '../../../src/domain/config.ts';
import { noTags } from '../../../src/domain/config.ts';
import type { ServerLook } from '../../../src/domain/server.ts';
import type { LogicalSlot } from '../../../src/domain/slot.ts';
import { templateName } from '../../../src/domain/template.ts';
import type { View } from '../../../src/view/view.ts';
import {
  aConfig,
  actionsOf,
  after,
  done,
  holdOf,
  kindsOf,
  later,
  reports,
  statusKey,
} from '../../support/situations.ts';
import {
  aKey,
  aLedger,
  aLogicalReport,
  aLogicalSlot,
  aMember,
  aPhysicalSlot,
  aPrimaryLook,
  aSelf,
  aStandbyLook,
  aView,
  nowMs,
  sessionOf,
  someKeys,
} from '../../support/turns.ts';

const shop = templateName('shop');

function aTemplate(over: Partial<LogicalSlot> = {}): LogicalSlot {
  return aLogicalSlot({ name: shop, confirmedFlushLsn: 0x2c00n, restartLsn: 0x2800n, ...over });
}

interface Situation {
  readonly slots?: readonly LogicalSlot[];
  readonly look?: Partial<ServerLook>;
  readonly settings?: Partial<ServerLook['settings']>;
  readonly config?: DynamicConfig;
  readonly status?: Partial<StatusExtras>;
  readonly view?: Partial<View>;
}

/** `beta`, a standby on PostgreSQL 16, of which the primary says that `orders` is to be there. */
function standby({ slots = [], look = {}, settings = {}, config, status = {}, view = {} }: Situation = {}): View {
  const usual = aView('beta');
  const base = aStandbyLook({ versionNum: 160_014, slots, ...look });
  return aView('beta', {
    config: config ?? aConfig({ slots: new Map() }),
    consul: { contact: { kind: 'good', atMs: nowMs }, keys: someKeys({ status: statusKey(status) }) },
    local: { ...usual.local, look: { ...base, settings: { ...base.settings, ...settings } } },
    ...view,
  });
}

const auto = (over: Partial<FailoverSlotsConfig>) => aConfig({ slots: new Map() }, over);
const create = { kind: 'create_template', slot: shop, database: 'shop' };

describe('a template slot', () => {
  const cases: readonly (readonly [string, Situation, unknown[]])[] = [
    ['is made for a database with a followed slot', {}, [create]],
    ['is not made below PostgreSQL 16', { look: { versionNum: 150_018 } }, []],
    ['is not made for file copies', { config: auto({ method: 'file_copy' }) }, []],
    ['is not made where no slot is followed', { status: { logical: reports() } }, []],
    [
      'is made in advance where the configuration names the database',
      { status: { logical: reports() }, config: auto({ templateDatabases: ['postgres', 'nowhere'] }) },
      [{ kind: 'create_template', slot: templateName('postgres'), database: 'postgres' }],
    ],
    [
      'is made in advance where a slot is declared, so that it is older than the slot',
      { status: { logical: reports() }, config: aConfig() },
      [create],
    ],
    ['waits for hot_standby_feedback', { settings: { hotStandbyFeedback: false } }, []],
    ['needs a physical slot to stream through', { settings: { primarySlotName: '' } }, []],
    ['needs room', { settings: { maxReplicationSlots: 0 } }, []],
    ['is made once', { slots: [aTemplate({ confirmedFlushLsn: null, active: true })] }, []],
    [
      'is not made on a member that is to have no slots',
      { view: { self: aSelf('beta', { tags: { ...noTags, nofailover: true } }) } },
      [],
    ],
    [
      'is made for slots that PostgreSQL synchronises, so that it can take them over',
      { look: { versionNum: 170_010 }, status: { logical: reports(['orders', aLogicalReport({ failover: true })]) } },
      [create],
    ],
  ];
  test.each(cases)('%s', (_, situation, wanted) => {
    expect(actionsOf(standby(situation), 'create_template')).toEqual(wanted);
  });

  test('no room for it is a named problem, and what is short is said', () => {
    const view = standby({ settings: { maxReplicationSlots: 0 } });
    expect(holdOf(view, `template slot ${shop}`)).toMatch(/max_replication_slots is 0/);
  });

  test('switches hot_standby_feedback on before it is made', () => {
    const view = standby({
      settings: { hotStandbyFeedback: false },
      status: { logical: reports() },
      config: aConfig(),
    });
    expect(kindsOf(view)).toContain('set_feedback');
  });

  test('keeps just behind what new slots begin after, at a pace of its own', () => {
    const view = standby({ slots: [aTemplate(), aLogicalSlot()], status: { templateLsn: 0x4800n } });
    const advance = { kind: 'advance_logical_slot', slot: shop, database: 'shop', target: 0x4800n } as const;
    expect(actionsOf(view, 'advance_logical_slot')).toEqual([advance]);
    const look = aStandbyLook({
      versionNum: 160_014,
      slots: [aTemplate({ confirmedFlushLsn: 0x4700n }), aLogicalSlot()],
    });
    const moved = after(view, [
      { kind: 'started', action: advance },
      done(advance, 0x4700n, 300, nowMs + 200),
      { kind: 'look', startedAtMs: nowMs + 1_000, look },
    ]);
    expect(actionsOf(moved, 'advance_logical_slot')).toEqual([]);
    expect(actionsOf(later(moved, 2_900), 'advance_logical_slot')).toEqual([advance]);
  });

  test('stays where it is while the primary does not say where new slots begin', () => {
    const view = standby({ slots: [aTemplate(), aLogicalSlot()], status: { templateLsn: null } });
    expect(actionsOf(view, 'advance_logical_slot')).toEqual([]);
  });

  test('never passes a slot that is still to be made from it', () => {
    const logical = reports(['orders', aLogicalReport()], ['sales', aLogicalReport()]);
    const view = standby({ slots: [aTemplate(), aLogicalSlot()], status: { logical, templateLsn: 0x4800n } });
    const keys = someKeys({
      status: statusKey(
        { logical, templateLsn: 0x4800n },
        {
          slots: new Map([
            ['orders', 0x3000n],
            ['sales', 0x2e00n],
          ]),
        },
      ),
    });
    const waiting = after(view, [{ kind: 'keys', keys }]);
    expect(actionsOf(waiting, 'advance_logical_slot').map(({ target }) => target)).toEqual([0x2e00n]);
  });

  test.each([
    ['PostgreSQL invalidated it', aTemplate({ invalidation: 'rows_removed' })],
    ['its WAL is gone', aTemplate({ walOnDisk: false })],
  ])('is dropped to be made anew when %s', (_, template) => {
    const view = standby({ slots: [template, aLogicalSlot()] });
    expect(actionsOf(view, 'drop_slot')).toMatchObject([{ slot: shop, type: 'logical' }]);
  });

  test.each([
    ['nothing is followed in its database any more', { status: { logical: reports() } }],
    ['file copies are asked for', { config: auto({ method: 'file_copy' }) }],
    ['the member is to have no slots', { view: { self: aSelf('beta', { tags: { ...noTags, nostream: true } }) } }],
  ])('is dropped when %s, and nothing before a configuration was read', (_, situation: Situation) => {
    const slots = [aTemplate()];
    expect(actionsOf(standby({ slots, ...situation }), 'drop_slot').map(({ slot }) => slot)).toEqual([shop]);
    const unread = standby({ slots, ...situation, view: { ...situation.view, config: null } });
    expect(actionsOf(unread, 'drop_slot')).toEqual([]);
  });

  test('is told of in the member key once it can be used, and the primary is asked for what it waits for', () => {
    const making = actionsOf(standby({ slots: [aTemplate({ confirmedFlushLsn: null })] }), 'publish_member')[0];
    expect(making?.member.extras).toMatchObject({ wantsSnapshot: true, templates: new Map() });
    const made = actionsOf(standby({ slots: [aTemplate(), aLogicalSlot()] }), 'publish_member')[0];
    expect(made?.member.extras).toMatchObject({ wantsSnapshot: false, templates: new Map([['shop', 0x2c00n]]) });
  });

  test('has no verdict, is no leftover, and is nobody’s slot to follow', () => {
    const view = standby({ slots: [aTemplate(), aLogicalSlot()] });
    expect(view.verdicts.map(({ slot }) => slot)).toEqual(['orders']);
    expect(actionsOf(view, 'drop_slot')).toEqual([]);
    const slots = [aPhysicalSlot(), aLogicalSlot(), aTemplate()];
    const primary = aView('alpha', {
      config: auto({ synchronizeSlotNames: [{ key: 'name_like', value: '%' }] }),
      local: { ...aView('alpha').local, look: aPrimaryLook({ versionNum: 160_014, slots }) },
    });
    const [published] = actionsOf(primary, 'publish_status');
    expect([...(published?.status.extras?.logical.keys() ?? [])]).toEqual(['orders']);
  });

  test('is dropped on a server that was promoted, where it was known as ours before', () => {
    const slots = [aPhysicalSlot(), aLogicalSlot(), aTemplate()];
    const look = aPrimaryLook({ versionNum: 160_014, slots });
    const known = after(standby({ slots: [aTemplate()] }), [
      { kind: 'look', startedAtMs: nowMs + 50, look: aStandbyLook({ versionNum: 160_014, slots: [aTemplate()] }) },
    ]).ledger;
    const primary = (ledger: View['ledger']): View =>
      aView('alpha', { config: aConfig(), ledger, local: { ...aView('alpha').local, look } });
    expect(actionsOf(primary({ ...known!, member: 'alpha' }), 'drop_slot').map(({ slot }) => slot)).toEqual([shop]);
    expect(actionsOf(primary(aLedger('alpha')), 'drop_slot')).toEqual([]);
  });
});

describe('a slot made from a template', () => {
  const copy = {
    kind: 'copy_from_template',
    slot: 'orders',
    template: shop,
    database: 'shop',
    plugin: 'pgoutput',
    target: 0x3000n,
  } as const;

  test('is copied, without a restart, as soon as it is known', () => {
    const view = standby({ slots: [aTemplate()] });
    expect(actionsOf(view, 'copy_from_template')).toEqual([copy]);
    expect(kindsOf(later(view, 60_000))).not.toContain('copy_slots');
    expect(kindsOf(later(view, 60_000))).not.toContain('take_turn');
  });

  test('may have another plugin than the template', () => {
    const logical = reports(['orders', aLogicalReport({ plugin: 'test_decoding' })]);
    const view = standby({ slots: [aTemplate()], status: { logical } });
    expect(actionsOf(view, 'copy_from_template')).toEqual([{ ...copy, plugin: 'test_decoding' }]);
  });

  test('is ready at the next look: PostgreSQL marks it if rows were removed that it needs', () => {
    const view = standby({ slots: [aTemplate({ catalogXmin: 690 })] });
    const slots = [aTemplate({ catalogXmin: 690 }), aLogicalSlot({ catalogXmin: 690 })];
    const physical = new Map([['beta', { restartLsn: 0x4000n, xmin: 690, catalogXmin: 690, active: true }]]);
    const made = after(view, [
      { kind: 'keys', keys: someKeys({ index: 101, status: statusKey({ physical }, { optime: 0x4e00n }) }) },
      { kind: 'started', action: copy },
      done(copy, 0x3000n, 20, nowMs + 300),
      { kind: 'look', startedAtMs: nowMs + 500, look: aStandbyLook({ versionNum: 160_014, slots }) },
    ]);
    expect(made.verdicts).toMatchObject([{ slot: 'orders', verdict: { kind: 'ready' }, method: 'template' }]);
    expect(made.ledger?.slots.get('orders')).toMatchObject({ decodable: true });
    const notReplayed = aStandbyLook({ versionNum: 160_014, slots, replayedLsn: 0x4dffn });
    const behind = after(made, [{ kind: 'look', startedAtMs: nowMs + 700, look: notReplayed }]);
    expect(behind.verdicts).toMatchObject([{ verdict: { kind: 'not_ready', reason: /catalog_xmin 690 is older/ } }]);
  });

  const old = { slots: [aTemplate({ confirmedFlushLsn: 0x3001n })] };

  test('waits for its consumer when it is older than the template, and the verdict says so', () => {
    const view = standby(old);
    expect(actionsOf(view, 'copy_from_template')).toEqual([]);
    expect(view.verdicts).toMatchObject([
      { slot: 'orders', verdict: { kind: 'not_ready', reason: /now at 0\/3000, has passed 0\/3001/ } },
    ]);
    expect(kindsOf(later(view, 60_000))).not.toContain('take_turn');
    const keys = someKeys({ index: 101, status: statusKey({}, { slots: new Map([['orders', 0x3001n]]) }) });
    const passed = after(view, [{ kind: 'keys', keys }]);
    expect(actionsOf(passed, 'copy_from_template')).toEqual([{ ...copy, target: 0x3001n }]);
  });

  test('is copied by file when it is older and a restart is allowed, but not before its consumer had time', () => {
    const sixteen = aMember('alpha');
    const members = new Map(someKeys().members).set(
      'alpha',
      aKey({ ...sixteen, extras: { ...sixteen.extras!, serverVersionNum: 160_014 } }, { session: sessionOf('alpha') }),
    );
    const usual = standby({ ...old, config: auto({ restart: 'allow' }) });
    const view = { ...usual, consul: { ...usual.consul, keys: { ...usual.consul.keys!, members } } };
    const look = aStandbyLook({ versionNum: 160_014, slots: old.slots });
    const seen = after(view, [{ kind: 'look', startedAtMs: nowMs + 50, look }]);
    expect(kindsOf(later(seen, 9_000))).not.toContain('take_turn');
    expect(kindsOf(later(seen, 11_000))).toContain('take_turn');
  });

  test('is waited for by the template while its consumer moves, and not for longer', () => {
    const look = aStandbyLook({ versionNum: 160_014, slots: old.slots });
    const moved = after(standby(old), [{ kind: 'look', startedAtMs: nowMs + 50, look }]);
    expect(actionsOf(moved, 'advance_logical_slot')).toEqual([]);
    expect(actionsOf(later(moved, 31_000), 'advance_logical_slot').map(({ slot }) => slot)).toEqual([shop]);
  });

  test('replaces one of its name that is of no use, and only when it can be made at once', () => {
    const damaged = aLogicalSlot({ invalidation: 'rows_removed' });
    const view = standby({ slots: [damaged, aTemplate()] });
    expect(actionsOf(view, 'drop_slot')).toMatchObject([{ slot: 'orders' }]);
    expect(actionsOf(standby({ slots: [damaged, ...old.slots] }), 'drop_slot')).toEqual([]);
    // The leader's status may still be from before.
    const ignoring = aConfig({ slots: new Map(), ignoreSlots: [{ name: 'orders' }] });
    expect(actionsOf(standby({ slots: [damaged, aTemplate()], config: ignoring }), 'drop_slot')).toEqual([]);
  });

  test('with two_phase is left to a file copy: PostgreSQL copies slots without it', () => {
    const logical = reports(['orders', aLogicalReport({ twoPhase: true })]);
    const view = standby({ slots: [aTemplate()], status: { logical } });
    expect(actionsOf(view, 'copy_from_template')).toEqual([]);
    expect(view.verdicts).toMatchObject([{ verdict: { reason: /failover_slots.restart does not allow/ } }]);
  });
});

describe('the primary', () => {
  const asks = (over: Partial<ReturnType<typeof aMember>['extras']> = {}): View => {
    const member = aMember('beta');
    const key = aKey(
      { ...member, extras: { ...member.extras!, wantsSnapshot: true, ...over } },
      { modifyIndex: 41, session: sessionOf('beta') },
    );
    const usual = aView('alpha', { config: aConfig() });
    const look = aPrimaryLook({ versionNum: 160_014 });
    return {
      ...usual,
      consul: { ...usual.consul, keys: someKeys({ members: new Map(someKeys().members).set('beta', key) }) },
      local: {
        ...usual.local,
        look: { ...look, privileges: { ...look.privileges, logStandbySnapshot: true } },
      },
    };
  };
  const snapshot = { kind: 'log_standby_snapshot' } as const;

  test('logs the running transactions for whoever waits for them, not more often than is of use', () => {
    const view = asks();
    expect(actionsOf(view, snapshot.kind)).toEqual([snapshot]);
    expect(actionsOf(asks({ wantsSnapshot: false }), snapshot.kind)).toEqual([]);
    const look = view.local.look!;
    const logged = after(
      view,
      [{ kind: 'started', action: snapshot }, done(snapshot, null), { kind: 'look', startedAtMs: nowMs + 50, look }],
      20,
    );
    expect(actionsOf(logged, snapshot.kind)).toEqual([]);
    expect(actionsOf(later(logged, 200), snapshot.kind)).toEqual([snapshot]);
  });

  test('logs them less often for whoever waits for long: that is for something else as well', () => {
    const view = asks();
    const look = view.local.look!;
    const logged = (from: View): View =>
      after(from, [
        { kind: 'started', action: snapshot },
        done(snapshot, null),
        { kind: 'look', startedAtMs: from.nowMs + 250, look },
      ]);
    const sinceMs = (ms: number): View => logged(later(after(view, [{ kind: 'look', startedAtMs: nowMs, look }]), ms));
    expect(actionsOf(later(sinceMs(6_000), 600), snapshot.kind)).toEqual([]);
    expect(actionsOf(later(sinceMs(6_000), 1_000), snapshot.kind)).toEqual([snapshot]);
    expect(actionsOf(later(sinceMs(61_000), 4_000), snapshot.kind)).toEqual([]);
    expect(actionsOf(later(sinceMs(61_000), 5_000), snapshot.kind)).toEqual([snapshot]);
  });

  test('says how far templates may go: not past a slot that is being made', () => {
    const usual = aView('alpha', { config: aConfig() });
    const making = aLogicalSlot({ name: 'sales', confirmedFlushLsn: null, restartLsn: 0x4a00n, active: true });
    const publish = (slots: ServerLook['slots']) =>
      actionsOf(
        { ...usual, local: { ...usual.local, look: aPrimaryLook({ currentLsn: 0x9000n, slots }) } },
        'publish_status',
      )[0]?.status.extras?.templateLsn;
    expect(publish([aLogicalSlot({ confirmedFlushLsn: 0x3100n })])).toBe(0x9000n);
    expect(publish([aLogicalSlot({ confirmedFlushLsn: 0x3100n }), making])).toBe(0x4a00n);
  });

  test('makes a declared slot after the standbys have a template for it, but does not wait for long', () => {
    const view = (templates: ReadonlyMap<string, bigint>, slots = [aPhysicalSlot()]): View => {
      const asked = asks({ wantsSnapshot: false, templates });
      const look = { ...asked.local.look!, slots };
      return after({ ...asked, memory: { ...asked.memory, lastStatus: null } }, [
        { kind: 'look', startedAtMs: nowMs + 50, look },
      ]);
    };
    expect(holdOf(view(new Map()), 'slot orders')).toMatch(/beta first makes a template/);
    expect(actionsOf(view(new Map([['shop', 1n]])), 'create_logical_slot')).toHaveLength(1);
    expect(actionsOf(later(view(new Map()), 3_100), 'create_logical_slot')).toHaveLength(1);
    // agents that are started together
    const stranger = [aPhysicalSlot(), aPhysicalSlot({ name: 'gamma' })];
    expect(holdOf(view(new Map([['shop', 1n]]), stranger), 'slot orders')).toMatch(/behind the slot gamma/);
  });

  test('follows every slot where that costs no restart, unless the filter says otherwise', () => {
    const followed = (versionNum: number, over: Partial<FailoverSlotsConfig> = {}) => {
      const usual = aView('alpha', { config: auto(over) });
      const look = aPrimaryLook({ versionNum, slots: [aLogicalSlot({ confirmedFlushLsn: 0x3100n })] });
      const [action] = actionsOf({ ...usual, local: { ...usual.local, look } }, 'publish_status');
      return [...(action?.status.extras?.logical.keys() ?? [])];
    };
    expect(followed(160_014)).toEqual(['orders']);
    expect(followed(150_018)).toEqual([]);
    expect(followed(160_014, { method: 'file_copy' })).toEqual([]);
    expect(followed(160_014, { synchronizeSlotNames: [] })).toEqual([]);
  });
});

test('the names of templates are slot names, and differ where the databases do', () => {
  const names = ['shop', 'Shop', 'shop.eu', 'shop_eu', 'x'.repeat(63), 'x'.repeat(62) + 'y', 'größe'].map(templateName);
  for (const name of names) expect(name).toMatch(/^slotkeeper_template_[a-z0-9_]{1,43}$/);
  expect(new Set(names).size).toBe(names.length);
  expect(templateName('shop')).toBe('slotkeeper_template_shop');
});
