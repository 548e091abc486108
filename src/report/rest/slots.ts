import { leaderName } from '../../domain/cluster.ts';
import { slotsUnknownBecause, slotSummaries, templateRows } from '../explain.ts';
import { gateToJson, historyToJson, lostToJson, summaryToJson, templateToJson } from '../slots-json.ts';
import { json, type Answer, type Moment } from './answer.ts';
import { nothingRead } from './cluster.ts';
import { contactStatus } from './member-status.ts';

/**
 * `/slots`: every slot with its verdict, method, reason, position and lag on every member, the template slots of the
 * standbys, the gate, and what is lost; `?history` adds what each promotion did to the slots.
 */
export function answerSlots({ turn: { view, plan }, nowMs }: Moment, query: URLSearchParams): Answer {
  const { keys, contact } = view.consul;
  if (keys === null) return nothingRead();
  const member = view.self.name;
  const unknown = slotsUnknownBecause(keys);
  return json(200, {
    scope: view.self.scope,
    leader: leaderName(keys),
    ...(unknown === null ? {} : { unknown }),
    slots: slotSummaries(keys, { member, verdicts: view.verdicts }).map(summaryToJson),
    templates: templateRows(keys, { member, templates: plan.member.extras?.templates ?? new Map() }).map(
      templateToJson,
    ),
    gate: gateToJson(keys),
    lost: lostToJson(keys),
    ...(query.has('history') ? { history: historyToJson(keys.slotHistory?.value ?? []) } : {}),
    consul: contactStatus(contact, nowMs),
  });
}
