import { equal } from '../../base/equal.ts';
import { describeError } from '../../base/errors.ts';
import { decodeDynamicConfig } from '../../config/dynamic.ts';
import type { ConsulPort, TxnOperation } from '../../consul/port.ts';
import { redact } from '../redact.ts';
import { json, refusal, type Answer, type Moment } from './answer.ts';
import { nothingRead } from './cluster.ts';
import { parseConfigDocument, patchConfigDocument, type ConfigDocument } from './config-document.ts';

/** Where the configuration is written. */
export interface ConfigStore {
  readonly consul: Pick<ConsulPort, 'transact'>;
  /** The full name of the key `config`. */
  readonly key: string;
}

/** A request to write is given up after this time, so that a Consul that does not answer holds nobody. */
const writeTimeoutMs = 10_000;

/** `GET /config`: the document as it stands in Consul, also where it is wrong as a configuration. */
export function answerConfig({ turn: { view } }: Moment): Answer {
  const { keys } = view.consul;
  if (keys === null) return nothingRead();
  if (keys.config === null) return refusal(502, 'there is no cluster configuration in Consul');
  const document = parseConfigDocument(keys.configText);
  return document === null
    ? refusal(502, 'the cluster configuration in Consul is not a JSON object')
    : json(200, document);
}

/** `PATCH /config`: lays the body over what is there. 503 when there is nothing to lay it over. */
export async function patchConfig(store: ConfigStore, moment: Moment, body: string): Promise<Answer> {
  const patch = parseConfigDocument(body);
  if (patch === null) return notAnObject();
  const { keys } = moment.turn.view.consul;
  if (keys === null) return nothingRead();
  const present = parseConfigDocument(keys.configText);
  if (present === null)
    return refusal(503, 'there is no cluster configuration in Consul that could be changed; PUT a whole one');
  return write(store, moment, present, patchConfigDocument(present, patch));
}

/** `PUT /config`: the body is the whole new configuration. */
export async function putConfig(store: ConfigStore, moment: Moment, body: string): Promise<Answer> {
  const document = parseConfigDocument(body);
  if (document === null) return notAnObject();
  const { keys } = moment.turn.view.consul;
  if (keys === null) return nothingRead();
  return write(store, moment, parseConfigDocument(keys.configText), document);
}

/**
 * Writes only what is right as a whole, and only over what this agent has read: 400 with every mistake, 409 when the key
 * has changed since, 503 when Consul cannot be asked; nothing is written then.
 */
async function write(
  { consul, key }: ConfigStore,
  { turn: { view } }: Moment,
  present: ConfigDocument | null,
  wanted: ConfigDocument,
): Promise<Answer> {
  const value = JSON.stringify(wanted);
  const { config, problems } = decodeDynamicConfig(value, view.self.ha);
  if (config === null) {
    return refusal(400, 'the cluster configuration would be wrong; nothing was written', {
      problems: problems.map(({ what }) => what),
    });
  }
  if (present !== null && equal(present, wanted)) return json(200, wanted);
  const index = view.consul.keys?.config?.modifyIndex ?? null;
  const operations: readonly TxnOperation[] =
    index === null
      ? [
          { verb: 'check-not-exists', key },
          { verb: 'set', key, value },
        ]
      : [{ verb: 'cas', key, value, index }];
  try {
    const result = await consul.transact(operations, AbortSignal.timeout(writeTimeoutMs));
    return result.kind === 'done'
      ? json(200, wanted)
      : refusal(409, 'the cluster configuration has changed meanwhile; read it again and try once more');
  } catch (error) {
    return refusal(503, `the cluster configuration could not be written: ${redact(describeError(error))}`);
  }
}

function notAnObject(): Answer {
  return refusal(400, 'the body is not a JSON object; nothing was written');
}
