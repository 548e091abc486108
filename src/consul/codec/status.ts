import type { LogicalSlotReport, LostSlot, Status, StatusExtras } from '../../domain/cluster.ts';
import type { Lsn } from '../../domain/lsn.ts';
import {
  arrayField,
  countField,
  describe,
  fieldOf,
  flagField,
  isObject,
  lsnField,
  objectField,
  parseJson,
  readLsn,
  readMap,
  textField,
  timelineField,
  xidField,
  type Complain,
  type Json,
  type JsonObject,
} from './reading.ts';
import { gateReportToJson, readGateReport } from './gate-report.ts';
import { isSlotName, physicalReportToJson, readPhysicalReport } from './slot-reports.ts';
import { lsnToJson, mapToJson, optionalLsnToJson, withoutNulls } from './writing.ts';

const allowed = 'an object with optime and slots, or a position in bytes';

/**
 * The key `status` in Patroni's form, `{"optime": n, "slots": {name: n}, "retain_slots": [name]}`, or its old form, the
 * bare position; slotkeeper's part is the field `slotkeeper`. Entries that cannot be read are left out.
 */
export function decodeStatus(raw: string, complain: Complain): Status | null {
  const value = parseJson(raw, complain, allowed);
  if (value === undefined) return null;
  if (typeof value === 'number') {
    const optime = readLsn(value, complain, '');
    return optime === null ? null : { optime, slots: new Map(), retainSlots: [], extras: null };
  }
  if (!isObject(value)) {
    complain('', describe(value), allowed);
    return null;
  }
  const optime = readLsn(fieldOf(value, 'optime'), complain, 'optime');
  if (optime === null) return null;
  const extras = objectField(value, 'slotkeeper', complain);
  return {
    optime,
    slots: readPositions(unwrapped(value, 'slots', complain), complain),
    retainSlots: readRetained(unwrapped(value, 'retain_slots', complain), complain),
    extras: extras === null ? null : readExtras(extras, complain),
  };
}

export function encodeStatus(status: Status): string {
  return JSON.stringify({
    optime: lsnToJson(status.optime),
    slots: mapToJson(status.slots, lsnToJson),
    retain_slots: status.retainSlots,
    ...(status.extras === null ? {} : { slotkeeper: extrasToJson(status.extras) }),
  });
}

/** The legacy key `optime/leader`: the bare position in digits. */
export function decodeOptime(raw: string, complain: Complain): Lsn | null {
  return readLsn(raw.trim(), complain, '');
}

export function encodeOptime(optime: Lsn): string {
  return String(lsnToJson(optime));
}

/** Patroni also accepts `slots` and `retain_slots` as JSON inside a text: so they are kept in Kubernetes annotations. */
function unwrapped(object: JsonObject, name: string, complain: Complain): JsonObject {
  const value = fieldOf(object, name);
  if (typeof value !== 'string') return object;
  const inner = parseJson(value, (place, found, what) => complain(name + place, found, what), 'JSON in a text');
  return inner === undefined ? {} : { [name]: inner };
}

function readPositions(object: JsonObject, complain: Complain): ReadonlyMap<string, Lsn> {
  return readMap(objectField(object, 'slots', complain), 'slots', (value, name, place) =>
    isSlotName(name, complain, place) ? readLsn(value, complain, place) : null,
  );
}

function readRetained(object: JsonObject, complain: Complain): readonly string[] {
  return (arrayField(object, 'retain_slots', complain) ?? []).filter((name, index): name is string => {
    const place = `retain_slots[${index}]`;
    if (typeof name === 'string') return isSlotName(name, complain, place);
    complain(place, describe(name), 'a slot name');
    return false;
  });
}

function readExtras(object: JsonObject, complain: Complain): StatusExtras | null {
  const place = 'slotkeeper';
  const timeline = timelineField(object, 'timeline', complain, place);
  const term = indexField(object, 'term', complain);
  const membersIndex = indexField(object, 'members_index', complain);
  // All three order what is said here against other keys: without them it cannot be told whether it is news.
  if (timeline === null || term === null || membersIndex === null) {
    complain(place, 'incomplete', 'an object with timeline, term and members_index');
    return null;
  }
  const section = (name: string): JsonObject | null => objectField(object, name, complain, place);
  const gate = section('gate');
  return {
    term,
    timeline,
    membersIndex,
    logical: readMap(section('logical'), `${place}.logical`, (value, name, at) =>
      readLogicalReport(value, name, complain, at),
    ),
    physical: readMap(section('physical'), `${place}.physical`, (value, name, at) =>
      readPhysicalReport(value, name, complain, at),
    ),
    lost: readMap(section('lost'), `${place}.lost`, (value, name, at) => readLost(value, name, complain, at)),
    templateLsn: lsnField(object, 'template_lsn', complain, place),
    gate: gate === null ? null : readGateReport(gate, complain, `${place}.gate`),
  };
}

function indexField(object: JsonObject, name: string, complain: Complain): number | null {
  return countField(object, name, [0, Number.MAX_SAFE_INTEGER], complain, 'slotkeeper');
}

function readLogicalReport(value: Json, name: string, complain: Complain, place: string): LogicalSlotReport | null {
  if (!isSlotName(name, complain, place)) return null;
  if (!isObject(value)) {
    complain(place, describe(value), 'an object');
    return null;
  }
  const database = textField(value, 'database', complain, place);
  const plugin = textField(value, 'plugin', complain, place);
  const incarnation = lsnField(value, 'incarnation', complain, place);
  // Without these three nobody can tell which slot this is: better no report than half of one.
  if (database === null || plugin === null || incarnation === null) {
    complain(place, 'incomplete', 'an object with database, plugin and incarnation');
    return null;
  }
  return {
    database,
    plugin,
    incarnation,
    twoPhase: flagField(value, 'two_phase', complain, place) ?? false,
    failover: flagField(value, 'failover', complain, place) ?? false,
    restartLsn: lsnField(value, 'restart_lsn', complain, place),
    catalogXmin: xidField(value, 'catalog_xmin', complain, place),
    made: flagField(value, 'made', complain, place) ?? false,
    invalidation: textField(value, 'invalidation', complain, place),
  };
}

function readLost(value: Json, name: string, complain: Complain, place: string): LostSlot | null {
  if (!isSlotName(name, complain, place)) return null;
  if (!isObject(value)) {
    complain(place, describe(value), 'an object');
    return null;
  }
  const from = lsnField(value, 'from', complain, place);
  if (from === null) {
    complain(place, 'incomplete', 'an object with from');
    return null;
  }
  return {
    from,
    why: textField(value, 'why', complain, place) ?? '',
    atWallMs: countField(value, 'at_ms', [0, Number.MAX_SAFE_INTEGER], complain, place) ?? 0,
  };
}

function extrasToJson(extras: StatusExtras): JsonObject {
  return {
    term: extras.term,
    timeline: extras.timeline,
    members_index: extras.membersIndex,
    logical: mapToJson(extras.logical, (slot) =>
      withoutNulls({
        database: slot.database,
        plugin: slot.plugin,
        two_phase: slot.twoPhase,
        failover: slot.failover,
        restart_lsn: optionalLsnToJson(slot.restartLsn),
        catalog_xmin: slot.catalogXmin,
        incarnation: lsnToJson(slot.incarnation),
        made: slot.made,
        invalidation: slot.invalidation,
      }),
    ),
    physical: mapToJson(extras.physical, physicalReportToJson),
    lost: mapToJson(extras.lost, (slot) => ({ from: lsnToJson(slot.from), why: slot.why, at_ms: slot.atWallMs })),
    ...(extras.templateLsn === null ? {} : { template_lsn: lsnToJson(extras.templateLsn) }),
    ...(extras.gate === null ? {} : { gate: gateReportToJson(extras.gate) }),
  };
}
