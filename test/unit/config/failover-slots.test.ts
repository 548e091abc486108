import { describe, expect, it } from 'vitest';
import { decodeDynamicConfig } from '../../../src/config/dynamic.ts';

const decode = (failover_slots: unknown) => decodeDynamicConfig(JSON.stringify({ failover_slots }));
const read = (failover_slots: unknown) => decode(failover_slots).config?.failoverSlots;
const whats = (failover_slots: unknown) =>
  decode(failover_slots).problems.map(({ what }) => what.replace('cluster configuration: failover_slots.', ''));

describe('how slots get onto standbys', () => {
  it.each(['auto', 'file_copy', 'template', 'native'] as const)('method %s', (method) => {
    expect(read({ method })).toMatchObject({ method });
  });

  it.each(['allow', 'never', null] as const)('restart %s: null leaves it to the version', (restart) => {
    expect(read({ restart })).toMatchObject({ restart });
  });

  it('template_databases are names as the catalogs have them', () => {
    expect(read({ template_databases: ['shop', 'Über Maß', 7] })?.templateDatabases).toEqual(['shop', 'Über Maß', '7']);
  });

  it.each([
    [{ method: 'magic' }, 'method is "magic"; allowed: one of auto, file_copy, template, native'],
    [{ method: true }, 'method is true; allowed: one of auto'],
    [{ restart: 'maybe' }, 'restart is "maybe"; allowed: one of allow, never'],
    [{ template_databases: 'shop' }, 'template_databases is "shop"; allowed: a list of names of databases'],
    [{ template_databases: ['shop', ''] }, 'template_databases.1 is ""; allowed: the name of a database'],
    [{ template_databases: ['a\nb'] }, 'allowed: the name of a database'],
    [{ template_databases: [{}] }, 'template_databases.0 is an object; allowed: the name of a database'],
    [
      { template_databases: ['shop', 'crm', 'shop'] },
      'template_databases.2 is "shop" (it is there twice); allowed: each database once',
    ],
    [{ template_database: ['shop'] }, 'template_database is unknown (did you mean template_databases?)'],
  ])('refuses %j', (given, message) => {
    expect(read(given)).toBeUndefined();
    expect(whats(given).join('\n')).toContain(message);
  });
});

describe('the gate', () => {
  it.each([
    [null, null],
    ['', null],
    [' , ', null],
    [[], null],
    ['all', 'all'],
    [['all'], 'all'],
    ['node1, node2', ['node1', 'node2']],
    [
      ['node1', 'backup_slot'],
      ['node1', 'backup_slot'],
    ],
  ])('standby_slot_names %j', (given, names) => {
    expect(read({ standby_slot_names: given })).toMatchObject({ standbySlotNames: names });
  });

  it('reads its bounds, also as texts', () => {
    expect(
      read({
        standby_slot_names: ['a', 'b'],
        standby_slots_min_confirmed: '1',
        standby_slots_max_lag: 0,
        standby_slots_grace: '-1',
      }),
    ).toMatchObject({ standbySlotsMinConfirmed: 1, standbySlotsMaxLagBytes: 0, standbySlotsGraceSeconds: -1 });
  });

  it.each([
    [{ standby_slot_names: 7 }, 'standby_slot_names is 7; allowed: all, or names of members'],
    [{ standby_slot_names: {} }, 'standby_slot_names is an object; allowed: all, or names'],
    [{ standby_slot_names: ['a/b'] }, 'standby_slot_names.0 is "a/b"; allowed: a member or a physical slot'],
    [{ standby_slot_names: 'a,,b' }, 'standby_slot_names.1 is ""; allowed: a member or a physical slot'],
    [{ standby_slot_names: [['a']] }, 'standby_slot_names.0 is a list of 1; allowed: a member'],
    [{ standby_slot_names: 'all, node1' }, 'standby_slot_names is "all, node1" (all stands alone); allowed: all, or'],
    [
      { standby_slot_names: ['node1', 'node2', 'node1'] },
      'standby_slot_names.2 is "node1" (it is there twice); allowed: each standby once',
    ],
    [
      { standby_slot_names: ['Node-1', 'node_1'] },
      'standby_slot_names.1 is "node_1" (it is the same as "Node-1"); allowed: each standby once',
    ],
    [{ standby_slots_min_confirmed: -2 }, 'standby_slots_min_confirmed is -2; allowed: a whole number from -1 to 100'],
    [{ standby_slots_min_confirmed: 'most' }, 'standby_slots_min_confirmed is "most"; allowed: a whole number'],
    [
      { standby_slot_names: ['a', 'b'], standby_slots_min_confirmed: 3 },
      'standby_slots_min_confirmed is 3; allowed: -1 to 2, the number of names in standby_slot_names',
    ],
    [{ standby_slots_max_lag: -1 }, 'standby_slots_max_lag is -1; allowed: a whole number from 0'],
    [{ standby_slots_max_lag: '16MB' }, 'standby_slots_max_lag is "16MB"; allowed: a whole number from 0'],
    [{ standby_slots_grace: -2 }, 'standby_slots_grace is -2; allowed: a whole number from -1 to 86400'],
    [{ standby_slots_grace: 'soon' }, 'standby_slots_grace is "soon"; allowed: a whole number'],
    [{ standby_slot_name: 'all' }, 'standby_slot_name is unknown (did you mean standby_slot_names?)'],
  ])('refuses %j', (given, message) => {
    expect(read(given)).toBeUndefined();
    expect(whats(given).join('\n')).toContain(message);
  });

  it('takes more confirmations than there are names only where the names are not fixed', () => {
    expect(read({ standby_slot_names: 'all', standby_slots_min_confirmed: 5 })).toMatchObject({
      standbySlotsMinConfirmed: 5,
    });
  });
});
