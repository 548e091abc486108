import type { GateReport } from '../../domain/cluster.ts';
import {
  arrayField,
  describe,
  fieldOf,
  objectField,
  readMap,
  type Complain,
  type Json,
  type JsonObject,
} from './reading.ts';
import { isSlotName } from './slot-reports.ts';
import { mapToJson, withoutNulls } from './writing.ts';

const enforcers = [
  'synchronized_standby_slots',
  'pg_failover_slots',
] as const satisfies readonly GateReport['enforcedBy'][];

/** The gate in `status`: `{enforced_by?, slots: [name], left_out: {name: why}}`. Entries that cannot be read are left out. */
export function readGateReport(object: JsonObject, complain: Complain, place: string): GateReport {
  const found = fieldOf(object, 'enforced_by');
  const enforcedBy = enforcers.find((known) => known === found) ?? null;
  if (found !== undefined && enforcedBy === null) {
    complain(`${place}.enforced_by`, describe(found), `one of ${enforcers.join(', ')}`);
  }
  return {
    enforcedBy,
    slots: (arrayField(object, 'slots', complain, place) ?? []).filter((name, index): name is string =>
      isNameOfSlot(name, complain, `${place}.slots[${index}]`),
    ),
    leftOut: readMap(objectField(object, 'left_out', complain, place), `${place}.left_out`, (why, name, at) =>
      isNameOfSlot(name, complain, at) ? readReason(why, complain, at) : null,
    ),
  };
}

function isNameOfSlot(name: Json, complain: Complain, place: string): name is string {
  if (typeof name === 'string') return isSlotName(name, complain, place);
  complain(place, describe(name), 'a slot name');
  return false;
}

function readReason(why: Json, complain: Complain, place: string): string | null {
  if (typeof why === 'string') return why;
  complain(place, describe(why), 'a text');
  return null;
}

export function gateReportToJson({ enforcedBy, slots, leftOut }: GateReport): JsonObject {
  return withoutNulls({ enforced_by: enforcedBy, slots, left_out: mapToJson(leftOut, (why) => why) });
}
