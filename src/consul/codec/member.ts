import type { Member, MemberExtras, MemberRole } from '../../domain/cluster.ts';
import { noTags, type Tags } from '../../domain/config.ts';
import { tagsFrom } from '../../domain/tags.ts';
import { splitLegacyUrl, withoutCredentials } from './connection-url.ts';
import { bidToJson, readBid } from './lead.ts';
import { readScheduledRestart, scheduledRestartToJson } from './restart.ts';
import { pendingRestartToJson, readPendingRestart } from './pending-restart.ts';
import {
  arrayField,
  countField,
  describe,
  fieldOf,
  flagField,
  isObject,
  lsnField,
  objectField,
  readLsn,
  parseJson,
  readMap,
  textField,
  timelineField,
  type Complain,
  type Json,
  type JsonObject,
} from './reading.ts';
import { physicalReportToJson, readPhysicalReport, readSlotVerdict, slotVerdictToJson } from './slot-reports.ts';
import { lsnToJson, mapToJson, optionalLsnToJson, withoutNulls } from './writing.ts';

const roles: Readonly<Record<string, MemberRole>> = {
  primary: 'primary',
  // Patroni before 4.
  master: 'primary',
  // Patroni's word from the moment of the promotion until the server is seen to write.
  promoted: 'primary',
  replica: 'replica',
  standby_leader: 'standby_leader',
  uninitialized: 'uninitialized',
  demoted: 'demoted',
};

const allowed = 'an object with conn_url, api_url, state and role';

/**
 * The key `members/<name>`, written by slotkeeper or by any Patroni from 2 to 4. Unknown fields do not count; a field
 * that cannot be read is null (`role`: `uninitialized`, which nobody follows and nobody counts on).
 */
export function decodeMember(raw: string, complain: Complain): Member | null {
  if (/^postgres(ql)?:\/\//.test(raw)) return memberFromUrl(raw, complain);
  const value = parseJson(raw, complain, allowed);
  if (value === undefined) return null;
  if (!isObject(value)) {
    complain('', describe(value), allowed);
    return null;
  }
  const slots = objectField(value, 'slots', complain);
  const extras = objectField(value, 'slotkeeper', complain);
  return {
    connUrl: readConnUrl(textField(value, 'conn_url', complain), complain),
    apiUrl: textField(value, 'api_url', complain),
    state: textField(value, 'state', complain) ?? 'unknown',
    role: readRole(fieldOf(value, 'role'), complain),
    version: textField(value, 'version', complain),
    xlogLocation: lsnField(value, 'xlog_location', complain),
    receiveLsn: lsnField(value, 'receive_lsn', complain),
    replayLsn: lsnField(value, 'replay_lsn', complain),
    replicationState: textField(value, 'replication_state', complain),
    timeline: timelineField(value, 'timeline', complain),
    tags: readTags(objectField(value, 'tags', complain)),
    pendingRestart: flagField(value, 'pending_restart', complain) ?? false,
    pendingRestartReason: readPendingRestart(objectField(value, 'pending_restart_reason', complain), complain),
    scheduledRestart: readScheduledRestart(objectField(value, 'scheduled_restart', complain), complain),
    pause: flagField(value, 'pause', complain) ?? false,
    slots: readMap(slots, 'slots', (verdict, name, place) => readSlotVerdict(verdict, name, complain, place)),
    extras: extras === null ? null : readExtras(extras, complain),
  };
}

export function encodeMember(member: Member): string {
  return JSON.stringify({
    ...withoutNulls({
      conn_url: member.connUrl,
      api_url: member.apiUrl,
      state: member.state,
      role: member.role,
      version: member.version,
      xlog_location: optionalLsnToJson(member.xlogLocation),
      replay_lsn: optionalLsnToJson(member.replayLsn),
      receive_lsn: optionalLsnToJson(member.receiveLsn),
      replication_state: member.replicationState,
      timeline: member.timeline,
    }),
    ...tagsToJson(member.tags),
    ...(member.pendingRestart ? { pending_restart: true } : {}),
    ...(member.pendingRestartReason.size === 0
      ? {}
      : { pending_restart_reason: pendingRestartToJson(member.pendingRestartReason) }),
    ...(member.scheduledRestart === null ? {} : { scheduled_restart: scheduledRestartToJson(member.scheduledRestart) }),
    ...(member.pause ? { pause: true } : {}),
    slots: mapToJson(member.slots, slotVerdictToJson),
    ...(member.extras === null ? {} : { slotkeeper: extrasToJson(member.extras) }),
  });
}

function memberFromUrl(url: string, complain: Complain): Member {
  const { connUrl, apiUrl } = splitLegacyUrl(url);
  return {
    connUrl: readConnUrl(connUrl ?? url, complain),
    apiUrl,
    state: 'unknown',
    role: 'uninitialized',
    version: null,
    xlogLocation: null,
    receiveLsn: null,
    replayLsn: null,
    replicationState: null,
    timeline: null,
    tags: noTags,
    pendingRestart: false,
    pendingRestartReason: new Map(),
    scheduledRestart: null,
    pause: false,
    slots: new Map(),
    extras: null,
  };
}

function readConnUrl(url: string | null, complain: Complain): string | null {
  if (url === null) return null;
  const clean = withoutCredentials(url);
  // The text itself is not shown: what made it unreadable may be a password.
  if (clean === null) complain('conn_url', 'not a connection URL', 'postgres://host:port/database');
  return clean;
}

function readRole(value: Json | undefined, complain: Complain): MemberRole {
  const role = typeof value === 'string' && Object.hasOwn(roles, value) ? roles[value] : undefined;
  if (role === undefined) complain('role', describe(value), `one of ${Object.keys(roles).join(', ')}`);
  return role ?? 'uninitialized';
}

function readTags(object: JsonObject | null): Tags {
  if (object === null) return noTags;
  // Whoever copies the tags by assignment later must not set a prototype.
  return tagsFrom(Object.fromEntries(Object.entries(object).filter(([name]) => name !== '__proto__')));
}

/** `raw` as it is; the tags that mean something to slotkeeper also when only their meaning was given. */
function tagsToJson(tags: Tags): JsonObject {
  const meant = tagsFrom(tags.raw);
  const all = {
    ...(tags.raw as JsonObject),
    ...(tags.nofailover === meant.nofailover ? {} : { nofailover: tags.nofailover }),
    ...(tags.nostream === meant.nostream ? {} : { nostream: tags.nostream }),
    ...(tags.replicatefrom === meant.replicatefrom ? {} : { replicatefrom: tags.replicatefrom }),
  };
  return Object.keys(all).length === 0 ? {} : { tags: all };
}

function readExtras(object: JsonObject, complain: Complain): MemberExtras {
  const place = 'slotkeeper';
  return {
    agentVersion: textField(object, 'agent_version', complain, place) ?? 'unknown',
    serverVersionNum: countField(object, 'server_version_num', [0, 9_999_999], complain, place),
    systemIdentifier: textField(object, 'system_identifier', complain, place),
    upstream: textField(object, 'upstream', complain, place),
    primarySlotName: textField(object, 'primary_slot_name', complain, place),
    physical: readMap(objectField(object, 'physical', complain, place), `${place}.physical`, (report, name, at) =>
      readPhysicalReport(report, name, complain, at),
    ),
    needsFeedback: flagField(object, 'needs_feedback', complain, place) ?? false,
    hotStandbyFeedback: flagField(object, 'hot_standby_feedback', complain, place) ?? false,
    templates: readMap(objectField(object, 'templates', complain, place), `${place}.templates`, (lsn, _name, at) =>
      readLsn(lsn, complain, at),
    ),
    wantsSnapshot: flagField(object, 'wants_snapshot', complain, place) ?? false,
    bid: readBid(objectField(object, 'bid', complain, place), complain),
    problems: readProblems(object, complain),
  };
}

function readProblems(object: JsonObject, complain: Complain): readonly string[] {
  return (arrayField(object, 'problems', complain, 'slotkeeper') ?? []).filter((problem, index): problem is string => {
    if (typeof problem === 'string') return true;
    complain(`slotkeeper.problems[${index}]`, describe(problem), 'a text');
    return false;
  });
}

function extrasToJson(extras: MemberExtras): JsonObject {
  return withoutNulls({
    agent_version: extras.agentVersion,
    server_version_num: extras.serverVersionNum,
    system_identifier: extras.systemIdentifier,
    upstream: extras.upstream,
    primary_slot_name: extras.primarySlotName,
    physical: mapToJson(extras.physical, physicalReportToJson),
    needs_feedback: extras.needsFeedback,
    hot_standby_feedback: extras.hotStandbyFeedback,
    templates: mapToJson(extras.templates, lsnToJson),
    wants_snapshot: extras.wantsSnapshot,
    bid: extras.bid === null ? null : bidToJson(extras.bid),
    problems: extras.problems,
  });
}
