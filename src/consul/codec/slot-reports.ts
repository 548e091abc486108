import type { PhysicalSlotReport } from '../../domain/cluster.ts';
import { slotNamePattern, type Method, type SlotVerdict, type Verdict, type VerdictKind } from '../../domain/slot.ts';
import {
  describe,
  fieldOf,
  flagField,
  isObject,
  lsnField,
  textField,
  xidField,
  type Complain,
  type Json,
  type JsonObject,
} from './reading.ts';
import { optionalLsnToJson, withoutNulls } from './writing.ts';

const verdictKinds: readonly VerdictKind[] = ['ready', 'not_ready', 'lost', 'orphan', 'ahead'];
const methods: readonly Method[] = ['file_copy', 'template', 'native'];

/** Whether PostgreSQL could have a slot of this name; complains when not. */
export function isSlotName(name: string, complain: Complain, place: string): boolean {
  if (slotNamePattern.test(name)) return true;
  complain(place, `named ${describe(name)}`, 'a slot name: 1 to 63 of a-z, 0-9 and _');
  return false;
}

/** A physical slot as `members/<name>` and `status` have it: `{restart_lsn, xmin, catalog_xmin, active}`. */
export function readPhysicalReport(
  value: Json,
  name: string,
  complain: Complain,
  place: string,
): PhysicalSlotReport | null {
  if (!isSlotName(name, complain, place)) return null;
  if (!isObject(value)) {
    complain(place, describe(value), 'an object');
    return null;
  }
  return {
    restartLsn: lsnField(value, 'restart_lsn', complain, place),
    xmin: xidField(value, 'xmin', complain, place),
    catalogXmin: xidField(value, 'catalog_xmin', complain, place),
    active: flagField(value, 'active', complain, place) ?? false,
  };
}

export function physicalReportToJson(report: PhysicalSlotReport): JsonObject {
  return withoutNulls({
    restart_lsn: optionalLsnToJson(report.restartLsn),
    xmin: report.xmin,
    catalog_xmin: report.catalogXmin,
    active: report.active,
  });
}

/** A verdict: `{verdict, reason?, position?, type, method?}`. The slot's name is beside it, where the verdict is kept. */
export function readSlotVerdict(
  value: Json | undefined,
  slot: string,
  complain: Complain,
  place: string,
): SlotVerdict | null {
  if (!isSlotName(slot, complain, place)) return null;
  if (!isObject(value)) {
    complain(place, describe(value), 'an object');
    return null;
  }
  const verdict = readVerdict(value, complain, place);
  const type = fieldOf(value, 'type');
  if (type !== 'logical' && type !== 'physical') {
    complain(`${place}.type`, describe(type), '"logical" or "physical"');
    return null;
  }
  if (verdict === null) return null;
  const method = readMethod(value, complain, place);
  const position = lsnField(value, 'position', complain, place);
  return { slot, type, verdict, position, ...(method === null ? {} : { method }) };
}

function readMethod(object: JsonObject, complain: Complain, place: string): Method | null {
  const found = fieldOf(object, 'method');
  const method = methods.find((known) => known === found) ?? null;
  if (found !== undefined && method === null) {
    complain(`${place}.method`, describe(found), `one of ${methods.join(', ')}`);
  }
  return method;
}

function readVerdict(object: JsonObject, complain: Complain, place: string): Verdict | null {
  const found = fieldOf(object, 'verdict');
  const kind = verdictKinds.find((known) => known === found);
  if (kind === undefined) {
    complain(`${place}.verdict`, describe(found), `one of ${verdictKinds.join(', ')}`);
    return null;
  }
  return kind === 'ready' ? { kind } : { kind, reason: textField(object, 'reason', complain, place) ?? '' };
}

export function slotVerdictToJson({ verdict, position, type, method }: SlotVerdict): JsonObject {
  return withoutNulls({
    verdict: verdict.kind,
    reason: verdict.kind === 'ready' ? null : verdict.reason,
    position: optionalLsnToJson(position),
    type,
    method: method ?? null,
  });
}
