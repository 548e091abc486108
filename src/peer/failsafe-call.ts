import {
  countField,
  isObject,
  objectField,
  parseJson,
  readLsn,
  readMap,
  textField,
  type Complain,
  type JsonObject,
} from '../consul/codec/reading.ts';
import { lsnToJson, mapToJson, withoutNulls } from '../consul/codec/writing.ts';
import type { FailsafeCall } from '../domain/failsafe.ts';

/** A member that is asked to keep its word for longer than this has been asked by mistake. */
const longestMs = 3_600_000;

/** Patroni's body of `POST /failsafe`, with what is slotkeeper's own under `slotkeeper`. */
export function encodeFailsafeCall(call: FailsafeCall): JsonObject {
  const { leader, connUrl, apiUrl, slots, incarnations, bindsMs } = call;
  return {
    name: leader,
    ...withoutNulls({ conn_url: connUrl, api_url: apiUrl }),
    slots: mapToJson(slots, lsnToJson),
    slotkeeper: { incarnations: mapToJson(incarnations, lsnToJson), ...withoutNulls({ binds_ms: bindsMs }) },
  };
}

/** Reads the body; null = it does not say who asks. A part that can't be read is left out: it binds nobody to less. */
export function decodeFailsafeCall(text: string, complain: Complain): FailsafeCall | null {
  const body = parseJson(text, complain, 'an object with name');
  if (!isObject(body)) return null;
  const leader = textField(body, 'name', complain);
  if (leader === null || leader === '') return null;
  const own = objectField(body, 'slotkeeper', complain) ?? {};
  const positions = (object: JsonObject, name: string): FailsafeCall['slots'] =>
    readMap(objectField(object, name, complain), name, (lsn, _slot, place) => readLsn(lsn, complain, place));
  return {
    leader,
    connUrl: textField(body, 'conn_url', complain),
    apiUrl: textField(body, 'api_url', complain),
    slots: positions(body, 'slots'),
    incarnations: positions(own, 'incarnations'),
    bindsMs: countField(own, 'binds_ms', [0, longestMs], complain),
  };
}
