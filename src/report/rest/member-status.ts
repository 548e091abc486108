import { pendingRestartToJson } from '../../consul/codec/pending-restart.ts';
import { scheduledRestartToJson } from '../../consul/codec/restart.ts';
import { leaderName } from '../../domain/cluster.ts';
import type { ServerLook } from '../../domain/server.ts';
import { checkStateOf } from '../../domain/check.ts';
import { isFailsafeActive } from '../../view/failsafe.ts';
import { configOf, freshLook } from '../../view/select.ts';
import type { Contact, View } from '../../view/view.ts';
import { plain } from '../plain.ts';
import { redact } from '../redact.ts';
import type { Moment } from './answer.ts';
import { isSynchronous, replicationState } from './standing.ts';

/**
 * What `/patroni` and every health check say of this member, under Patroni's names; positions as numbers of bytes. What
 * slotkeeper adds is under `slotkeeper`. A field that is not known is left out.
 */
export function memberStatus(moment: Moment): Readonly<Record<string, unknown>> {
  const { view, plan } = moment.turn;
  const look = freshLook(view);
  const { keys } = view.consul;
  return {
    state: plan.member.state,
    ...(look === null ? {} : serverStatus(view, look)),
    role: plan.member.role,
    ...(isSynchronous(moment).kind === 'yes' && look?.role === 'standby' ? { sync_standby: true } : {}),
    ...(configOf(view).pause ? { pause: true } : {}),
    ...(keys === null || leaderName(keys) === null ? { cluster_unlocked: true } : {}),
    ...(isFailsafeActive(view) ? { failsafe_mode_is_active: true } : {}),
    dcs_last_seen: Math.floor(
      (moment.nowWallMs - (ageMs(view.consul.contact, moment.nowMs) ?? moment.nowWallMs)) / 1_000,
    ),
    ...(Object.keys(view.self.tags.raw).length > 0 ? { tags: view.self.tags.raw } : {}),
    ...(view.local.look === null ? {} : { database_system_identifier: view.local.look.systemIdentifier }),
    ...(plan.member.pendingRestart ? { pending_restart: true } : {}),
    ...(plan.member.pendingRestartReason.size === 0
      ? {}
      : { pending_restart_reason: pendingRestartToJson(plan.member.pendingRestartReason) }),
    ...(plan.member.scheduledRestart === null
      ? {}
      : { scheduled_restart: scheduledRestartToJson(plan.member.scheduledRestart) }),
    patroni: { version: plan.member.version, scope: view.self.scope, name: view.self.name },
    slotkeeper: {
      version: view.self.agentVersion,
      consul: contactStatus(view.consul.contact, moment.nowMs),
      postgresql: contactStatus(view.local.contact, moment.nowMs),
      session: sessionStatus(view),
      slots: checkStateOf(view.verdicts),
      problems: plan.problems.map(({ what, ...problem }) => ({ ...problem, what: redact(what) })),
      holds: plan.holds.map(({ subject, why }) => ({ subject, why: redact(why) })),
    },
  };
}

function serverStatus(view: View, look: ServerLook): Readonly<Record<string, unknown>> {
  const state = replicationState(view);
  return {
    postmaster_start_time: timestamp(look.startedAtWallMs),
    server_version: look.versionNum,
    xlog:
      look.role === 'primary'
        ? { location: Number(look.currentLsn ?? 0n) }
        : {
            received_location: Number(look.receivedLsn ?? 0n),
            replayed_location: Number(look.replayedLsn ?? 0n),
            replayed_timestamp: look.replayedAtWallMs === null ? null : timestamp(look.replayedAtWallMs),
            paused: look.replayPaused,
          },
    timeline: look.timeline,
    ...(state === null ? {} : { replication_state: state }),
    ...(look.replication.length === 0
      ? {}
      : {
          replication: look.replication.map((client) => ({
            application_name: client.applicationName,
            client_addr: client.clientAddress,
            state: client.state,
            sync_state: client.syncState,
          })),
        }),
  };
}

/** Patroni's form: `2026-01-02 03:04:05.000+00:00`. */
function timestamp(wallMs: number): string {
  return new Date(wallMs).toISOString().replace('T', ' ').replace('Z', '+00:00');
}

function sessionStatus({ session }: View): Readonly<Record<string, unknown>> {
  if (session.kind === 'none') return { held: false, why: redact(session.why) };
  const { ttlSeconds, clampedFrom } = session;
  return {
    held: true,
    ttl_seconds: ttlSeconds,
    ...(clampedFrom === null ? {} : { clamped_from_seconds: clampedFrom }),
  };
}

/** How well an outside system is reached, and how old what is known of it is. */
export function contactStatus(contact: Contact, nowMs: number): unknown {
  const age = ageMs(contact, nowMs);
  return plain({
    state: contact.kind,
    age_seconds: age === null ? null : Math.round(age / 100) / 10,
    why: contact.kind === 'broken' ? redact(contact.why) : null,
  });
}

/** Since when nothing new can have come: the last contact, or the moment when it broke. */
export function ageMs(contact: Contact, nowMs: number): number | null {
  if (contact.kind === 'never') return null;
  return Math.max(0, nowMs - (contact.kind === 'good' ? contact.atMs : contact.sinceMs));
}
